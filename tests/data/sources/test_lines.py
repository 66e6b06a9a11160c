"""Texts of one example a line: what is told of a read, and of one that fails."""

import errno
import io

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.sources import lines
from estimator_lab.data.sources.formats import scan_members
from estimator_lab.data.sources.reading import Scan
from estimator_lab.data.sources.source import source_of
from estimator_lab.data.trees.kind import TREES

TEXT = b'(1 a)\n(0 b)\n\n(1 c)\n'


@pytest.fixture
def source(tmp_path):
    path = tmp_path / 'trees.txt'
    path.write_bytes(TEXT)
    return source_of(str(path))


def test_progress_is_the_share_of_the_bytes_before_a_line(source):
    shares = []
    members = list(scan_members(source, TREES, Scan(progress=shares.append)))
    assert [member.offset for member in members] == [0, 6, 13]
    assert [share for share in shares if share < 1] == [0, 6 / 19, 13 / 19]


class Failing(io.BufferedReader):
    """A file of which only the head can be read."""

    def read(self, size=-1):
        raise OSError(errno.EIO, 'Input/output error')


def test_a_text_that_fails_before_its_first_line_is_unreadable_and_not_cut_off(source, monkeypatch):
    monkeypatch.setattr(lines, 'decompressed', lambda raw: Failing(io.BytesIO(TEXT)))
    with pytest.raises(DataError, match='cannot be read'):
        list(scan_members(source, TREES, Scan()))
