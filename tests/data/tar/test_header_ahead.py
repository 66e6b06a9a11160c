"""Headers read at many places at once are those that one reader finds, whatever the members hold."""

import itertools
import os
import random
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from estimator_lab.data.member import read_members
from estimator_lab.data.storage import files
from estimator_lab.data.storage.files import LocalFile
from estimator_lab.data.tar import header_ahead, skipping_file
from estimator_lab.data.tar.header_ahead import HeaderAhead
from estimator_lab.data.tar.index import build_index
from estimator_lab.data.tar.stream import scan_members
from estimator_lab.errors import DataError
from tests.archive_files import tar_bytes
from tests.meeting import Meeting


@pytest.fixture
def slow(monkeypatch):
    """Makes all local files slow ones, cut into segments of 20 KB from the beginning on."""
    monkeypatch.setattr(LocalFile, 'is_slow', True)
    monkeypatch.setattr(skipping_file, '_FIRST_BYTES_ELSEWHERE', 0)
    monkeypatch.setattr(skipping_file, '_CLOSE', 0)
    monkeypatch.setattr(header_ahead, '_SMALLEST', 20_480)
    monkeypatch.setattr(header_ahead, '_LARGEST', 20_480)
    monkeypatch.setattr(header_ahead, '_SEARCHED_AT_ONCE', 4096)


@pytest.fixture
def reads(monkeypatch):
    """The bytes of each read of a local file."""
    read, found = LocalFile.read, []

    def counted(self, offset, count):
        data = read(self, offset, count)
        found.append(len(data))
        return data

    monkeypatch.setattr(LocalFile, 'read', counted)
    return found


def files_of(seed):
    rng = random.Random(seed)
    inner = tar_bytes({f'inner/{number}.jpg': rng.randbytes(3000) for number in range(9)})
    files = {}
    for number in range(60):
        long = 'l' * rng.choice([1, 1, 90, 300])
        size = rng.choice([0, 1, 511, 512, 5000, 40_000])
        files[f'{"abc"[number % 3]}/{long}{number}.jpg'] = inner if number % 13 == 5 else rng.randbytes(size)
    return files


@pytest.mark.parametrize('format', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize('seed', range(3))
def test_the_same_members_are_found(write, slow, monkeypatch, format, seed):
    path = write(tar_bytes(files_of(seed), format))
    found = list(scan_members(path))
    monkeypatch.undo()
    assert found == list(scan_members(path)) and len(found) == 60


@pytest.mark.parametrize('cut', [1000, 20_480, 100_000, 333_333])
def test_a_damaged_or_shorter_archive_has_the_same_error(write, slow, monkeypatch, cut):
    data = tar_bytes(files_of(1))
    paths = [
        write(data[:cut], 'cut.tar'),
        write(data[:cut] + bytes([7]) * 2000 + data[cut + 2000 :], 'bad.tar'),
    ]

    def errors():
        for path in paths:
            try:
                yield build_index(path).damage
            except DataError as error:
                yield str(error)

    found = list(errors())
    monkeypatch.undo()
    assert found == list(errors())


def test_data_is_not_read(write, slow, reads, monkeypatch):
    monkeypatch.setattr(header_ahead, '_SMALLEST', 2**20)
    monkeypatch.setattr(header_ahead, '_LARGEST', 2**20)
    path = write(tar_bytes({f'a/{number}.jpg': os.urandom(90_000) for number in range(100)}))
    reads.clear()
    assert len(list(scan_members(path))) == 100
    assert sum(reads) < 0.15 * Path(path).stat().st_size


def test_many_are_read_at_once(write, monkeypatch):
    path = write(tar_bytes({f'a/{number}.jpg': bytes(9000) for number in range(100)}))
    meeting = Meeting(5)

    class Slow(LocalFile):
        def read(self, offset, count):
            meeting.attend()
            return super().read(offset, count)

    monkeypatch.setattr(header_ahead, '_SMALLEST', 20_480)
    headers = HeaderAhead(Slow(path), 0, Path(path).stat().st_size)
    for number in range(100):
        assert headers.read(number * 9728, 512).startswith(b'a/%d.jpg\0' % number)
    headers.close()
    assert meeting.complete.is_set()


def test_a_slow_local_file_is_read_at_many_places_at_once(write, monkeypatch):
    """As one on a network file system; whether it is one is measured."""
    path = write(tar_bytes({f'a/{number}.jpg': b'%d' % number for number in range(64)}))
    index, pread, clock = build_index(path), os.pread, itertools.count(0, 1e-6)
    members = index.members(range(64))
    monkeypatch.setattr(files, 'time', SimpleNamespace(perf_counter=lambda: next(clock)))
    read_members(members)
    assert not index.is_slow
    clock = itertools.count(0, 0.02)
    read_members(members[:8])
    assert index.is_slow
    meeting = Meeting(4)
    monkeypatch.setattr(os, 'pread', lambda *arguments: meeting.attend() or pread(*arguments))
    assert [member.data for member in read_members(members)] == [b'%d' % number for number in range(64)]
    assert meeting.complete.is_set()
