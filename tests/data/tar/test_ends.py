"""The end of an archive: with or without zero blocks, followed by another archive or by anything else."""

import bz2
import gzip
import lzma
import os
import random
import tarfile
import threading
import zlib

import pytest

from estimator_lab.data.packing.pack_input import PackInput
from estimator_lab.data.packing.shards import PackSettings
from estimator_lab.data.tar import forward_file
from estimator_lab.data.tar.index import build_index
from estimator_lab.data.tar.stream import scan_members, stream_members
from estimator_lab.errors import DataError
from tests.archive_files import tar_bytes

BLOCK = 512
A = {'a/1.jpg': b'1' * 700, 'a/2.jpg': b'2' * 512}
B = {'b/1.jpg': b'3' * 100, 'b/2.jpg': b'4' * 2000}
END = 4 * BLOCK + BLOCK  # of A's members: two headers, and data of two blocks and of one
PADDING = {'no block': 0, 'one block': BLOCK, 'two blocks': 2 * BLOCK, 'a record of GNU tar': 10_240 - END}
GARBAGE = random.Random(1).randbytes(3000)
COMPRESSED = pytest.mark.parametrize(
    'compress', [bytes, gzip.compress, bz2.compress, lzma.compress], ids=['plain', 'gz', 'bz2', 'xz']
)


def members_of(files, padding=2 * BLOCK):
    return tar_bytes(files)[: -2 * BLOCK] + bytes(padding)


def found(archive):
    """Names and data of the members, and the notes, which are the same for all who read."""
    notes, scan_notes, index_notes, pack_notes = [], [], [], []
    members = list(stream_members(archive, note=notes.append))
    expected = [(member.name, member.offset, len(member.data)) for member in members]
    entries = list(scan_members(archive, note=scan_notes.append))
    assert [(entry.name, entry.offset, entry.size) for entry in entries] == expected
    index = build_index(archive, note=index_notes.append)
    assert [(index.name(row), index.member(row).offset) for row in range(len(index))] == [
        e[:2] for e in expected
    ]
    if index.random_access:
        assert [index.member(row).read() for row in range(len(index))] == members
    if members:
        assert list(PackInput([archive], PackSettings(shards=1), pack_notes.append).members()) == members
        assert notes == pack_notes
    assert notes == scan_notes == index_notes
    return {member.name: member.data for member in members}, notes


@COMPRESSED
@pytest.mark.parametrize('padding', list(PADDING)[1:])
def test_concatenated_archives_are_one_and_reported_once(write, compress, padding):
    first = members_of(A, PADDING[padding])
    archive = write(compress(first + members_of(B) + members_of({'c/1.jpg': b'5'}, 10_240)))
    members, notes = found(archive)
    assert members == {**A, **B, 'c/1.jpg': b'5'}
    words = f'continues after its end-of-archive block at byte {END}: all is used, from byte {len(first)} on.'
    assert notes == [f'{archive!r} {words}']


@COMPRESSED
@pytest.mark.parametrize('padding', list(PADDING)[1:])
def test_zeros_after_the_end_are_not_another_archive(write, compress, padding):
    assert found(write(compress(members_of(A, PADDING[padding])))) == (A, [])


def test_an_archive_may_follow_one_without_members(write):
    members, notes = found(write(bytes(10_240) + members_of(B)))
    assert members == B
    assert 'continues after its end-of-archive block at byte 0: all is used, from byte 10240 on.' in notes[0]


def test_errors_in_a_following_archive_are_errors(write):
    cut, damaged = (bytearray(members_of(A) + members_of(B)) for _ in range(2))
    del cut[-2500:]
    damaged[END + 2 * BLOCK + 2 * BLOCK] ^= 1  # the second header of B
    for data, words in (
        (cut, r"cut off at byte .*, in member 'b/2\.jpg' at byte 4608"),
        (damaged, 'bad checksum in the header at byte 4608'),
    ):
        with pytest.raises(DataError, match=words):
            list(stream_members(write(data)))


@COMPRESSED
@pytest.mark.parametrize('size', [1, 300, 512, 3000])
def test_other_bytes_after_the_end_are_ignored(write, compress, size):
    archive = write(compress(members_of(A) + GARBAGE[:size] + members_of(B)))
    behind = END + 2 * BLOCK
    words = f'ends at byte {END}; what follows from byte {behind} is not a tar header, and is not used.'
    assert found(archive) == (A, [f'{archive!r} {words}'])


@COMPRESSED
@pytest.mark.parametrize('padding', [188, 187, 1, 0])
def test_an_archive_may_lack_its_end(write, compress, padding):
    """The last member has 700 bytes: two blocks, the second filled up with 324 zeros."""
    files = {'a/2.jpg': b'2' * 512, 'a/1.jpg': b'1' * 700}
    data = members_of(files, 0)[: -324 + padding] if padding < 188 else members_of(files, 0)
    archive = write(compress(data))
    members, notes = found(archive)
    assert members == files
    assert notes == [
        f'{archive!r} has no end-of-archive block: it ends after its last member, at byte {len(data)}.'
    ]


def test_part_of_a_zero_block_is_not_an_end(write):
    members, (note,) = found(write(members_of(A, 100)))
    assert members == A
    assert f'ends after its last member, at byte {END}.' in note


@pytest.mark.parametrize('format', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_header_without_its_member_is_an_error(write, format):
    name = 'n' * 300 + '.jpg'
    data = members_of(A, 0) + tar_bytes({name: b''}, format)[: 2 * BLOCK]
    with pytest.raises(DataError, match=f'cut off at byte {len(data)} '):
        list(stream_members(write(data)))


def test_endless_zeros_are_ignored(tmp_path, monkeypatch):
    monkeypatch.setattr(forward_file, '_MAX_PADDING', 2**20)
    fifo = tmp_path / 'pipe'
    os.mkfifo(fifo)

    def write():
        try:
            with fifo.open('wb') as file:
                file.write(members_of(A))
                while True:
                    file.write(bytes(2**16))
        except BrokenPipeError:
            pass

    writer = threading.Thread(target=write)
    writer.start()
    notes = []
    assert [member.name for member in stream_members(fifo, note=notes.append)] == list(A)
    writer.join()
    assert notes == [
        f'{str(fifo)!r} ends at byte {END}, followed by zeros that do not end, and are not read.'
    ]


# Compressed streams.

COMPRESSIONS = pytest.mark.parametrize(
    ('name', 'compress'), [('gzip', gzip.compress), ('bzip2', bz2.compress), ('xz', lzma.compress)]
)


@COMPRESSIONS
@pytest.mark.parametrize(
    'garbage', [b'x', b'\n', GARBAGE, b'\0\0\0\0garbage'], ids=['x', 'line', 'much', 'zeros']
)
def test_other_bytes_after_a_compressed_stream_are_ignored(write, name, compress, garbage):
    stream = compress(members_of(A))
    archive = write(stream + garbage)
    place = f'at byte {len(stream) + len(garbage) - len(garbage.lstrip(bytes(1)))} of the file'
    members, notes = found(archive)
    assert members == A
    assert notes == [
        f'{archive!r} has bytes after the end of its {name} stream, {place}, which are not used.'
    ]


@COMPRESSIONS
@pytest.mark.parametrize('zeros', [0, 4, 512, 100_000])
def test_several_compressed_streams_are_one(write, name, compress, zeros):
    data = members_of(A) + members_of(B)
    pieces = [data[:700], b'', data[700 : END + 2 * BLOCK], data[END + 2 * BLOCK :]]
    members, notes = found(write(b''.join(compress(piece) + bytes(zeros) for piece in pieces)))
    assert members == {**A, **B}
    assert len(notes) == 1 and 'continues after its end-of-archive block' in notes[0]


@COMPRESSIONS
def test_a_damaged_stream_after_another_is_an_error(write, name, compress):
    second = bytearray(compress(members_of(B)))
    for place in {len(second) // 2, len(second) - 6}:
        damaged = bytearray(second)
        damaged[place] ^= 0xFF
        with pytest.raises(DataError, match=r'damaged|cut off'):
            list(stream_members(write(compress(members_of(A)) + damaged)))


def test_gzip_headers_with_everything_in_them(write):
    plain = gzip.compress(members_of(A), mtime=0)
    extra = (70_000 % 2**16).to_bytes(2, 'little') + b'e' * (70_000 % 2**16)
    head = plain[:3] + bytes([2 + 4 + 8 + 16]) + plain[4:10] + extra + b'name\0' + b'comment\0'
    head += (zlib.crc32(head) & 0xFFFF).to_bytes(2, 'little')
    assert found(write(head + plain[10:])) == (A, [])


def test_a_gzip_header_without_end_is_an_error(write):
    plain = gzip.compress(members_of(A))
    archive = write(plain[:3] + bytes([8]) + plain[4:10] + b'n' * 10**6)
    with pytest.raises(DataError, match='the gzip stream ends before its end marker'):
        list(stream_members(archive))


def test_an_xz_stream_that_wants_much_memory_is_an_error(write):
    """The block's header is 12 bytes after the stream's: size, flags, filter, properties, padding, sum."""
    data = bytearray(lzma.compress(members_of(A)))
    assert data[12:16] == b'\2\0\x21\1'
    data[16] = 36  # dictionary of 2^30 bytes
    data[20:24] = zlib.crc32(data[12:20]).to_bytes(4, 'little')
    with pytest.raises(DataError, match=r'[Mm]emory usage limit'):
        list(stream_members(write(data)))
