"""Members: their names for people, and reading those of several sources together."""

import pytest

from estimator_lab.data.examples.member import (
    MAX_MEMBER_BYTES,
    BadExampleError,
    Member,
    read_members,
)

pytestmark = pytest.mark.both


class Source:
    is_slow = False

    def __init__(self, name):
        self.name, self.calls = name, []

    def read(self, members):
        self.calls.append([member.row for member in members])
        return [f'{self.name}{member.row}'.encode() for member in members]


def test_key_and_place():
    tar, folder, file = Member('a\n.tar', 'n/1.jpg', 512), Member('f/', 'n/1.jpg', 3), Member('', 'x.jpg')
    assert [one.key for one in (tar, folder, file)] == ['a\\x0a.tar:n/1.jpg', 'f/n/1.jpg', 'x.jpg']
    assert tar.place == "'a\\n.tar': member 'n/1.jpg' at byte 512"
    assert [folder.place, file.place] == ["'f/n/1.jpg'", "'x.jpg'"]


def test_members_of_a_source_are_read_together_and_keep_their_order():
    a, b = Source('a'), Source('b')
    members = [Member('x', 'x', row=row, source=source) for row, source in ((1, a), (2, b), (3, a))]
    members.insert(1, Member('x', 'x', data=b'in memory'))
    members.append(Member('x', 'x', size=MAX_MEMBER_BYTES + 1, source=a))
    *found, large = read_members(members)
    assert found == [b'a1', b'in memory', b'b2', b'a3'] and (a.calls, b.calls) == ([[1, 3]], [[2]])
    assert str(large).startswith(f'it claims {MAX_MEMBER_BYTES + 1} bytes, more than')
    assert members[0].read().data == b'a1' and members[0].read().source is None
    with pytest.raises(BadExampleError, match='it claims'):
        members[-1].read()
