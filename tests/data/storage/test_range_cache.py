"""Parts of files elsewhere on the local disk."""

import os
import time

import pytest

from estimator_lab.data.member import read_members
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.storage import range_cache
from estimator_lab.data.storage.range_cache import RangeCache, keep_on_disk
from estimator_lab.data.tar.stream import stream_members
from tests.archive_files import tar_bytes

MEMBERS = {f'{"ab"[number % 2]}/{number}.jpg': os.urandom(5000) for number in range(30)}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'cache'


def size_of(folder):
    return sum((sub / 'data').stat().st_blocks * 512 for sub in folder.iterdir())


def test_parts_are_kept(folder):
    file = RangeCache(folder, 10**6).file('a')
    file.put(1024, b'some')
    file.put(512 * 10**8, b'far away')
    file.put(2000, b'not at a block')
    again = RangeCache(folder, 10**6).file('a')
    for each in (file, again):
        assert each.get(1024, 4) == b'some' and each.get(512 * 10**8, 8) == b'far away'
        assert each.get(1024, 3) == b'som'
        assert each.get(1024, 5) is each.get(1025, 3) is each.get(0, 4) is each.get(2000, 3) is None
    assert RangeCache(folder, 10**6).file('b').get(1024, 4) is None
    file.put(1024, b'something')
    assert again.get(1024, 9) == b'something'  # what another process has fetched meanwhile


def test_damage_is_noticed(folder):
    file = RangeCache(folder, 10**6).file('a')
    file.put(0, b'first')
    file.put(512, b'second')
    (data,), (ranges,) = folder.glob('*/data'), folder.glob('*/ranges')
    data.write_bytes(b'first' + bytes(507) + b'secXnd')
    assert file.get(0, 5) == b'first' and file.get(512, 6) is None
    file.put(512, b'second')
    assert file.get(512, 6) == b'second'
    ranges.write_bytes(b'garbage' + ranges.read_bytes()[:-3])
    assert file.get(0, 5) is file.get(512, 6) is None
    data.unlink()
    assert file.get(0, 5) is None


def test_its_size_is_bounded_and_nothing_in_use_is_replaced(folder):
    cache = RangeCache(folder, 100_000)
    files = [cache.file(key) for key in 'ab']
    for number in range(50):
        files[number % 2].put(number * 4096, bytes(4096))
    assert 24 * 4096 <= size_of(folder) <= 100_000
    assert files[0].get(0, 4096) == bytes(4096) and files[1].get(49 * 4096, 4096) is None


def test_files_that_were_not_used_for_long_make_room(folder, monkeypatch):
    old = RangeCache(folder, 100_000).file('old')
    for number in range(20):
        old.put(number * 4096, bytes(4096))
    newer = RangeCache(folder, 100_000).file('new')
    newer.put(0, bytes(40_000))
    assert newer.get(0, 40_000) is None
    (ranges,) = (path for path in folder.glob('*/ranges') if path.stat().st_size)
    os.utime(ranges, (0, time.time() - 4000))
    cache = RangeCache(folder, 100_000)
    newer = cache.file('new')
    newer.put(0, bytes(40_000))
    assert newer.get(0, 40_000) == bytes(40_000) and size_of(folder) <= 45_000


def test_a_folder_that_cannot_be_used(tmp_path):
    (tmp_path / 'file').touch()
    assert RangeCache(tmp_path / 'file', 10**6).file('a') is None


def test_a_full_disk(folder, monkeypatch):
    file = RangeCache(folder, 10**6).file('a')

    def fail(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'pwrite', fail)
    file.put(0, b'some')
    monkeypatch.undo()
    file.put(0, b'some')
    assert file.get(0, 4) is None


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """Gives the test a cache of its own."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'home'))
    monkeypatch.setattr(range_cache, '_megabytes', 1)


def read_all(url, seed):
    members = list(open_archives([url]).order(shuffle_buffer=2, seed=seed).epoch(0))
    return {member.name: member.data for member in read_members(members)}


def test_a_second_epoch_and_a_second_run_fetch_nothing(web, kept):
    url = web.put('/a.tar', tar_bytes(MEMBERS))
    assert read_all(url, 1) == MEMBERS
    web.requests.clear()
    assert read_all(f'{url}?Signature=new', 2) == MEMBERS
    assert web.bytes_sent < 1000
    web.put('/a.tar', tar_bytes({name: data[::-1] for name, data in MEMBERS.items()}))
    assert read_all(url, 1) == {name: data[::-1] for name, data in MEMBERS.items()}


def test_streams_are_kept_too(web, kept):
    url = web.put('/a.tar', tar_bytes(MEMBERS))
    first = list(stream_members(url))
    web.requests.clear()
    assert list(stream_members(url)) == first and web.bytes_sent == 0


def test_it_can_be_switched_off(web, kept):
    keep_on_disk(0)
    url = web.put('/a.tar', tar_bytes(MEMBERS))
    for seed in (1, 2):
        web.requests.clear()
        read_all(url, seed)
        assert web.bytes_sent > 30 * 5000


def test_a_file_without_a_version_is_not_kept(web, kept):
    url = web.put('/a.tar', tar_bytes(MEMBERS))
    del web.etags['/a.tar']
    read_all(url, 1)
    web.requests.clear()
    read_all(url, 1)
    assert web.bytes_sent > 30 * 5000
