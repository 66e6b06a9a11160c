"""Tar archives: every dialect and compression; archives broken in every way."""

import bz2
import gzip
import io
import itertools
import lzma
import random
import sysconfig
import tarfile
import time
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.examples import member as data_member
from tests.robustness.corruption import fix_checksum, mutate
from tests.robustness.tar_archives import BLOCK, padded
from tests.support.archive_files import encoded, picture, tar_bytes
from tests.support.kinds import AnyFile
from tests.support.memory import peak_of
from tests.support.streams import (
    FILES,
    build_index,
    found_in,
    members_of,
    names,
    read_until_error,
    scan_headers,
    special,
    stream_members,
)

COMPRESS = {'plain': bytes, 'gz': gzip.compress, 'bz2': bz2.compress, 'xz': lzma.compress}
COMPRESSED = pytest.mark.parametrize('compress', COMPRESS.values(), ids=COMPRESS)
A = {'a/1.jpg': b'1' * 700, 'a/2.jpg': b'2' * 512}
B = {'b/1.jpg': b'3' * 100, 'b/2.jpg': b'4' * 2000}
PNG = encoded(picture(1, 4, 4))


def header(name, size=0, type=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.size, info.type = size, type
    return info.tobuf(tarfile.USTAR_FORMAT)


def pax(*records, type=tarfile.XHDTYPE):
    body = b''
    for keyword, value in records:
        rest = len(f' {keyword}={value}\n'.encode())
        length = next(n for n in range(rest, rest + 20) if n == rest + len(str(n)))
        body += f'{length} {keyword}={value}\n'.encode()
    return header('pax', len(body), type) + padded(body)


def outcome(archive):
    """The members and the error, which are the same by whatever way they are read."""
    members, error = read_until_error(archive)
    headers, scan_error = read_until_error(archive, scan_headers)
    assert str(error) == str(scan_error)
    assert [(m.name, m.offset, m.label, m.size) for m in members] == [
        (h.name, h.offset, h.label, h.size) for h in headers
    ]
    if members:
        index = build_index(archive)
        assert index.damage == (str(error) if error else '')
        if index.random_access:
            assert members_of(index) == found_in(members)
    return members, error


def test_pythons_own_test_archive_streams_through():
    """Its location has changed with Python 3.13."""
    folder = Path(sysconfig.get_path('stdlib')) / 'test'
    path = folder / 'archivetestdata' / 'testtar.tar'
    path = path if path.exists() else folder / 'testtar.tar'
    if not path.exists():
        pytest.skip('this Python comes without its test folder')
    members = list(stream_members(path, AnyFile()))
    with tarfile.open(path, encoding='utf-8', errors='backslashreplace') as archive:
        infos = [info for info in archive if info.isreg()]
        expected = [(info.name, archive.extractfile(info).read()) for info in infos if not info.issparse()]
        sparse = {info.name for info in infos if info.issparse()}
    assert [(m.name, m.read().data) for m in members if m.name not in sparse] == expected
    assert len(members) > 15 and members_of(build_index(path, AnyFile())) == found_in(members)


@COMPRESSED
@pytest.mark.parametrize('name', ['archive.tar', 'archive.tar.gz', 'archive', 'archive.jpg'])
def test_compression_is_recognised_by_content(write, compress, name):
    archive = write(compress(tar_bytes(FILES)), name)
    members, error = outcome(archive)
    assert error is None and {m.name: m.data for m in members} == FILES
    assert {m.archive for m in members} == {archive}
    assert members[0].key == f'{archive}:train/a/1.jpg'


def test_other_files_and_hidden_images_are_skipped_and_links_are_reported(write):
    extra = [
        special('train/folder.jpg', tarfile.DIRTYPE),
        special('train/a/hard.jpg', tarfile.LNKTYPE, 'train/a/1.jpg'),
        special('train/a/soft.jpg', tarfile.SYMTYPE, '1.jpg'),
        special('train/a/pipe.jpg', tarfile.FIFOTYPE),
    ]
    hidden = ['.DS_Store', 'a/._x.jpg', '.git/x.jpg', './.x.jpg', '__MACOSX/a/x.jpg', 'a/..x.jpg']
    others = ['a/list.txt', 'a/jpg', 'a/x.jpg.bak', 'README']
    files = dict.fromkeys(hidden + others, b'no') | FILES | {'a/1.heic': b'x', 'a/2.HEIC': b'x'}
    archive, notes = write(tar_bytes(files, extra=extra)), []
    assert names(stream_members(archive, note=notes.append)) == list(FILES)
    assert 'pictures that are skipped: 2 .heic' in notes[0] and '1 hard links' in notes[1]
    index_notes = []
    build_index(archive, note=index_notes.append)
    assert index_notes == [f'{archive!r} {words}' for words in notes]


def test_names(write):
    long = f'{"d" * 120}/{"猫" * 50}.jpg'
    wanted = ['a/1.jpg', 'a/2.jpg', '../a/3.jpg', r'..\x5cx41\4.png', long, 'BZhang/1.jpg']
    given = ['./a/1.jpg', './/./a/2.jpg', '../a/3.jpg', '..\\x41\\4.png', long, 'BZhang/1.jpg']
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        members, error = outcome(write(tar_bytes(dict.fromkeys(given, b'x'), format)))
        assert error is None and names(members) == wanted
    prefixed = f'{"d" * 90}/{"n" * 60}.jpg'
    data = bytearray(tar_bytes({prefixed: b'x'}, tarfile.USTAR_FORMAT))
    for times in (bytes(23), b'15304132774\x0015304132774'):  # which star writes behind the prefix
        data[476:499] = times
        fix_checksum(data, 0)
        members, error = outcome(write(data))
        assert error is None and names(members) == [prefixed]
    data = bytearray(tar_bytes({'a/caf?.jpg': b''}))
    data[5] = 0xE9  # é in Latin-1
    fix_checksum(data, 0)
    assert names(stream_members(write(data))) == ['a/caf\\xe9.jpg']
    archive = write(pax(('path', 'a\0b/x.jpg')) + header('x', 4) + padded(b'data') + bytes(1024))
    ((member,), error) = outcome(archive)
    assert (member.name, member.data, error) == ('a\\x00b/x.jpg', b'data', None)
    archive = write(
        pax(('size', '6')) + header('a/x.jpg', 4) + padded(b'longer') + tar_bytes({'a/y.jpg': b'y'})
    )
    assert [(member.name, member.data) for member in outcome(archive)[0]] == [
        ('a/x.jpg', b'longer'),
        ('a/y.jpg', b'y'),
    ]


@pytest.mark.parametrize('kind', [tarfile.REGTYPE, tarfile.CONTTYPE])  # which `tarfile` reads for us
def test_the_times_of_an_incremental_archive_are_no_part_of_a_name(write, kind):
    """`tar --listed-incremental` writes them where other dialects have a prefix of the name."""
    data = bytearray(tar_bytes(A, tarfile.GNU_FORMAT))
    data[345:368], data[156:157] = b'15304132774\x0015304132774', kind
    fix_checksum(data, 0)
    members, error = outcome(write(data))
    assert error is None and {m.name: m.data for m in members} == A


@pytest.mark.parametrize('version', ['0.1', 'old'])
def test_sparse_members_are_bad_examples(write, version):
    if version == 'old':
        block = bytearray(header('s/x.tif', 4, tarfile.GNUTYPE_SPARSE))
        block[257:265] = b'ustar  \0'
        block[386:398], block[398:410], block[483:495] = b'%011o\0' % 90, b'%011o\0' % 4, b'%011o\0' % 100
        fix_checksum(block, 0)
        middle = bytes(block) + padded(b'data')
    else:
        records = ('GNU.sparse.size', 100), ('GNU.sparse.map', '90,4'), ('GNU.sparse.name', 's/x.tif')
        middle = pax(*records) + header('other', 4) + padded(b'data')
    members, error = outcome(write(tar_bytes(A)[:-1024] + middle + tar_bytes(B)))
    assert error is None and names(members) == [*A, 's/x.tif', *B]
    assert found_in(members)[2][-1] == 'it is stored as a sparse file'


@pytest.mark.parametrize(
    'one',
    [
        pax(('comment', 'valid')),
        pax(('path', 'a/x.jpg')),
        pax(('comment', 'valid'), type=tarfile.XGLTYPE),
        header('././@LongLink', 9, tarfile.GNUTYPE_LONGNAME) + padded(b'a/x.jpg\0\0'),
    ],
    ids=['comment', 'path', 'global', 'long name'],
)
def test_thousands_of_headers_in_a_row_are_an_error_and_quick(write, one):
    started = time.process_time()
    members, error = outcome(write(tar_bytes(A)[:-1024] + one * 5000 + header('a/y.jpg')))
    assert names(members) == list(A) and 'is damaged' in str(error)
    assert time.process_time() - started < 10
    members, error = outcome(write(one * 20 + header('a/y.jpg') + bytes(1024)))
    assert error is None and len(members) == 1


def test_a_header_of_four_gigabytes_is_an_error_without_memory(write):
    archive = write(header('pax', 2**32, tarfile.XHDTYPE) + bytes(BLOCK))
    (_, error), peak = peak_of(lambda: read_until_error(archive))
    assert 'asks for 4294967296 more bytes, above 1048576 for one member' in str(error) and peak < 2**21


# Ends.


@COMPRESSED
@pytest.mark.parametrize('zeros', [BLOCK, 2 * BLOCK, 20 * BLOCK])
def test_concatenated_archives_are_one(write, compress, zeros):
    notes = []
    archive = write(compress(tar_bytes(A)[:-1024] + bytes(zeros) + tar_bytes(B)))
    assert {m.name: m.data for m in stream_members(archive, note=notes.append)} == {**A, **B}
    assert not notes and outcome(archive)[1] is None


@COMPRESSED
def test_other_bytes_after_the_end_are_reported(write, compress):
    notes = []
    archive = write(compress(tar_bytes(A) + random.Random(1).randbytes(3000)))
    assert names(stream_members(archive, note=notes.append)) == list(A)
    assert 'not a tar header, from byte 3584 on; not used' in notes[0]


@COMPRESSED
@pytest.mark.parametrize('padding', [324, 100, 0])
def test_an_archive_may_lack_its_end(write, compress, padding):
    """The last member has 700 bytes: two blocks, the second filled up with 324 zeros."""
    files, notes = dict(reversed(A.items())), []
    archive = write(compress(tar_bytes(files)[: -1024 - 324 + padding]))
    assert {m.name: m.data for m in stream_members(archive, note=notes.append)} == files
    assert 'has no end-of-archive block' in notes[0] and outcome(archive)[1] is None


def test_archives_of_zeros_yield_nothing(write):
    assert list(stream_members(write(bytes(10_240)))) == list(stream_members(write(tar_bytes({})))) == []


# Ways to be no tar archive at all, and to break one.


@pytest.mark.parametrize(
    ('data', 'sentence'),
    [
        (b'', 'is an empty file'),
        (b'<!DOCTYPE html><html>' * 50, 'is not a tar archive.*, but a web page'),
        (b'PK\x03\x04' + bytes(range(256)) * 8, 'but a ZIP archive: unpack it by `unzip FILE -d FOLDER`'),
        (b"7z\xbc\xaf'\x1c" + bytes(600), 'but a 7-Zip archive: unpack it by `7z x FILE'),
        (b'Rar!\x1a\x07' + bytes(600), 'but a RAR archive: unpack it by `unrar x FILE'),
        *((gzip.compress(data, mtime=0), 'is not a tar archive') for data in (b'', b'just text')),
        *((data, 'is not a tar archive') for data in (b'just text', b'\x1f\x8b\x08')),
        *((start + b'\xff' * 900, 'is not a tar archive') for start in (b'BZh91AY&SY', b'\xfd7zXZ\0')),
    ],
)
def test_no_tar_archive(write, data, sentence):
    archive = write(data)
    for read in (stream_members, scan_headers):
        with pytest.raises(DataError, match=sentence) as caught:
            list(read(archive))
        assert archive in str(caught.value)


def test_a_path_that_is_none_and_a_file_without_permission(tmp_path, monkeypatch):
    with pytest.raises(DataError, match='cannot be read'):
        list(stream_members('a\0b'))

    def deny(*args):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(io, 'FileIO', deny)  # a mode of 0 would not stop root
    with pytest.raises(DataError, match=r'^No permission to read .*x\.tar'):
        list(stream_members(tmp_path / 'x.tar'))


@pytest.mark.parametrize('format', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_cut(write, format):
    files = {'a/1.jpg': b'1', f'a/{"n" * 120}.jpg': bytes(range(200)) * 4, 'a/2.jpg': b'2' * 512}
    data = tar_bytes(files, format)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        infos = {info.name: info for info in tar}
    ends = {name: info.offset_data + info.size for name, info in infos.items()}
    for length in {*range(1, len(data) - 1024, 97), *range(512, len(data) - 1023, 512)}:
        members, error = outcome(write(data[:length]))
        assert names(members) == [name for name, end in ends.items() if end <= length], length
        is_between = any(end <= length <= end + -end % 512 for end in ends.values())
        assert (error is None) == is_between, length
        if members and error:
            within = [name for name, info in infos.items() if info.offset_data <= length < ends[name]]
            place = ''.join(f', in member {name!r} at byte {infos[name].offset}' for name in within)
            assert f'cut off at byte {length} of its tar stream{place}: ' in str(error)


@pytest.mark.parametrize('compress', [gzip.compress, bz2.compress, lzma.compress])
def test_cut_off_and_damaged_compressed_streams(write, compress):
    compressed = compress(tar_bytes(FILES))
    for length in (*range(20, len(compressed), 23), len(compressed) - 1):
        members, error = outcome(write(compressed[:length]))
        assert names(members) == list(FILES)[: len(members)] and error is not None, length
    damaged = bytearray(gzip.compress(tar_bytes(FILES), mtime=0))
    damaged[-5] ^= 1  # the checksum
    assert read_until_error(write(damaged))[1] is not None


@pytest.mark.parametrize('size', [-1, -512, -(2**63), 2**40, 2**63, 2**87])
@pytest.mark.parametrize('name', ['a/x.jpg', 'a/x.txt'])
@pytest.mark.parametrize('first', [True, False])
def test_an_absurd_size_is_an_error(write, size, name, first):
    """To tarfile, -512 in the first header is the end of the archive; later on, an endless loop."""
    block = bytearray(tarfile.TarInfo(name).tobuf())
    block[124:136] = (size % 256**12).to_bytes(12, 'big')
    block[124] = 0xFF if size < 0 else 0x80
    fix_checksum(block, 0)
    start = b'' if first else tar_bytes(FILES)[:-1024]
    members, error = outcome(write(start + block + tar_bytes(FILES)))
    assert names(members) == ([] if first else list(FILES)) and error is not None
    assert first or size > 0 or 'is damaged at byte' in str(error)


def test_a_member_above_the_limit_is_a_bad_example(write, monkeypatch):
    monkeypatch.setattr(data_member, 'MAX_MEMBER_BYTES', 1000)
    sizes = {'a/big.txt': 1001, 'a/1.jpg': 1000, 'a/2.jpg': 1001, 'a/3.jpg': 10}
    members, error = outcome(write(tar_bytes({name: bytes(size) for name, size in sizes.items()})))
    assert error is None and names(members) == ['a/1.jpg', 'a/2.jpg', 'a/3.jpg']
    why = 'it claims 1001 bytes, more than the 1000 allowed for one example'
    assert [found[-1] for found in found_in(members)] == [bytes(1000), why, bytes(10)]


@pytest.mark.slow
@pytest.mark.parametrize('format', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_memory_stays_constant(write, format):
    """Bare tarfile keeps about 1 KB a member, 3 KB with pax headers."""
    name = 'train/{:06}/' + 'n' * 100 + '.jpg'
    members = stream_members(write(tar_bytes({name.format(i): b'data' for i in range(3000)}, format)))
    assert sum(1 for _ in itertools.islice(members, 100)) == 100
    count, peak = peak_of(lambda: sum(1 for _ in members))
    assert count == 2900 and peak < 200_000


@COMPRESSED
def test_only_data_errors_escape_from_mutated_archives(write, compress):
    rng = random.Random(1)
    files = {f'é/{i}{"n" * 60 * (i % 3)}.jpg': rng.randbytes(i * 90) for i in range(12)}
    sources = [tar_bytes(files, format) for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    ended = 0
    for number in range(150):
        source = sources[number % 2]
        data = compress(mutate(source, rng)) if number % 3 else mutate(compress(source), rng)
        ended += outcome(write(data))[1] is not None
    assert ended > 50


def test_every_bit_of_a_header_may_be_wrong(write):
    """It is an error at the header, but for a bit of what follows the digits of the checksum."""
    data, unnoticed = tar_bytes(A | B), set()
    for bit in range(0, 8 * BLOCK, 7):
        broken = bytearray(data)
        broken[3 * BLOCK + bit // 8] ^= 1 << bit % 8
        members, error = outcome(write(broken))
        if error is None:
            unnoticed.add(bit // 8)
        assert {m.name: m.data for m in members} == (A | B if error is None else {'a/1.jpg': b'1' * 700}), bit
    assert unnoticed == {154, 155}, 'the zero and the space'
