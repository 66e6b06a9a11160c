"""Names of sources: paths, globs, braces, pipes, standard input; texts of a line an example; folders."""

import bz2
import contextlib
import glob
import gzip
import lzma
import os
import random
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.archives.kinds import kind_of
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.archives.part import Part
from estimator_lab.data.examples import member as data_member
from estimator_lab.data.examples.labels import read_label_table
from estimator_lab.data.images.decode import ImageShape, decode_image
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.data.images.reader import IMAGES, ImageReader
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.batches import read_batches
from estimator_lab.data.sources.source import DamagedError, decompressed, expand, source_of, why_unreadable
from estimator_lab.data.trees.kind import TREES
from tests.support import archive_files
from tests.support.archive_files import write_folder, write_tar
from tests.support.streams import (
    build_index,
    counts_of,
    data_of,
    found_in,
    members_of,
    names,
    names_of,
    open_index,
    scan_headers,
    stream_members,
)


def expanded(*patterns, **options):
    return [source.name for source in expand(patterns, **options)]


def touched(folder, *names):
    return write_folder(folder, dict.fromkeys(names, b''))


def test_globs_lists_and_duplicates(tmp_path):
    touched(tmp_path, 'b.tar', 'a.tar', 'c.tgz', 'photos[1].tar')

    def found(*patterns):
        return [Path(name).name for name in expanded(*(p.replace('@', f'{tmp_path}/') for p in patterns))]

    assert found('@b.tar', '@a.tar') == ['b.tar', 'a.tar']
    assert found('@c.tgz', '@?.tar') == ['c.tgz', 'a.tar', 'b.tar']
    assert found('@b.tar, @*.t*,') == ['b.tar', 'a.tar', 'c.tgz', 'photos[1].tar']
    assert found('@photos[1].tar') == ['photos[1].tar']
    with pytest.raises(DataError, match=r'^No file matches .*\*\.zip'):
        found('@a.tar', '@*.zip')
    with pytest.raises(DataError, match=r'^There is no file .*gone\.tar'):
        found('@gone.tar')
    for nothing in [(), ('',), (' , ',)]:
        with pytest.raises(DataError, match='No archive is given'):
            expand(nothing)
    said = []
    assert len(expand([f'{tmp_path}/a.tar'] * 2, said.append)) == 1
    assert said == [f"'{tmp_path}/a.tar' is named more than once, and read once."]


@pytest.mark.parametrize(
    'pattern',
    [
        *('@/*/*.tar', '@/**/*.tar', '@/**', '@/*/', '@/**/'),
        *('@/a/../*/[xy].tar', '@/.*/*', '@/a/*.tar/*', 'a/*', './*/x*'),
    ],
)
def test_patterns_match_as_in_glob(tmp_path, monkeypatch, pattern):
    touched(tmp_path, 'a/x.tar', 'a/y.tar', 'b/c/x.tar', '.hidden/x.tar', 'b/.z.tar', 'top.tar')
    (tmp_path / 'b/broken.tar').symlink_to('gone')
    monkeypatch.chdir(tmp_path)
    pattern = pattern.replace('@', str(tmp_path))
    wanted = {str(Path(path)) for path in glob.glob(pattern, recursive=True)}  # noqa: PTH207
    if wanted:
        assert {str(Path(name)) for name in expanded(pattern)} == wanted
    else:
        with pytest.raises(DataError, match='No file matches'):
            expanded(pattern)


def test_links_to_folders_are_named_but_not_entered_by_two_stars(tmp_path):
    touched(tmp_path, 'a/x.tar', 'a/b/y.tar', 'a/.c/z.tar')
    (tmp_path / 'link').symlink_to('a')
    found = expanded(f'{tmp_path}/**/*.tar')
    assert found == [f'{tmp_path}/{name}' for name in ('a/b/y.tar', 'a/x.tar', 'link/x.tar')]
    assert expanded(f'{tmp_path}/*/b/*') == [f'{tmp_path}/{name}/b/y.tar' for name in ('a', 'link')]


def test_a_folder_that_cannot_be_listed_is_not_left_out(tmp_path, monkeypatch):
    touched(tmp_path, 'a/x.tar', 'b/x.tar')
    iterdir = Path.iterdir

    def failing(path):
        if path == tmp_path / 'b':
            raise OSError(5, 'Input/output error', str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, 'iterdir', failing)
    for pattern in ('*/*.tar', '**/*.tar'):
        with pytest.raises(DataError, match=r'b cannot be read: Input/output error\.$'):
            expanded(f'{tmp_path}/{pattern}')


@pytest.mark.parametrize(
    ('pattern', 'wanted'),
    [
        ('a-{08..11}.tar', ['a-08.tar', 'a-09.tar', 'a-10.tar', 'a-11.tar']),
        ('a-{8..10}.tar', ['a-8.tar', 'a-9.tar', 'a-10.tar']),
        ('{a,b}-{0..1}', ['a-0', 'a-1', 'b-0', 'b-1']),
    ],
)
def test_braces(tmp_path, monkeypatch, pattern, wanted):
    monkeypatch.chdir(tmp_path)
    touched(tmp_path, *wanted)
    assert sorted(expanded(pattern)) == sorted(wanted)
    Path(wanted[-1]).unlink()
    with pytest.raises(DataError, match=f"There is no file '{wanted[-1]}'"):
        expand([pattern])
    Path(pattern).touch()
    assert expanded(pattern) == [pattern]
    with pytest.raises(DataError, match='stands for more than 100,000 names'):
        expand(['{000..999}{000..999}.tar'])


def test_home_links_and_pipes(tmp_path, monkeypatch, archive):
    monkeypatch.setenv('HOME', str(tmp_path))
    assert expanded('~/train.tar') == expanded('~/*.tar') == [str(archive)]
    (tmp_path / 'loop').symlink_to('loop')
    with pytest.raises(DataError, match=r"loop' cannot be read: Too many levels of symbolic links\.$"):
        build_index(tmp_path / 'loop')
    os.mkfifo(tmp_path / 'pipe')
    assert source_of('-').is_pipe and source_of(tmp_path / 'pipe').is_pipe
    assert not any(source_of(path).is_pipe for path in (archive, tmp_path, tmp_path / 'gone'))
    assert source_of(tmp_path).is_folder and expanded('-', str(archive)) == ['-', str(archive)]


def test_a_writer_that_never_ends_is_left_after_the_archive(archive, tmp_path):
    fifo = tmp_path / 'pipe'
    os.mkfifo(fifo)

    def write():
        with contextlib.suppress(BrokenPipeError), fifo.open('wb') as file:
            file.write(archive.read_bytes())
            while True:
                file.write(b'something else ' * 1000)

    writer = threading.Thread(target=write)
    writer.start()
    assert names(stream_members(fifo)) == names(stream_members(archive))
    writer.join()


# Texts.

TEXT = b'1\t(a 1)\n\n2\t(b 22)\r\n  \n1\t(a \xff333)\n2\t(no end)'
LINES = [(0, b'1\t(a 1)'), (9, b'2\t(b 22)\r'), (22, b'1\t(a \xff333)'), (33, b'2\t(no end)')]
NAMES = ['1/line_1.tree', '2/line_3.tree', '1/line_5.tree', '2/line_6.tree']


@pytest.fixture(params=[bytes, gzip.compress, bz2.compress, lzma.compress], ids=['plain', 'gz', 'bz2', 'xz'])
def text(request, tmp_path):
    path = tmp_path / 'lines.tsv'
    path.write_bytes(request.param(TEXT))
    return str(path)


def test_each_line_is_a_member_at_its_offset(text):
    members = list(stream_members(text, TREES))
    assert [(member.offset, member.data) for member in members] == LINES and names(members) == NAMES
    assert kind_of(source_of(text)) is TREES
    for index in (open_index(text, TREES), open_index(text, TREES)):  # made, and read
        assert names_of(index) == NAMES
        assert counts_of(index) == {'1': 2, '2': 2}
        if index.random_access:
            assert members_of(index) == found_in(members)


def test_a_line_that_has_changed_is_noticed(tmp_path):
    path = tmp_path / 'lines.tsv'
    path.write_bytes(TEXT)
    index = build_index(path, TREES)
    path.write_bytes(TEXT.replace(b'22', b'23'))
    with pytest.raises(DataError, match='has changed since it was indexed'):
        index.member(1).read()


def test_a_line_that_is_too_long_is_a_bad_example(monkeypatch, tmp_path):
    monkeypatch.setattr(data_member, 'MAX_MEMBER_BYTES', 1000)
    path = tmp_path / 'lines.tsv'
    path.write_bytes(b'(a 1)\n' + b'x' * 3_000_000 + b'\n(a 2)\n')
    first, long, last = stream_members(path, TREES)
    assert (first.data, last.data, last.offset) == (b'(a 1)', b'(a 2)', 3_000_007)
    assert data_of(long) == 'it claims 3000000 bytes, more than the 1000 allowed for one example'


# Folders.


def image(number):
    return archive_files.encoded(archive_files.picture(number, 4, 4))


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / 'faces', {f'n{n % 3}/{n:02}.png': image(n) for n in range(12)})


def test_members_labels_and_keys_of_a_folder(folder):
    index = build_index(folder)
    assert names_of(index) == [f'n{n % 3}/{n:02}.png' for start in range(3) for n in range(start, 12, 3)]
    assert counts_of(index) == {'n0': 4, 'n1': 4, 'n2': 4} and index.random_access
    member = index.member(0).read()
    assert (member.name, member.label, member.data) == ('n0/00.png', 'n0', image(0))
    assert member.key == f'{folder}/n0/00.png'  # its path, so that it can be opened
    assert found_in(stream_members(folder)) == members_of(index)
    assert build_index(folder / 'n1').labels == ('n1',)
    assert open_archives([f'{folder}/*'], IMAGES).labels == ('n0', 'n1', 'n2')


def test_the_order_is_that_of_an_archive_of_the_same_files(folder, tmp_path):
    """Same seed, same epoch, same positions: an exact resume from folders is one from archives."""
    hidden = folder / '__MACOSX_old'  # which is a folder like any other, in both
    hidden.mkdir()
    (hidden / '99.png').write_bytes(image(99))
    index = build_index(folder)
    archive = write_tar(
        tmp_path / 'faces.tar', [(name, image(int(name.rpartition('/')[2][:2]))) for name in names_of(index)]
    )
    orders = [open_archives([str(source)], IMAGES).order(100, seed=3) for source in (folder, archive)]
    for start in (0, 7, 30):
        streams = [order.onwards(start) for order in orders]
        for _ in range(20):
            one, other = (next(stream).read() for stream in streams)
            found = [(read.epoch, read.name, read.label, read.data) for read in (one, other)]
            assert found[0] == found[1]
    half = Part(0.0, 0.5)
    assert half.mask(index).tolist() == half.mask(open_index(archive)).tolist()


def test_files_that_are_gone_or_no_files_are_bad_examples(folder):
    write_folder(folder, {'.hidden/1.png': image(1), 'n0/._1.png': image(1)})
    os.mkfifo(folder / 'n0' / 'pipe.png')  # opening one must not wait
    (folder / 'n0' / 'zlink.png').symlink_to(folder / 'n1' / '01.png')
    (folder / 'link').symlink_to(folder / 'n1')
    index = build_index(folder)
    found = names_of(index)
    assert len(found) == 14 and 'n0/zlink.png' in found
    (folder / 'n0' / '00.png').unlink()
    assert 'There is no file' in data_of(index.member(0))
    assert 'not a regular file' in data_of(index.member(found.index('n0/pipe.png')))


def test_a_file_above_the_limit_is_a_bad_example_in_both(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(data_member, 'MAX_MEMBER_BYTES', 50)
    archive = write_tar(tmp_path / 'a.tar', [('n0/00.png', image(0))])
    for members in (stream_members(folder), scan_headers(folder), stream_members(archive)):
        assert 'bytes, more than the 50 allowed' in data_of(next(members))


@pytest.mark.parametrize('is_tar', [False, True])
def test_webdataset_samples_have_the_labels_of_their_sidecar_files(tmp_path, is_tar):
    """A .json without a label, the usual metadata, does not hide the .cls next to it."""
    files = {}
    for number in range(4):
        files |= {f'{number}.png': image(number), f'{number}.json': b'{"width": 8}'}
        files[f'{number}.cls'] = f'l{number % 2}'.encode()
    if is_tar:
        source = write_tar(tmp_path / 'wds.tar', sorted(files.items()))
    else:
        source = write_folder(tmp_path / 'wds', files)
    assert counts_of(build_index(source)) == {'l0': 2, 'l1': 2}
    if not is_tar:
        (source / '3.cls').unlink()
        with pytest.raises(DataError, match=r"3\.png' has no label: no \.cls or \.json file is next to it"):
            open_archives([str(source)], IMAGES).check_labels()


def test_labels_of_a_table(folder, tmp_path):
    labels = tmp_path / 'labels.csv'
    labels.write_text('name,label\n' + ''.join(f'{n:02}.png,{n % 2}\n' for n in range(11)))
    table = read_label_table(labels)
    assert counts_of(build_index(folder, table=table)) == {'0': 6, '1': 5, '': 1}
    with pytest.raises(DataError, match=r"11\.png' has no label: labels=\S+ has no line for it\."):
        open_archives(expand([str(folder)], table=table), IMAGES).check_labels()


@pytest.mark.parametrize(
    ('name', 'files', 'instead'),
    [
        ('photos', ['b.HEIC', 'c.txt'], r'1 \.heic, 1 \.txt\.'),
        ('shards.tar', ['0.tar'], r"1 \.tar: use '{}/\*\.tar'"),
        ('shards.tar.gz', ['0.tar.gz'], r"1 \.tar\.gz: use '{}/\*\.tar\.gz'"),
        ('texts', ['0.txt'], r'1 \.txt\.$'),
    ],
)
def test_what_a_folder_holds_instead(tmp_path, name, files, instead):
    folder = write_folder(tmp_path / name, dict.fromkeys(files, b'x'))
    words = f'holds no images, but other files: {instead.format(folder)}'
    with pytest.raises(DataError, match=words):
        open_archives([str(folder)], IMAGES, say=lambda line: None)


def test_each_image_of_a_folder_is_decoded_and_kept_for_itself(folder):
    """What is decoded once is found by its archive and offset, which the files of a folder need, too."""
    shape = ImageShape(4, 4, 1)
    archives = open_archives([str(folder)], IMAGES)
    reader = ImageReader(ImageOptions(shape), kept={})
    expected = [decode_image(image(int(m.name[3:5])), *shape) for m in stream_members(folder)]
    for _ in range(2):
        batches = read_batches(archives.order().epoch(0), 5, reader, InputReport(IMAGES))
        np.testing.assert_array_equal(np.concatenate([batch.data['image'] for batch in batches]), expected)


def test_streams_of_xz_in_a_row_are_one_file(tmp_path):
    path, pieces = tmp_path / 'a.xz', [random.Random(n).randbytes(300_000) for n in range(3)]
    for rest in (b'', b'something else'):
        path.write_bytes(b''.join(map(lzma.compress, pieces)) + rest)
        with source_of(path).open() as raw, decompressed(raw) as file:
            assert file.read() == b''.join(pieces) and file.read(1) == b''


def test_a_dictionary_of_xz_has_a_limit(tmp_path):
    path, packed = tmp_path / 'a.xz', bytearray(lzma.compress(bytes(1000)))
    assert packed[14:16] == b'\x21\x01'  # the filter LZMA2, and its one byte of properties
    for size, is_read in ((0x1C, True), (0x20, True), (0x21, False), (0x28, False)):  # 64, 256, 384, 4096 MiB
        packed[16] = size
        packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, 'little')
        path.write_bytes(packed)
        with source_of(path).open() as raw, decompressed(raw) as file:
            if is_read:
                assert file.read() == bytes(1000)
            else:
                with pytest.raises(DamagedError) as raised:
                    file.read()
                assert raised.value.strerror == 'Memory usage limit exceeded'


def test_a_url_with_one_slash_is_told_what_it_lacks():
    with pytest.raises(DataError, match=r"'https:/h/a.tar'; a URL has two slashes, as in https"):
        expand(['https:/h/a.tar'])


def test_urls_that_differ_by_credentials_alone_are_two_sources():
    urls = ['https://a:1@example.com/a.tar', 'https://b:2@example.com/a.tar', 'https://c:3@example.com/a.tar']
    plain = 'https://example.com/a.tar'
    assert [source.name for source in expand(urls)] == [plain, f'{plain}#2', f'{plain}#3']


def test_a_model_and_a_folder_are_no_archives(tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run/experiment.json').touch()
    with pytest.raises(
        DataError, match=rf"^'{tmp_path}/run/' holds a trained model .experiment.json., not exa"
    ):
        expand([f'{tmp_path}/run'])
    assert (
        why_unreadable('x', IsADirectoryError(21, 'Is a directory')) == "'x' is a folder, not a tar archive."
    )
