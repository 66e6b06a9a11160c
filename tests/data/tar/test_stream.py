"""Archives of every kind."""

import bz2
import gzip
import lzma
import os
import tarfile
import threading
import zlib
from pathlib import Path

import pytest

from estimator_lab.data.tar.forward_file import SkippingFile
from estimator_lab.data.tar.stream import is_compressed, scan_members, stream_members
from tests.archive_files import tar_bytes
from tests.robustness.mutation import fix_checksum, old_gnu_sparse_header
from tests.streams import FILES, names, special


@pytest.mark.parametrize('read', [stream_members, scan_members])
@pytest.mark.parametrize(
    'compress',
    [bytes, gzip.compress, bz2.compress, lzma.compress],
    ids=['plain', 'gz', 'bz2', 'xz'],
)
@pytest.mark.parametrize('name', ['archive.tar', 'archive.tar.gz', 'archive.xz', 'archive'])
def test_compression_is_recognised_by_content(write, read, compress, name):
    assert names(read(write(compress(tar_bytes(FILES)), name))) == list(FILES)


def test_members_have_archive_name_offset_and_data(write):
    data = tar_bytes(FILES)
    archive = write(data)
    members = list(stream_members(Path(archive)))
    assert {member.name: member.data for member in members} == FILES
    assert {member.archive for member in members} == {archive}
    assert members[0].key == f'{archive}:train/a/1.jpg'
    for member in members:
        assert tarfile.TarInfo.frombuf(data[member.offset :][:512], 'utf-8', '').name == member.name


@pytest.mark.parametrize('compress', [bytes, gzip.compress], ids=['plain', 'gz'])
def test_scan_is_stream_without_the_data(write, compress):
    data = tar_bytes(FILES)
    archive = write(compress(data))
    assert is_compressed(archive) == (compress is not bytes)
    expected = [(m.name, m.offset, len(m.data)) for m in stream_members(archive)]
    entries = list(scan_members(archive))
    assert [(entry.name, entry.offset, entry.size) for entry in entries] == expected
    for entry in entries:
        assert data[entry.data :][: entry.size] == FILES[entry.name]
        assert entry.checksum == zlib.adler32(data[entry.offset :][:512])


def test_scan_reads_little_of_a_plain_file(write, monkeypatch):
    archive = write(tar_bytes({f'a/{i}.jpg': bytes(100_000) for i in range(20)}))
    read = SkippingFile.read
    counts = []

    def counted_read(self, count):
        counts.append(count)
        return read(self, count)

    monkeypatch.setattr(SkippingFile, 'read', counted_read)
    assert len(list(scan_members(archive))) == 20
    assert sum(counts) < 20 * 1024


def test_other_files_and_hidden_images_are_skipped(write):
    extra = [
        special('train', tarfile.DIRTYPE),
        special('train/folder.jpg', tarfile.DIRTYPE),
        special('train/a/hard.jpg', tarfile.LNKTYPE, 'train/a/1.jpg'),
        special('train/a/soft.jpg', tarfile.SYMTYPE, '1.jpg'),
        special('train/a/pipe.jpg', tarfile.FIFOTYPE),
        special('train/a/device.jpg', tarfile.CHRTYPE),
    ]
    hidden = ['.DS_Store', 'a/._x.jpg', '.git/x.jpg', './.x.jpg', '__MACOSX/a/x.jpg', 'a/..x.jpg']
    others = ['a/list.txt', 'a/jpg', 'a/x.jpg.bak', 'README']
    files = dict.fromkeys(hidden + others, b'no') | FILES
    assert names(stream_members(write(tar_bytes(files, extra=extra)))) == list(FILES)


def test_names_lose_the_leading_dot(write):
    archive = write(tar_bytes({'./a/1.jpg': b'', './/./a/2.jpg': b'', '../a/3.jpg': b''}))
    assert names(stream_members(archive)) == ['a/1.jpg', 'a/2.jpg', '../a/3.jpg']


@pytest.mark.parametrize('format', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names(write, format):
    name = f'{"d" * 100}/{"f" * 90}.jpg'
    archive = write(tar_bytes({'a/1.jpg': b'1', name: b'long', 'a/2.jpg': b'2'}, format))
    members = list(stream_members(archive))
    assert names(members) == ['a/1.jpg', name, 'a/2.jpg']
    assert members[1].data == b'long'
    assert members[1].offset == 1024  # of its first block: the extension header, if it has one


@pytest.mark.parametrize('format', [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_outside_ascii(write, format):
    archive = write(tar_bytes({'Zoë/猫.jpg': b''}, format))
    assert names(stream_members(archive)) == ['Zoë/猫.jpg']


def test_names_that_are_not_utf8_can_still_be_printed(write):
    data = bytearray(tar_bytes({'a/caf?.jpg': b''}))
    data[5] = 0xE9  # é in Latin-1
    fix_checksum(data, 0)
    assert names(stream_members(write(data))) == ['a/caf\\xe9.jpg']


def test_first_folder_may_look_like_a_magic_number(write):
    files = {'BZhang/1.jpg': b'', ']/1.jpg': b''}
    assert names(stream_members(write(tar_bytes(files)))) == list(files)


def test_several_gzip_members_are_one_stream(write):
    data = tar_bytes(FILES)
    archive = write(gzip.compress(data[:700]) + gzip.compress(data[700:]))
    assert {member.name: member.data for member in stream_members(archive)} == FILES


@pytest.mark.parametrize('compress', [bytes, gzip.compress], ids=['plain', 'gz'])
@pytest.mark.parametrize('read', [stream_members, scan_members])
def test_reads_a_pipe(tmp_path, compress, read):
    fifo = tmp_path / 'pipe'
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=[compress(tar_bytes(FILES))])
    writer.start()
    assert names(read(fifo)) == list(FILES)
    writer.join()


def test_empty_tar_yields_nothing(write):
    assert list(stream_members(write(bytes(10_240)))) == []
    assert list(stream_members(write(tar_bytes({})))) == []


@pytest.mark.parametrize('version', ['old', '0.1', '1.0'])
@pytest.mark.parametrize('read', [stream_members, scan_members])
def test_holes_of_sparse_members_are_filled(write, version, read):
    """8 KiB: 'A' * 512 at 1024 and 'B' * 512 at 4096, the rest are holes."""
    stored = b'A' * 512 + b'B' * 512
    info = tarfile.TarInfo('a/sparse.tif')
    info.size = len(stored)
    pax = {'GNU.sparse.realsize': '8192', 'GNU.sparse.name': 'a/sparse.tif'}
    if version == 'old':
        header = old_gnu_sparse_header(info, [(1024, 512), (4096, 512)], 8192)
    elif version == '0.1':
        info.pax_headers = {'GNU.sparse.map': '1024,512,4096,512', 'GNU.sparse.size': '8192', **pax}
        header = info.tobuf(tarfile.PAX_FORMAT)
    else:
        stored = b'2\n1024\n512\n4096\n512\n'.ljust(512, b'\0') + stored
        info.size = len(stored)
        info.pax_headers = {'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', **pax}
        header = info.tobuf(tarfile.PAX_FORMAT)
    archive = write(tar_bytes({'a/1.jpg': b'1'})[:1024] + header + stored + tar_bytes(FILES))
    members = list(read(archive))
    assert names(members) == ['a/1.jpg', 'a/sparse.tif', *FILES]
    if read is stream_members:
        expected = bytearray(8192)
        expected[1024:1536] = b'A' * 512
        expected[4096:4608] = b'B' * 512
        assert members[1].data == expected
    else:
        assert members[1].size == 8192
