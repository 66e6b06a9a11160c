"""Headers that are not plain: untrusted pax records, sparse maps and numbers."""

import bz2
import gzip
import lzma
import tarfile
import time
import tracemalloc
from contextlib import contextmanager
from itertools import chain

import pytest

from estimator_lab.data.tar.index import build_index
from estimator_lab.data.tar.stream import scan_members, stream_members
from estimator_lab.errors import DataError
from tests.archive_files import tar_bytes
from tests.robustness.mutation import fix_checksum, old_gnu_sparse_header

BLOCK = 512
FIRST = {'a/0.jpg': b'first'}
LAST = {'b/9.jpg': b'last'}
START = tar_bytes(FIRST)[: -2 * BLOCK]
VERSIONS = ['old', '0.0', '0.1', '1.0']
EVERY_VERSION = pytest.mark.parametrize('version', VERSIONS)


def padded(data):
    return data + bytes(-len(data) % BLOCK)


def record(keyword, value):
    rest = len(f' {keyword}={value}\n'.encode())
    length = next(n for n in range(rest, rest + 20) if n == rest + len(str(n)))
    return f'{length} {keyword}={value}\n'.encode()


def header(name, size=0, type=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.size, info.type = size, type
    return info.tobuf(tarfile.USTAR_FORMAT)


def pax(*records, type=tarfile.XHDTYPE):
    body = b''.join(record(keyword, value) for keyword, value in records)
    return header('pax', len(body), type) + padded(body)


def sparse(version, chunks, size, stored=b'', name='s/x.tif'):
    """A sparse member whose header may lie: the file's size and a list of (offset, size)."""
    numbers = list(chain.from_iterable(chunks))
    if version == 'old':
        return _old_sparse(name, chunks, size, stored)
    if version == '0.0':
        pieces = zip(['GNU.sparse.offset', 'GNU.sparse.numbytes'] * len(chunks), numbers, strict=True)
        about = pax(('GNU.sparse.size', size), ('GNU.sparse.numblocks', len(chunks)), *pieces)
    elif version == '0.1':
        listed = ','.join(map(str, numbers))
        about = pax(('GNU.sparse.size', size), ('GNU.sparse.name', name), ('GNU.sparse.map', listed))
    else:
        stored = padded('\n'.join(map(str, [len(chunks), *numbers, ''])).encode()) + stored
        about = pax(
            ('GNU.sparse.major', 1), ('GNU.sparse.minor', 0), ('GNU.sparse.realsize', size), ('path', name)
        )
    return about + header(name, len(stored)) + padded(stored)


def _old_sparse(name, chunks, size, stored):
    info = tarfile.TarInfo(name)
    info.size = len(stored)
    block = bytearray(old_gnu_sparse_header(info, [], 0))
    block[483:495] = number(size)
    fields = [number(offset) + number(count) for offset, count in chunks]
    block[386:482] = b''.join(fields[:4]).ljust(96, b'\0')
    more = [fields[start : start + 21] for start in range(4, len(fields), 21)]
    block[482] = bool(more)
    fix_checksum(block, 0)
    goes_on = [b'\1'] * (len(more) - 1) + [b'\0'] * bool(more)
    blocks = [
        b''.join(fields).ljust(504, b'\0') + on + bytes(7) for fields, on in zip(more, goes_on, strict=True)
    ]
    return bytes(block) + b''.join(blocks) + padded(stored)


def number(value):
    """In octal, or base 256."""
    if 0 <= value < 8**11:
        return b'%011o\0' % value
    return (b'\xff' if value < 0 else b'\x80') + (value % 256**11).to_bytes(11, 'big')


@pytest.fixture
def write(tmp_path):
    def _write(middle):
        path = tmp_path / 'archive.tar'
        path.write_bytes(START + middle + tar_bytes(LAST))
        return str(path)

    return _write


def outcome(archive):
    """The members and the error, which are the same by whatever way they are read."""
    members, entries, error, scan_error = [], [], None, None
    try:
        members.extend(stream_members(archive))
    except DataError as caught:
        error = str(caught)
    try:
        entries.extend(scan_members(archive))
    except DataError as caught:
        scan_error = str(caught)
    assert error == scan_error
    assert [(m.name, m.offset) for m in members] == [(e.name, e.offset) for e in entries]
    index = build_index(archive)
    assert index.damage == (error or '')
    assert [index.member(row).read() for row in range(len(index))] == members
    assert members[0].name == 'a/0.jpg'
    return members[1:], error


# Sparse members.


@EVERY_VERSION
@pytest.mark.parametrize('count', [0, 1, 3, 4, 5, 25, 26, 300])
def test_sparse_members_have_their_data_where_the_map_says(write, version, count):
    chunks = [(1000 * n + 7, 3 + n % 5) for n in range(count)]
    stored = b''.join(bytes([1 + n % 255]) * size for n, (_, size) in enumerate(chunks))
    expected = bytearray(1000 * count + 99)
    for n, (offset, size) in enumerate(chunks):
        expected[offset : offset + size] = bytes([1 + n % 255]) * size
    end = (len(expected), 0)  # as GNU tar writes it after the last piece
    members, error = outcome(write(sparse(version, [*chunks, end], len(expected), stored)))
    assert error is None
    assert [(m.name, m.data) for m in members] == [('s/x.tif', bytes(expected)), ('b/9.jpg', b'last')]


@EVERY_VERSION
@pytest.mark.parametrize('size', [-1, 2**63, 2**64, 2**80])
def test_a_sparse_size_that_no_file_has_is_an_error(write, version, size):
    members, error = outcome(write(sparse(version, [(0, 4)], size, b'data')))
    assert members == []
    assert '[0, 2^63)' in error and error.count('.') < 8 and '\n' not in error


@EVERY_VERSION
def test_a_sparse_size_that_no_image_has_is_a_bad_image(write, version):
    members, error = outcome(write(sparse(version, [(0, 4)], 2**63 - 1, b'data')))
    assert error is None
    assert [m.name for m in members] == ['s/x.tif', 'b/9.jpg']
    assert str(2**63 - 1) in members[0].problem and not members[0].data


@EVERY_VERSION
@pytest.mark.parametrize(
    ('chunks', 'words'),
    [
        ([(-1, 4)], '[0, 2^63)'),
        ([(0, -4)], '[0, 2^63)'),
        ([(2**63, 4)], '[0, 2^63)'),
        ([(0, 2**70)], '[0, 2^63)'),
        ([(10, 4), (0, 4)], 'out of order'),
        ([(0, 4), (3, 4)], 'out of order'),
        ([(0, 4)] * 30, 'out of order'),
        ([(2**62, 2**62)], 'beyond the end of its file of 100 bytes'),
        ([(98, 4)], 'beyond the end of its file of 100 bytes'),
        ([(0, 9), (20, 9)], 'needs more than the 8 bytes stored'),
    ],
)
def test_a_sparse_map_that_lies_is_an_error(write, version, chunks, words):
    members, error = outcome(write(sparse(version, chunks, 100, b'8 bytes.')))
    assert members == []
    assert words in error


@pytest.mark.parametrize(
    ('records', 'stored', 'words'),
    [
        ([('GNU.sparse.map', '1,2,3'), ('GNU.sparse.size', 9)], b'', 'ends within a piece'),
        ([('GNU.sparse.map', '1,x'), ('GNU.sparse.size', 9)], b'', "b'x' is not a number"),
        ([('GNU.sparse.map', '1,' + '9' * 5000), ('GNU.sparse.size', 9)], b'', 'is not a number'),
        ([('GNU.sparse.map', '0,1')], b'x', 'is not a number'),
        ([('GNU.sparse.major', 1), ('GNU.sparse.minor', 0)], b'', 'longer than its member'),
        ([('GNU.sparse.major', 1), ('GNU.sparse.minor', 0)], b'x\n' * 600, 'is not a number'),
        ([('GNU.sparse.major', 1), ('GNU.sparse.minor', 0)], b'3\n1\n', 'longer than its member'),
        ([('size', 2**63)], b'', '[0, 2^63)'),
        ([('size', '-5')], b'', 'is not a number'),
    ],
)
def test_false_records_are_an_error(write, records, stored, words):
    members, error = outcome(write(pax(*records) + header('s/x.tif', len(stored)) + padded(stored)))
    assert members == []
    assert words in error and len(error) < 400


@contextmanager
def peak_memory():
    """A list of one number, set in the end: the most bytes that the block has held at once."""
    peak = [0]
    tracemalloc.start()
    try:
        yield peak
        peak[0] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def size_of(member):
    """The data is not kept."""
    return len(member.data)


@EVERY_VERSION
def test_a_map_of_a_million_pieces_is_an_error_and_quick(write, version):
    """In the pax format 1.0 it takes 16 MB; above a megabyte, none is read."""
    chunks = [(9 * n, 0) for n in range(1_000_000 if version == '1.0' else 150_000)]
    archive = write(sparse(version, chunks, 9_000_000))
    started = time.process_time()
    for read in (scan_members, stream_members):
        with (
            peak_memory() as peak,
            pytest.raises(DataError, match=f'asks for .* above {2**20} for one member'),
        ):
            list(read(archive))
        assert peak[0] < 2**22
    assert time.process_time() - started < 5


@pytest.mark.parametrize('count', [1, 8])
@EVERY_VERSION
def test_a_member_takes_no_more_memory_than_its_size(write, version, count):
    size = 2**25
    each = 2**23 // count
    chunks = [(n * size // count, each) for n in range(count)]
    archive = write(2 * sparse(version, chunks, size, b'x' * 2**23))
    with peak_memory() as peak:
        assert list(map(size_of, stream_members(archive))) == [5, size, size, 4]
    assert peak[0] < size + 2**22
    with peak_memory() as peak:
        assert [entry.size for entry in scan_members(archive)] == [5, size, size, 4]
    assert peak[0] < 2**20  # no holes are filled up to count members


@pytest.mark.parametrize(
    'compress',
    [gzip.compress, bz2.compress, lambda data: lzma.compress(data, preset=0)],
    ids=['gz', 'bz2', 'xz'],
)
def test_a_compressed_member_takes_no_more_memory_than_its_size(tmp_path, compress):
    size = 2**24
    path = tmp_path / 'archive'
    path.write_bytes(compress(tar_bytes(dict.fromkeys(['a/1.jpg', 'a/2.jpg', 'a/3.txt'], bytes(size)))))
    with peak_memory() as peak:
        assert list(map(size_of, stream_members(path))) == [size, size]
    assert peak[0] < size + 2**22
    with peak_memory() as peak:
        assert [entry.size for entry in scan_members(path)] == [size, size]
    assert peak[0] < 2**22


def test_the_stored_size_of_a_large_sparse_member_is_in_a_record(write):
    """As bsdtar and GNU tar write what is longer than 8 GB; here with a size that the header has not."""
    about = pax(
        ('size', 4), ('GNU.sparse.size', 100), ('GNU.sparse.map', '90,4'), ('GNU.sparse.name', 's/x.tif')
    )
    members, error = outcome(write(about + header('other', 0) + padded(b'data')))
    assert error is None
    assert [m.data for m in members] == [bytes(90) + b'data' + bytes(6), b'last']


# Many headers.


@pytest.mark.parametrize(
    'one',
    [
        pax(('comment', 'valid')),
        pax(('path', 'a/x.jpg')),
        pax(('comment', 'valid'), type=tarfile.XGLTYPE),
        pax(),
        header('././@LongLink', 9, tarfile.GNUTYPE_LONGNAME) + padded(b'a/x.jpg\0\0'),
        header('././@LongLink', 9, tarfile.GNUTYPE_LONGLINK) + padded(b'a/x.jpg\0\0'),
    ],
    ids=['comment', 'path', 'global', 'empty', 'long name', 'long link'],
)
def test_thousands_of_headers_in_a_row_are_an_error_and_quick(write, one):
    started = time.process_time()
    members, error = outcome(write(one * 3000 + header('a/y.jpg')))
    assert members == []
    assert 'more than 64 headers in a row for one member' in error
    assert time.process_time() - started < 10
    members, error = outcome(write(one * 60 + header('a/y.jpg')))
    assert error is None
    assert len(members) == 2


def test_global_headers_take_no_memory(write):
    """Those that archives of `git archive` begin with: one for each of many archives."""
    pieces = [
        pax((f'comment{n}', 'x' * 2000), type=tarfile.XGLTYPE) + header(f'a/{n}.jpg') for n in range(500)
    ]
    archive = write(b''.join(pieces))
    with peak_memory() as peak:
        assert sum(1 for _ in scan_members(archive)) == 502
    assert peak[0] < 500_000


def test_records_without_end_are_quick(write):
    """A million digits, of which none ends a number: to search them for one took hours."""
    body = b'9' * 1_000_000
    started = time.process_time()
    members, error = outcome(
        write(header('pax', len(body), tarfile.XHDTYPE) + padded(body) + header('a/x.jpg'))
    )
    assert (members, 'is not a number' in error) == ([], True)
    assert time.process_time() - started < 5


# Numbers and names.


@pytest.mark.parametrize('value', [-1, -(2**40), 2**63, 2**80])
def test_times_and_owners_do_not_matter(write, value):
    block = bytearray(header('a/x.jpg', 4))
    for field in (108, 116, 136):  # user, group and time
        block[field : field + (12 if field == 136 else 8)] = number(value)[: 12 if field == 136 else 8]
    fix_checksum(block, 0)
    about = pax(('mtime', value), ('uid', value), ('atime', 'never'))
    for piece in (block, about + block):
        members, error = outcome(write(piece + padded(b'data')))
        assert (members[0].data, error) == (b'data', None)


def test_a_name_may_hold_a_zero_byte(write):
    """A pax record states its length, so a zero byte in a name is allowed, and the member can be packed."""
    members, error = outcome(write(pax(('path', 'a\0b/x.jpg')) + header('x', 4) + padded(b'data')))
    assert (members[0].name, members[0].data, error) == ('a\\x00b/x.jpg', b'data', None)
    assert r"member 'a\\x00b/x.jpg' at byte 1024" in members[0].place


def test_zero_bytes_end_names_in_headers(write):
    long_name = header('././@LongLink', 20, tarfile.GNUTYPE_LONGNAME) + padded(b'a/long.jpg\0garbage..')
    block = bytearray(header('a/short.jpg'))
    block[12:20] = b'garbage!'
    fix_checksum(block, 0)
    members, error = outcome(write(long_name + header('x') + block))
    assert [m.name for m in members] == ['a/long.jpg', 'a/short.jpg', 'b/9.jpg']
    assert error is None
