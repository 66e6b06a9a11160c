"""Members of slow archives are read several at once, in order, within a limit in bytes."""

import threading
from dataclasses import dataclass, field

import pytest

from estimator_lab.data.member import Member
from estimator_lab.data.pipeline import read_ahead as module
from estimator_lab.data.pipeline.read_ahead import read_ahead
from estimator_lab.errors import DataError


@dataclass(eq=False)
class Source:
    """A slow source, whose reads wait until the test lets them go."""

    is_slow: bool = True
    begun: list[int] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)

    def members(self, count, size=10):
        return [Member('a.tar', str(row), row, row=row, unread=size, source=self) for row in range(count)]

    def read(self, members):
        self.begun += [member.row for member in members]
        assert self.free.wait(60)
        if members[0].row == 13:
            raise DataError('the thirteenth')
        return [member._replace(data=b'%d' % member.row, source=None) for member in members]


def test_the_next_members_are_under_way_before_they_are_needed():
    source = Source()
    members = read_ahead(source.members(10))
    first = next(members)
    source.free.set()
    assert first.read().data == b'0'
    assert [member.read().data for member in members] == [b'%d' % row for row in range(1, 10)]
    assert sorted(source.begun) == list(range(10))  # each once


def test_several_are_read_at_once():
    source, both = Source(), threading.Barrier(2)
    source.read = lambda members: (both.wait(60) and None) or [members[0]._replace(source=None)]
    assert len([member.read() for member in read_ahead(source.members(2))]) == 2


def test_a_limit_in_bytes(monkeypatch):
    monkeypatch.setattr(module, '_MOST_BYTES', 35)
    monkeypatch.setattr(module, 'submit', lambda task: tasks.append(task))
    tasks = []
    members = list(read_ahead(Source().members(9)))
    assert len(members) == 9 and len(tasks) == 3


def test_beyond_the_limit_all_members_are_read_in_any_order(monkeypatch):
    monkeypatch.setattr(module, '_MOST_BYTES', 35)
    source = Source()
    source.free.set()
    members = list(read_ahead([*source.members(9), *source.members(3, size=1000)]))
    assert [m.read().data for m in reversed(members)] == [m.name.encode() for m in reversed(members)]
    assert sorted(source.begun) == sorted([*range(9), *range(3)])


def test_other_members_are_neither_delayed_nor_read():
    source = Source(is_slow=False)
    asked = iter(source.members(9))
    members = read_ahead(asked)
    assert next(members).source is source and next(asked).row == 1 and not source.begun


def test_errors_come_after_the_members_before_them():
    source = Source()
    source.free.set()

    def stream():
        yield from source.members(5)
        raise DataError('the end')

    found = []
    with pytest.raises(DataError, match='the end'):
        found.extend(read_ahead(stream()))
    assert [member.read().row for member in found] == [0, 1, 2, 3, 4]
    members = list(read_ahead(source.members(15)))
    with pytest.raises(DataError, match='thirteenth'):
        members[13].read()
    assert members[14].read().data == b'14'


def test_a_member_can_be_read_again():
    source = Source()
    source.free.set()
    (member,) = read_ahead(source.members(1))
    assert member.read().data == member.read().data == b'0' and source.begun == [0, 0]
