"""Archives broken in every way: the members before the break, then one error."""

import bz2
import contextlib
import gzip
import io
import itertools
import lzma
import random
import re
import tarfile
import tracemalloc
import zlib

import pytest

from estimator_lab.data import member as tar_member
from estimator_lab.data.tar.stream import scan_members, stream_members
from estimator_lab.errors import DataError
from tests.archive_files import tar_bytes
from tests.robustness.mutation import fix_checksum, mutate
from tests.streams import FILES, names, read_until_error

# Ways to be no tar archive at all.


@pytest.mark.parametrize('read', [stream_members, scan_members])
@pytest.mark.parametrize(
    ('data', 'sentence'),
    [
        (b'', 'is an empty file'),
        (b'just text', 'is not a tar archive'),
        (b'PK\x03\x04' + bytes(range(256)) * 8, 'is not a tar archive'),
        (gzip.compress(b'', mtime=0), 'is not a tar archive'),
        (gzip.compress(b'just text', mtime=0), 'is not a tar archive'),
        (b'\x1f\x8b\x08', 'is not a tar archive'),
        (b'\x1f\x8b\x08' + b'\xff' * 900, 'is not a tar archive'),
        (b'BZh91AY&SY' + b'\xff' * 900, 'is not a tar archive'),
        (b'\xfd7zXZ\0' + b'\xff' * 900, 'is not a tar archive'),
    ],
)
def test_no_tar_archive(write, read, data, sentence):
    archive = write(data)
    with pytest.raises(DataError, match=sentence) as caught:
        list(read(archive))
    assert archive in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'parts'),
    [
        ('f.tar.part-ab', 'f.tar.part-*'),
        ('f.taraa', 'f.tar*'),
        ('f.tar.gz.001', 'f.tar.gz.*'),
        ('f.tgz-part2', 'f.tgz-part*'),
        *((whole, None) for whole in ('f.tar', 'f.tar.gz', 'f.tar.bz2', 'f.tar.bak', 'f-001.tar')),
    ],
)
def test_parts_of_a_split_archive_are_to_be_joined(tmp_path, name, parts):
    data = tar_bytes(FILES)
    for part in (data[: 3 * 512 + 1], data[700:]):
        (tmp_path / name).write_bytes(part)
        with pytest.raises(DataError) as caught:
            list(stream_members(tmp_path / name))
        found = re.search('part of a split archive, join the parts: `cat ([^ ]*) ', str(caught.value))
        assert (found and found[1]) == parts


def test_missing_file_folder_and_permission(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r'^There is no file .*gone\.tar'):
        list(stream_members(tmp_path / 'gone.tar'))
    with pytest.raises(DataError, match='is a folder, not a tar archive'):
        list(stream_members(tmp_path))
    with pytest.raises(DataError, match='cannot be read'):
        list(stream_members('a\0b'))

    def deny(*args):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(io, 'FileIO', deny)  # a mode of 0 would not stop root
    with pytest.raises(DataError, match=r'^No permission to read .*x\.tar'):
        list(stream_members(tmp_path / 'x.tar'))


# Ways to break one.


def complete_members(data, length):
    """Names of the members whose data ends within the first `length` bytes."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [info.name for info in tar if info.offset_data + info.size <= length]


def ends_between_members(data, length):
    """Whether all of a member's data lies within the first `length` bytes, and nothing of the next header."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        ends = [info.offset_data + info.size for info in tar]
    return any(end <= length <= end + -end % 512 for end in ends)


@pytest.mark.parametrize('format', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize('read', [stream_members, scan_members])
def test_cut_off_within_a_member_is_an_error_after_the_complete_ones(write, format, read):
    files = {'a/1.jpg': b'1', f'a/{"n" * 120}.jpg': bytes(range(200)) * 4, 'a/2.jpg': b'2' * 512}
    data = tar_bytes(files, format)
    end = len(data) - 1024
    whole = 0
    for length in {*range(1, end, 97), *range(512, end + 1, 512)}:
        archive = write(data[:length])
        members, error = read_until_error(archive, read)
        assert names(members) == complete_members(data, length), length
        if ends_between_members(data, length):
            assert error is None
            whole += 1
            continue
        assert error is not None, length
        assert archive in str(error)
        if members:
            assert f'cut off at byte {length} of its tar stream' in str(error)
    assert whole > 5
    assert read_until_error(write(data[: end + 512]), read)[1] is None  # one zero block ends it


def test_cut_off_in_the_data_names_the_member(write):
    data = tar_bytes(FILES)
    place = r"cut off at byte 2500 of .*, in member 'train/b/3\.jpeg' at byte 1536"
    with pytest.raises(DataError, match=place):
        list(stream_members(write(data[:2500])))


@pytest.mark.parametrize('compress', [gzip.compress, bz2.compress, lzma.compress])
def test_cut_off_compressed_stream_is_an_error(write, compress):
    compressed = compress(tar_bytes(FILES))
    for length in range(20, len(compressed), 23):
        members, error = read_until_error(write(compressed[:length]))
        assert names(members) == list(FILES)[: len(members)]
        assert error is not None, length
    assert read_until_error(write(compressed[:-1]))[1] is not None  # within its checksum


@pytest.mark.parametrize(('place', 'reason'), [(-5, 'incorrect data check'), (-1, 'incorrect length check')])
@pytest.mark.parametrize('rest', [b'', gzip.compress(tar_bytes({'b/9.jpg': b'more'}))], ids=['last', 'first'])
def test_data_is_read_up_to_a_wrong_gzip_checksum(write, place, reason, rest):
    """All data of the stream is there, though its end is read in the same call; what follows is not."""
    compressed = bytearray(gzip.compress(tar_bytes(FILES)))
    compressed[place] ^= 1
    members, error = read_until_error(write(compressed + rest))
    assert names(members) == list(FILES)
    assert reason in str(error)


@pytest.mark.parametrize(
    ('spoil', 'how'),
    [
        (lambda data: data[:100_000] + bytes(100) + data[100_100:], 'damaged'),
        (lambda data: data[:100_000], 'cut off'),
    ],
)
def test_data_is_read_up_to_the_damage_of_gzip(write, spoil, how):
    """At least as much as a decompressor that is given one byte after another hands over."""
    files = {f'a/{i}.jpg': random.Random(i).randbytes(5000) for i in range(40)}
    compressed = spoil(gzip.compress(tar_bytes(files)))
    bytewise, length = zlib.decompressobj(31), 0
    with contextlib.suppress(zlib.error):
        for byte in compressed:
            length += len(bytewise.decompress(bytes([byte])))
    members, error = read_until_error(write(compressed))
    assert len(members) == length // (512 + 5120) > 10
    assert names(members) == list(files)[: len(members)]
    assert how in str(error)


@pytest.mark.parametrize('read', [stream_members, scan_members])
@pytest.mark.parametrize('index', range(1, len(FILES)))
def test_damaged_header_is_an_error(write, read, index):
    data = bytearray(tar_bytes(FILES))
    offset = [member.offset for member in stream_members(write(data))][index]
    data[offset + 3] ^= 0xFF
    members, error = read_until_error(write(data), read)
    assert names(members) == list(FILES)[:index]
    assert f'bad checksum in the header at byte {offset}' in str(error)


@pytest.mark.parametrize('size', [-1, -512, -(2**63), 2**40, 2**63, 2**87])
@pytest.mark.parametrize('name', ['a/x.jpg', 'a/x.txt'])
@pytest.mark.parametrize('first', [True, False])
def test_absurd_size_is_an_error(write, size, name, first):
    """To tarfile, -512 in the first header is the end of the archive; later on, an endless loop."""
    header = bytearray(tarfile.TarInfo(name).tobuf())
    header[124:136] = (size % 256**12).to_bytes(12, 'big')
    header[124] = 0xFF if size < 0 else 0x80
    fix_checksum(header, 0)
    start = b'' if first else tar_bytes(FILES)[:-1024]
    members, error = read_until_error(write(start + header + tar_bytes(FILES)))
    assert names(members) == ([] if first else list(FILES))
    assert error is not None


@pytest.mark.parametrize('read', [stream_members, scan_members])
def test_image_above_the_limit_comes_without_data(write, read, monkeypatch):
    monkeypatch.setattr(tar_member, 'MAX_MEMBER_BYTES', 1000)
    sizes = {'a/big.txt': 1001, 'a/1.jpg': 1000, 'a/2.jpg': 1001, 'a/3.jpg': 10}
    archive = write(tar_bytes({name: bytes(size) for name, size in sizes.items()}))
    members, error = read_until_error(archive, read)
    assert error is None
    assert names(members) == ['a/1.jpg', 'a/2.jpg', 'a/3.jpg']
    if read is stream_members:
        assert [len(member.data) for member in members] == [1000, 0, 10]
        assert members[1].problem == 'it claims 1001 bytes, more than the 1000 allowed for one example'


def test_image_that_claims_more_than_the_archive_is_the_end_of_it(write):
    info = tarfile.TarInfo('a/x.jpg')
    info.size = 2**40
    archive = write(tar_bytes({'a/1.jpg': b'1'})[:1024] + info.tobuf(tarfile.GNU_FORMAT) + b'some data')
    members, error = read_until_error(archive)
    assert names(members) == ['a/1.jpg']
    assert "cut off at byte 1545 of its tar stream, in member 'a/x.jpg' at byte 1024" in str(error)


@pytest.mark.parametrize('compress', [bytes, gzip.compress], ids=['plain', 'gz'])
def test_other_files_may_have_any_size(write, compress):
    files = {'a/film.mp4': bytes(3 * 2**20), 'a/1.jpg': b'1', 'a/2.jpg': bytes(2 * 2**20 + 1)}
    archive = write(compress(tar_bytes({**files, 'a/3.txt': b'3'})))
    assert names(stream_members(archive)) == names(scan_members(archive)) == ['a/1.jpg', 'a/2.jpg']


def test_errors_of_the_consumer_pass(write):
    members = stream_members(write(tar_bytes(FILES)))
    next(members)
    with pytest.raises(KeyError):
        members.throw(KeyError())


@pytest.mark.parametrize('format', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_memory_stays_constant(write, format):
    """Bare tarfile keeps about 1 KB a member, 3 KB with pax headers."""
    name = 'train/{:06}/' + 'n' * 100 + '.jpg'
    archive = write(tar_bytes({name.format(i): b'data' for i in range(3000)}, format))
    members = stream_members(archive)
    next(members)
    tracemalloc.start()
    for _ in itertools.islice(members, 100):
        pass
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    assert sum(1 for _ in members) == 2899
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 200_000


@pytest.mark.parametrize('compress', [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_only_data_errors_escape_from_mutated_archives(write, compress):
    rng = random.Random(1)
    files = {f'é/{i}{"n" * 60 * (i % 3)}.jpg': rng.randbytes(i * 90) for i in range(12)}
    sources = tar_bytes(files, tarfile.GNU_FORMAT), tar_bytes(files, tarfile.PAX_FORMAT)
    ended = 0
    for round_ in range(150):
        source = sources[round_ % 2]
        data = compress(mutate(source, rng)) if round_ % 3 else mutate(compress(source), rng)
        archive = write(data)
        members, error = read_until_error(archive)
        headers, scan_error = read_until_error(archive, scan_members)
        assert [(m.name, m.offset) for m in members] == [(h.name, h.offset) for h in headers]
        assert str(error) == str(scan_error)
        ended += error is not None
    assert ended > 50
