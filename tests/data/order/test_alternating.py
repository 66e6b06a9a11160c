import itertools

import pytest

from estimator_lab.data.member import read_members
from estimator_lab.data.order.alternating import AlternatingOrder
from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.tar.index import Index
from tests.archive_files import encoded, picture, write_tar


@pytest.fixture
def order(tmp_path):
    labelled = write_tar(tmp_path / 'l.tar', [(f'{n % 2}/l{n}.png', encoded(picture(n))) for n in range(3)])
    others = write_tar(tmp_path / 'u.tar', [(f'{n % 2}/u{n}.png', encoded(picture(n))) for n in range(5)])
    return AlternatingOrder(*(open_archives([str(path)]).order(10, seed=1) for path in (labelled, others)))


def test_labelled_and_unlabelled_take_turns(order):
    members = list(itertools.islice(order.onwards(0), 30))
    assert [bool(member.label) for member in members] == [True, False] * 15
    assert all(member.key.rpartition('/')[2][0] == 'lu'[place % 2] for place, member in enumerate(members))
    firsts = {member.key for member in members[:6:2]}, {member.key for member in members[1:10:2]}
    assert tuple(map(len, firsts)) == (3, 5), 'each kind ends before it starts again'
    assert all('/u' in one.key and one.read().data for one in members[1::2])


def test_it_resumes_at_any_place(order):
    whole = [(scheduled.key, scheduled.label) for scheduled in itertools.islice(order.onwards(0), 40)]
    labelled = [member.key for member in itertools.islice(order.labelled.onwards(0), 20)]
    assert [key for key, label in whole if label] == labelled
    for start in range(12):
        rest = itertools.islice(order.onwards(start), 40 - start)
        assert [(scheduled.key, scheduled.label) for scheduled in rest] == whole[start:]


def test_an_epoch_has_each_unlabelled_member_once(order):
    keys = [scheduled.key.rpartition('/')[2] for scheduled in order.epoch(0)]
    assert sorted(key for key in keys if key[0] == 'u') == [f'u{n}.png' for n in range(5)]
    assert len(keys) == 8


@pytest.mark.parametrize('suffix', ['.tar', '.tar.gz'])
def test_memory_of_unlabelled_members_is_counted(tmp_path, suffix):
    """In a stream they are in memory; by random access they are read later, together."""
    mode = 'w:gz' if suffix == '.tar.gz' else 'w'
    path = write_tar(tmp_path / f'u{suffix}', [(f'0/{n}.png', bytes(100 + n)) for n in range(4)], mode=mode)
    order = AlternatingOrder(*(open_archives([str(path)]).order() for _ in range(2)))
    labelled, unlabelled = itertools.islice(order.epoch(0), 2)
    assert (labelled.label, unlabelled.label) == ('0', '')
    assert (len(unlabelled.data), unlabelled.unread) == ((100, 0) if mode == 'w:gz' else (0, 100))
    assert unlabelled.without_data().data == b''
    assert unlabelled.read()._replace(label='0') == labelled.read()


def test_unlabelled_members_are_read_together(order, monkeypatch):
    calls = []
    read = Index.read
    monkeypatch.setattr(Index, 'read', lambda index, some: calls.append(len(some)) or read(index, some))
    members = read_members(list(itertools.islice(order.onwards(0), 8)))
    assert sorted(calls) == [4, 4]
    assert all(member.data and not member.source for member in members)
