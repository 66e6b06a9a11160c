"""Members: their names for people, and reading those of several sources together."""

from estimator_lab.data.member import MAX_MEMBER_BYTES, Member, problem_of, read_members


class Source:
    def __init__(self, name):
        self.name, self.calls = name, []

    def read(self, members):
        self.calls.append([member.row for member in members])
        data = (f'{self.name}{member.row}'.encode() for member in members)
        return [member._replace(data=one, source=None) for member, one in zip(members, data, strict=True)]


def test_key_and_place():
    tar, folder, file = Member('a\n.tar', 'n/1.jpg', 512), Member('f/', 'n/1.jpg', 3), Member('', 'x.jpg', 0)
    assert [one.key for one in (tar, folder, file)] == ['a\\x0a.tar:n/1.jpg', 'f/n/1.jpg', 'x.jpg']
    assert tar.place == "'a\\n.tar': member 'n/1.jpg' at byte 512"
    assert [folder.place, file.place] == ["'f/n/1.jpg'", "'x.jpg'"]


def test_members_of_a_source_are_read_together_and_keep_their_order():
    a, b = Source('a'), Source('b')
    members = [Member('x', 'x', 0, row=row, source=source) for row, source in ((1, a), (2, b), (3, a))]
    members.insert(1, Member('x', 'x', 0, b'in memory'))
    assert [member.data for member in read_members(members)] == [b'a1', b'in memory', b'b2', b'a3']
    assert (a.calls, b.calls) == ([[1, 3]], [[2]])
    assert members[0].read().data == b'a1' and members[1].read() is members[1]


def test_without_data():
    lazy, loaded = Member('a', 'x', 0, unread=9, source=Source('a')), Member('a', 'x', 0, b'data', label='l')
    assert lazy.without_data() is lazy
    assert loaded.without_data() == Member('a', 'x', 0, label='l')


def test_size_limit():
    assert problem_of(MAX_MEMBER_BYTES) == ''
    assert problem_of(MAX_MEMBER_BYTES + 1).startswith(f'it claims {MAX_MEMBER_BYTES + 1} bytes, more than')
