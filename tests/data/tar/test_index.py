"""Indexes: what they hold, when they are believed, and what the command says."""

import errno
import gzip
import io
import itertools
import os
import tarfile
import tracemalloc

import numpy as np
import pytest

from estimator_lab.data import member as tar_member
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.tar import index as tar_index
from estimator_lab.data.tar import stream as tar_stream
from estimator_lab.data.tar.index import (
    build_index,
    name_hash,
    open_index,
    path_in_cache,
    path_next_to,
)
from estimator_lab.data.tar.stream import stream_members
from estimator_lab.errors import DataError
from tests.archive_files import tar_bytes, write_tar
from tests.kinds import TextFile
from tests.streams import members_of, read_until_error


@pytest.mark.parametrize(
    'options',
    [
        {'format': tarfile.GNU_FORMAT},
        {'format': tarfile.PAX_FORMAT},
        {'format': tarfile.PAX_FORMAT, 'pax_headers': {'comment': 'of all members'}},  # in a global header
    ],
)
def test_random_access_equals_streaming(tmp_path, options):
    files = {
        './train/b/1.jpg': b'one',
        'train/notes.txt': b'skipped',
        f'train/{"n" * 120}/{"m" * 90}.jpg': bytes(range(256)) * 9,
        'train/Zoë/猫.jpg': b'',
        'train/b/1.png': b'x' * 512,
    }
    path = tmp_path / 'a.tar'
    with tarfile.open(path, 'w', **options) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    index = build_index(str(path))
    expected = list(stream_members(path))
    assert len(index) == 4 and index.random_access and not index.damage
    assert members_of(index) == expected
    assert [index.name(row) for row in range(4)] == [member.name for member in expected]
    assert [index.member(row).offset for row in range(4)] == [member.offset for member in expected]
    assert expected[0].offset == 0
    assert index.labels == ('b', 'n' * 120, 'Zoë')
    assert index.label_ids.tolist() == [0, 1, 2, 0]
    assert index.counts == {'b': 2, 'n' * 120: 1, 'Zoë': 1}


def test_sparse_and_oversized_members(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_member, 'MAX_MEMBER_BYTES', 9000)
    sparse = tarfile.TarInfo('a/sparse.tif')
    sparse.size = 512
    sparse.pax_headers = {
        'GNU.sparse.map': '1024,512',
        'GNU.sparse.size': '8192',
        'GNU.sparse.realsize': '8192',
        'GNU.sparse.name': 'a/sparse.tif',
    }
    large = tarfile.TarInfo('a/large.jpg')
    large.size = 10_000
    path = tmp_path / 'a.tar'
    path.write_bytes(
        sparse.tobuf(tarfile.PAX_FORMAT) + b'A' * 512 + large.tobuf() + bytes(10_240) + bytes(1024)
    )
    index = build_index(str(path))
    assert members_of(index) == list(stream_members(path))
    assert index.member(0).read().data == bytes(1024) + b'A' * 512 + bytes(8192 - 1536)
    assert (
        index.member(1).read().problem == 'it claims 10000 bytes, more than the 9000 allowed for one example'
    )


def test_first_use_makes_an_index_and_later_ones_read_it(archive, own_cache, builds):
    first = open_index(str(archive))
    again = open_index(str(archive))
    assert builds == [str(archive)]
    assert path_in_cache(str(archive)).is_file() and not path_next_to(str(archive)).exists()
    assert members_of(again) == members_of(first) == list(stream_members(archive))
    assert again.counts == first.counts
    assert [p.name for p in path_in_cache(str(archive)).parent.iterdir()] == [
        path_in_cache(str(archive)).name
    ]


def test_an_index_next_to_the_archive_comes_first(archive, own_cache, builds):
    build_index(str(archive)).write(path_next_to(str(archive)))
    assert len(open_index(str(archive))) == 24
    assert not builds and not own_cache.exists()


@pytest.mark.parametrize('compressed', [False, True])
def test_an_index_of_another_archive_is_not_used(archive, own_cache, builds, compressed):
    if compressed:
        archive.write_bytes(gzip.compress(archive.read_bytes()))
    open_index(str(archive))
    stamp = archive.stat()
    data = archive.read_bytes()
    archive.write_bytes(data)  # the same bytes at another time
    os.utime(archive, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    open_index(str(archive))
    assert len(builds) == 2
    archive.write_bytes(data + bytes(512))  # another size at the same time
    os.utime(archive, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    open_index(str(archive))
    open_index(str(archive))
    assert len(builds) == 3


def test_a_compressed_archive_in_the_place_of_one_of_the_same_size_and_date(tmp_path, own_cache, builds):
    def write(name):
        labels = ['n'] * 20 + [name] + ['n'] * 79
        files = [(f'{label}/{n}.jpg', bytes([n]) * 1000) for n, label in enumerate(labels)]
        plain = write_tar(tmp_path / 'plain.tar', files).read_bytes()
        # Stored as it is: what differs is not among the bytes looked at, but for the checksum at the end.
        path.write_bytes(gzip.compress(plain, 0, mtime=0))
        os.utime(path, ns=(0, 10**18))
        return path.stat().st_size

    path = tmp_path / 'a.tar.gz'
    size = write('first')
    assert open_index(str(path)).labels == ('n', 'first')
    assert open_index(str(path)).labels == ('n', 'first') and len(builds) == 1
    assert write('other') == size
    assert open_index(str(path)).labels == ('n', 'other') and len(builds) == 2


def test_without_a_cache_the_index_is_made_each_time(archive, monkeypatch, builds):
    monkeypatch.setenv('XDG_CACHE_HOME', '/proc/none')
    assert len(open_index(str(archive))) == len(open_index(str(archive))) == 24
    assert len(builds) == 2


@pytest.mark.parametrize('row', [0, 7, 23])
def test_a_member_that_has_gone(archive, row):
    index = build_index(str(archive))
    with archive.open('r+b') as file:
        file.seek(index.member(row).offset + 130)
        file.write(b'7')  # in the size, say
    where = rf"member '{index.name(row)}' is no longer at byte {index.member(row).offset}"
    with pytest.raises(DataError, match=f'has changed since it was indexed: {where}'):
        index.member(row).read()
    with archive.open('r+b') as file:
        file.truncate(index.member(row).offset + 600)
    with pytest.raises(DataError, match='has changed since'):
        index.member(row).read()


def test_a_damaged_archive_is_indexed_up_to_the_damage(archive, own_cache, builds):
    with archive.open('r+b') as file:
        file.truncate(9000)
    for _ in range(2):
        index = open_index(str(archive))
        assert 3 < len(index) < 24
        assert 'cut off at byte 9000 of its tar stream' in index.damage
        assert members_of(index) == read_until_error(archive)[0]
    assert len(builds) == 1


def test_an_index_up_to_a_failing_read_is_not_stored(archive, own_cache, monkeypatch):
    def read_three(*args):
        yield from itertools.islice(tar_stream.scan_members(*args), 3)
        raise DataError('unreadable') from OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(tar_index, 'scan_members', read_three)
        assert len(open_index(str(archive))) == 3
    assert len(open_index(str(archive))) == 24


def test_a_pipe_has_no_index(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    with pytest.raises(DataError, match='can be read only once'):
        open_index(str(tmp_path / 'pipe'))
    with pytest.raises(DataError, match='can be read only once'):
        open_index('-')


def test_empty_archive(tmp_path):
    index = build_index(str(write_tar(tmp_path / 'empty.tar', [])))
    assert len(index) == 0 and index.counts == {} and index.labels == ()
    index.write(tmp_path / 'empty.tar.index')
    assert len(open_index(str(tmp_path / 'empty.tar'))) == 0


@pytest.mark.parametrize('mode', ['w', 'w:gz'])
def test_progress_ends_near_the_whole(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(tar_stream, '_PROGRESS_EVERY', 10)
    files = [(f'a/{n}.jpg', os.urandom(2000)) for n in range(100)]
    said = []
    build_index(str(write_tar(tmp_path / 'a.tar', files, mode)), lambda *state: said.append(state))
    shares = [share for _, share in said]
    assert shares == sorted(shares) and 0.8 < shares[-1] <= 1
    assert said[5][0] == '50 images'


def test_name_hashes_are_uniform_and_the_same_everywhere():
    assert name_hash('train/n000001/0001_01.jpg') == 0xFDF1F018D72A6357  # b2sum -l 64
    hashes = [name_hash(f'train/n{n:06}/0001_01.jpg') / 2**64 for n in range(4000)]
    counts = np.histogram(hashes, 20, (0, 1))[0]
    # 200 expected in each bin, standard deviation 13.8.
    assert abs(counts - 200).max() < 5 * 13.8


def test_building_keeps_no_python_object_for_each_member(tmp_path):
    path = write_tar(tmp_path / 'a.tar', [(f'train/n{n % 7:06}/{n:06}_01.jpg', b'') for n in range(20_000)])
    tracemalloc.start()
    index = build_index(str(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert index.nbytes == 20_000 * (36 + 27)
    assert peak < 3.5 * index.nbytes


def test_an_index_of_another_kind_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    files = [('a/1.png', b'image'), ('a/1.txt', b'a text'), ('b/2.txt', b'another')]
    archive = str(write_tar(tmp_path / 'a.tar', files))
    texts = TextFile()
    for kind, names in ((IMAGES, ['a/1.png']), (texts, ['a/1.txt', 'b/2.txt']), (IMAGES, ['a/1.png'])):
        for _ in range(2):  # made, then read
            index = open_index(archive, kind=kind)
            assert [index.name(row) for row in range(len(index))] == names
            assert [member.name for member in stream_members(archive, kind=kind)] == names
            assert index.member(0).read().data == dict(files)[names[0]]


def test_unusual_archives_are_reported_at_each_use_of_an_index(tmp_path):
    archive = tmp_path / 'a.tar'
    archive.write_bytes(tar_bytes({'a/1.jpg': b'1'}) + tar_bytes({'b/1.jpg': b'2'}))
    said = []
    for _ in range(3):
        assert len(open_index(str(archive), note=said.append)) == 2
    assert len(said) == 3 and len(set(said)) == 1 and 'continues after its end' in said[0]
    open_index(str(archive))  # without `note`


def test_large_members_are_read_in_two_parts(tmp_path):
    large = bytes(range(256)) * 2**13
    archive = write_tar(tmp_path / 'a.tar', [('a/1.jpg', large), ('a/2.jpg', b'2')])
    index = build_index(str(archive))
    assert (index.member(0).unread, index.member(1).unread) == (len(large), 1)
    tracemalloc.start()
    try:
        assert index.member(0).read().data == large
        assert tracemalloc.get_traced_memory()[1] < 1.5 * len(large)
    finally:
        tracemalloc.stop()
    with archive.open('r+b') as file:
        file.truncate(2**20)
    with pytest.raises(DataError, match='has changed since it was indexed'):
        index.member(0).read()
