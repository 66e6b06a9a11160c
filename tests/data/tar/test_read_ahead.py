"""The thread that brings an archive into memory ahead of those who look at its headers only."""

import os
import threading
import time

import pytest

from estimator_lab.data.tar import skipping_file
from estimator_lab.data.tar.skipping_file import ReadAhead
from estimator_lab.data.tar.stream import scan_members
from tests.archive_files import write_tar

pytestmark = pytest.mark.skipif(not hasattr(os, 'preadv'), reason='this system reads into no buffer')


@pytest.fixture
def places(monkeypatch):
    """Where the thread has read, in pieces of 1,000 bytes and at most 5,000 ahead."""
    monkeypatch.setattr(skipping_file, '_AHEAD_CHUNK', 1000)
    monkeypatch.setattr(skipping_file, '_LEAD', 5000)
    preadv, found = os.preadv, []

    def recorded(descriptor, buffers, place):
        found.append(place)
        return preadv(descriptor, buffers, place)

    monkeypatch.setattr(os, 'preadv', recorded)
    return found


@pytest.fixture
def descriptor(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(bytes(20_500))
    with path.open('rb') as file:
        yield file.fileno()


def wait_for(what):
    until = time.monotonic() + 300
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_it_stays_within_its_lead(places, descriptor):
    position = 0
    ahead = ReadAhead(descriptor, lambda: position)
    wait_for(lambda: places == [0, 1000, 2000, 3000, 4000, 5000])
    time.sleep(0.05)
    assert len(places) == 6
    position = 2500
    wait_for(lambda: places[6:] == [6000, 7000])
    position = 19_900  # a long jump: what lies between is not wanted any more
    wait_for(lambda: places[8:] == [19_900, 20_500])
    ahead.close()


def test_closing_ends_it(places, descriptor):
    before = threading.active_count()
    ahead = ReadAhead(descriptor, lambda: 0)
    wait_for(lambda: places)
    ahead.close()
    assert threading.active_count() == before


def test_an_error_is_left_to_the_reader(places, descriptor, monkeypatch):
    def fail(*_):
        places.append(-1)
        raise OSError('the disk is gone')

    monkeypatch.setattr(os, 'preadv', fail)
    ahead = ReadAhead(descriptor, lambda: 0)
    wait_for(lambda: places)
    ahead.close()
    assert places == [-1]


def archive_of(folder, size):
    return write_tar(folder / 'a.tar', [(f'{number}.jpg', bytes(size)) for number in range(9)])


@pytest.mark.parametrize(('size', 'starts'), [(2000, 1), (400_000, 0)])
def test_it_starts_if_headers_are_close_together(tmp_path, monkeypatch, size, starts):
    monkeypatch.setattr(skipping_file, '_FIRST_BYTES', 3000)
    started = []

    class Recorded(ReadAhead):
        def __init__(self, *arguments):
            started.append(self)
            super().__init__(*arguments)

    monkeypatch.setattr(skipping_file, 'ReadAhead', Recorded)
    before = threading.active_count()
    names = [entry.name for entry in scan_members(archive_of(tmp_path, size))]
    assert names == [f'{number}.jpg' for number in range(9)]
    assert len(started) == starts
    assert threading.active_count() == before


def test_leaving_early_ends_it(places, tmp_path, monkeypatch):
    monkeypatch.setattr(skipping_file, '_FIRST_BYTES', 3000)
    before = threading.active_count()
    entries = scan_members(archive_of(tmp_path, 2000))
    for _ in range(4):
        next(entries)
    wait_for(lambda: places)
    entries.close()
    assert threading.active_count() == before
