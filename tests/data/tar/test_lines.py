"""Lines of a text as members: in a pass, by an index, from gzip, damaged, and too long."""

import gzip
import io
from dataclasses import dataclass

import pytest

from estimator_lab.data import member as tar_member
from estimator_lab.data.tar import stream
from estimator_lab.data.tar.forward_file import ForwardFile
from estimator_lab.data.tar.index import build_index, open_index
from estimator_lab.data.tar.lines import read_lines
from estimator_lab.data.tar.stream import scan_members, stream_members
from estimator_lab.errors import DataError
from tests.kinds import TextFile


def name_of(number, line):
    return f'{line.decode("utf-8", "backslashreplace").partition(" ")[0]}/line_{number}.txt'


@dataclass(frozen=True)
class Lines(TextFile):
    has_lines = True

    def line_name(self, number, line):
        return name_of(number, line)


TEXTS = Lines()
TEXT = b'a 1\n\nb 22\r\n  \na \xff333\nb no end'
LINES = [(0, b'a 1'), (5, b'b 22\r'), (14, b'a \xff333'), (21, b'b no end')]
NAMES = ['a/line_1.txt', 'b/line_3.txt', 'a/line_5.txt', 'b/line_6.txt']


@pytest.fixture(params=[bytes, gzip.compress], ids=['plain', 'gzip'])
def path(request, tmp_path):
    path = tmp_path / 'lines.tsv'
    path.write_bytes(request.param(TEXT))
    return str(path)


def test_each_line_is_a_member_at_its_offset(path):
    members = list(stream_members(path, kind=TEXTS))
    assert [(member.offset, member.data) for member in members] == LINES
    assert [member.name for member in members] == NAMES
    assert members[2].place == f"{path!r}: member 'a/line_5.txt' at byte 14"
    assert all(TEXT[offset : offset + len(data)] == data for offset, data in LINES)


def test_an_index_from_the_cache_is_the_same(path):
    for index in (open_index(path, kind=TEXTS), open_index(path, kind=TEXTS)):
        assert [index.name(row) for row in range(len(index))] == NAMES
        assert index.counts == {'a': 2, 'b': 2} and index.is_text and index.still_fits()
        assert index.random_access is not stream.is_compressed(path)
    if index.random_access:
        assert [(index.member(row).offset, index.member(row).read().data) for row in range(4)] == LINES


def test_a_line_that_has_changed_is_noticed(tmp_path):
    path = tmp_path / 'lines.tsv'
    path.write_bytes(TEXT)
    index = build_index(str(path), kind=TEXTS)
    path.write_bytes(TEXT.replace(b'22', b'23'))
    with pytest.raises(DataError, match=r"member 'b/line_3.txt' is no longer at byte 5"):
        index.member(1).read()
    assert index.still_fits()  # which looks at the first, the third and the last
    path.write_bytes(TEXT.replace(b'no end', b'an end'))
    assert not index.still_fits()


def test_a_text_is_not_an_archive_of_images(path):
    with pytest.raises(DataError, match='is not a tar archive'):
        list(stream_members(path))


def test_binary_data_without_zeros_is_no_text(tmp_path):
    path = tmp_path / 'binary'
    path.write_bytes(bytes(range(1, 256)) + b'(a' * 100)  # as the middle of an image may begin
    with pytest.raises(DataError, match='is not a tar archive'):
        list(stream_members(str(path), kind=TEXTS))


def test_a_cut_text_says_where(tmp_path):
    path = tmp_path / 'lines.gz'
    path.write_bytes(gzip.compress(TEXT * 1000, mtime=0)[:-9])
    members = []
    with pytest.raises(DataError, match=r'is cut off at byte \d+ of its text: the gzip stream ends'):
        members.extend(stream_members(str(path), kind=TEXTS))


def test_a_line_that_is_too_long_has_no_data(monkeypatch, tmp_path):
    monkeypatch.setattr(tar_member, 'MAX_MEMBER_BYTES', 1000)
    path = tmp_path / 'lines.tsv'
    path.write_bytes(b'a 1\n' + b'x' * 3_000_000 + b'\na 2\n')
    first, long, last = stream_members(str(path), kind=TEXTS)
    assert (first.data, long.data, last.data) == (b'a 1', b'', b'a 2')
    assert long.problem == 'it claims 3000000 bytes, more than the 1000 allowed for one example'
    assert last.offset == 3_000_005
    assert [entry.size for entry in scan_members(str(path), kind=TEXTS)] == [3, 3_000_000, 3]


def test_chunks_end_anywhere(monkeypatch):
    for size in (1, 2, 3, 7):
        monkeypatch.setattr('estimator_lab.data.tar.lines._CHUNK', size)
        lines = read_lines(ForwardFile(io.BytesIO(TEXT), None), name_of)
        assert [(entry.offset, data) for entry, data in lines] == LINES
