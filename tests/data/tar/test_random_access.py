"""Members that are read together are those that are read one by one."""

import os
import threading

import pytest

from estimator_lab.data.folder.index import open_folder
from estimator_lab.data.member import read_members
from estimator_lab.data.order.order import IndexedOrder
from estimator_lab.data.tar.index import build_index
from estimator_lab.errors import DataError
from tests.archive_files import write_tar

FILES = [(f'{number % 3}/{number}.png', bytes([number]) * 37 * number) for number in range(40)]


@pytest.fixture
def index(tmp_path):
    return build_index(str(write_tar(tmp_path / 'some.tar', FILES)))


def read(index, rows):
    return index.read(index.members(rows))


@pytest.fixture(params=[True, False], ids=['advised', 'not_advised'])
def advice(request, monkeypatch):
    if not request.param:
        monkeypatch.delattr(os, 'posix_fadvise', raising=False)


@pytest.mark.usefixtures('advice')
def test_together_they_are_the_same(index):
    rows = [5, 0, 39, 5, 12]
    assert read(index, rows) == [index.member(row).read() for row in rows]
    assert [member.data for member in read(index, rows)] == [FILES[row][1] for row in rows]
    assert read(index, []) == []


def test_the_order_is_kept_across_archives_folders_and_streams(index, tmp_path):
    folder = tmp_path / 'files'
    for name, data in FILES[:4]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    other = build_index(str(write_tar(tmp_path / 'other.tar', [(f'9/{n}', d[::-1]) for n, d in FILES])))
    order = IndexedOrder([index, open_folder(str(folder)), other], shuffle=True, seed=3)
    scheduled = list(order.epoch(0))
    scheduled[3:3] = [index.member(7).read()]  # one that was read before, as from a pipe
    assert read_members(scheduled) == [one.read() for one in scheduled]
    assert len({one.archive for one in scheduled}) == 3


@pytest.mark.usefixtures('advice')
def test_many_threads_read_what_they_ask_for(index):
    wrong = []

    def work(first):
        for _ in range(50):
            rows = [(first + step) % len(FILES) for step in range(0, 60, 7)]
            if [member.data for member in read(index, rows)] != [FILES[row][1] for row in rows]:
                wrong.append(first)

    threads = [threading.Thread(target=work, args=[first]) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.usefixtures('advice')
def test_a_changed_or_missing_archive_is_named_and_others_can_still_be_read(index, tmp_path):
    other = build_index(str(write_tar(tmp_path / 'other.tar', FILES)))
    path = tmp_path / 'some.tar'
    with path.open('r+b') as file:
        file.write(bytes(512))
    with pytest.raises(DataError, match=r'some.tar.* has changed since it was indexed: member .0/0.png'):
        read(index, [1, 0])
    index.close()
    path.unlink()
    with pytest.raises(DataError, match='cannot be read any more: No such file'):
        read(index, [1])
    assert read(other, [2])[0].data == FILES[2][1]  # the lock is released


def test_the_system_is_told_of_all_members_first(index, monkeypatch):
    told = []
    pread = os.pread
    monkeypatch.setattr(os, 'POSIX_FADV_WILLNEED', 3, raising=False)  # not every system takes advice
    monkeypatch.setattr(
        os, 'posix_fadvise', lambda _, *place_and_kind: told.append(place_and_kind[:2]), raising=False
    )
    monkeypatch.setattr(os, 'pread', lambda *given: (told.append('read'), pread(*given))[1])
    read(index, [3, 8])
    places = [(index.member(row).offset, 512 + index.member(row).unread) for row in (3, 8)]
    assert told == [*places, 'read', 'read']


def test_a_system_that_refuses_advice_still_reads(index, monkeypatch):
    def refuse(*given):
        raise OSError(22, 'Invalid argument')

    monkeypatch.setattr(os, 'POSIX_FADV_WILLNEED', 3, raising=False)
    monkeypatch.setattr(os, 'posix_fadvise', refuse, raising=False)
    assert read(index, [3])[0].data == FILES[3][1]


def test_a_member_that_is_too_large_is_not_read(index, monkeypatch):
    monkeypatch.setattr('estimator_lab.data.member.MAX_MEMBER_BYTES', 400)
    small, large = read(index, [1, 30])
    assert small.data == FILES[1][1] and not large.data
