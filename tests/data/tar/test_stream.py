"""Archives of every kind."""

import bz2
import gzip
import lzma
import os
import sysconfig
import tarfile
import threading
import zlib
from pathlib import Path

import pytest

from estimator_lab.data.tar.index import build_index
from estimator_lab.data.tar.skipping_file import SkippingFile
from estimator_lab.data.tar.stream import is_compressed, scan_members, stream_members
from tests.archive_files import tar_bytes
from tests.kinds import AnyFile
from tests.robustness.mutation import fix_checksum
from tests.streams import FILES, members_of, names, special


def test_pythons_own_test_archive_streams_through():
    """Its location has changed with Python 3.13."""
    folder = Path(sysconfig.get_path('stdlib')) / 'test'
    path = folder / 'archivetestdata' / 'testtar.tar'
    path = path if path.exists() else folder / 'testtar.tar'
    if not path.exists():
        pytest.skip('this Python comes without its test folder')
    members = list(stream_members(path, kind=AnyFile()))
    with tarfile.open(path, encoding='utf-8', errors='backslashreplace') as archive:
        expected = [(info.name, archive.extractfile(info).read()) for info in archive if info.isreg()]
    assert [(member.name, member.data) for member in members] == expected
    assert len(members) > 15
    assert names(scan_members(path, kind=AnyFile())) == names(members)
    index = build_index(str(path), kind=AnyFile())
    assert members_of(index) == members and index.damage == ''


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


@pytest.mark.parametrize(
    ('format', 'name'),
    [
        (tarfile.USTAR_FORMAT, f'{"d" * 100}/{"f" * 90}.jpg'),
        *((format, f'{"d" * 120}/{"猫" * 50}.jpg') for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)),
    ],
)
def test_long_and_foreign_names(write, format, name):
    archive = write(tar_bytes({'a/1.jpg': b'1', name: b'long', 'a/2.jpg': b'2'}, format))
    members = list(stream_members(archive))
    assert names(members) == ['a/1.jpg', name, 'a/2.jpg']
    assert members[1].data == b'long'
    assert members[1].offset == 1024  # of its first block: the extension header, if it has one


def test_names_that_are_not_utf8_can_still_be_printed(write):
    data = bytearray(tar_bytes({'a/caf?.jpg': b''}))
    data[5] = 0xE9  # é in Latin-1
    fix_checksum(data, 0)
    assert names(stream_members(write(data))) == ['a/caf\\xe9.jpg']


def test_first_folder_may_look_like_a_magic_number(write):
    files = {'BZhang/1.jpg': b'', ']/1.jpg': b''}
    assert names(stream_members(write(tar_bytes(files)))) == list(files)


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
