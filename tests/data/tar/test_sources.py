"""Paths, globs, pipes, standard input, and URLs of `tf.io.gfile`; real archives, read from end to end."""

import contextlib
import gzip
import os
import shutil
import tarfile
import threading
from pathlib import Path

import pytest

from estimator_lab.data.order.archives import open_archives
from estimator_lab.data.tar.index import build_index
from estimator_lab.data.tar.sources import expand_archives, is_pipe, is_url, stamp_of
from estimator_lab.data.tar.stream import scan_members, stream_members
from estimator_lab.errors import DataError
from estimator_lab.tf1 import tf
from tests.places import real_data


@pytest.fixture(params=['ram://test_sources/', 'file://'])
def url(request, archive, tmp_path):
    """The archive as a URL; ram:// is TensorFlow's own file system in memory."""
    if request.param == 'file://':
        yield f'file://{archive}'
        return
    path = f'{request.param}{tmp_path.name}/train.tar'
    with tf.io.gfile.GFile(path, 'wb') as file:
        file.write(archive.read_bytes())
    yield path
    tf.io.gfile.remove(path)


def test_a_url_streams_and_scans_as_the_file_does(url, archive):
    assert is_url(url) and not is_pipe(url)
    assert [m[1:] for m in stream_members(url)] == [m[1:] for m in stream_members(archive)]
    assert list(scan_members(url)) == list(scan_members(archive))
    assert stamp_of(url).size == archive.stat().st_size


def test_a_url_has_counts_but_is_streamed(url, archive):
    archives = open_archives([url])
    assert archives.total == 24 and not archives.has_random_access
    assert build_index(url).counts == build_index(str(archive)).counts
    assert [turn.name for turn in archives.order().epoch(0)] == [m.name for m in stream_members(archive)]


def test_globs_of_urls(url):
    stem = url.rpartition('/')[0]
    assert expand_archives([f'{stem}/*.tar']) == [url]
    with pytest.raises(DataError, match='No file matches'):
        expand_archives([f'{stem}/*.zip'])
    with pytest.raises(DataError, match='No file matches'):
        expand_archives([f'{stem}/gone.tar'])


def test_a_url_that_cannot_be_read():
    for read in (stream_members, scan_members):
        with pytest.raises(DataError, match=r"There is no file 'ram://none/x\.tar'"):
            list(read('ram://none/x.tar'))
    with pytest.raises(DataError, match=r"'strange://x\.tar' cannot be read"):
        expand_archives(['strange://x.tar'])


def test_a_name_with_a_comma(archive, tmp_path):
    shutil.copy(archive, tmp_path / 'a,b.tar')
    whole = str(tmp_path / 'a,b.tar')
    for names in ([whole], whole.split(',')):  # as an argument, and as a flag that is a list
        with pytest.raises(DataError, match=r'name the one file by a glob, .*a\?b\.tar'):
            expand_archives(names)
    assert expand_archives([whole.replace(',', '?')]) == [whole]


def test_archives_named_twice_are_reported(archive):
    said = []
    assert expand_archives([str(archive), str(archive)], said.append) == [str(archive)]
    assert said == [f"'{archive}' is named more than once, and read once."]
    assert expand_archives([str(archive)], said.append) and len(said) == 1


def test_a_link_to_itself(tmp_path):
    (tmp_path / 'loop').symlink_to('loop')
    with pytest.raises(DataError, match=r"loop' cannot be read: Too many levels of symbolic links\.$"):
        build_index(str(tmp_path / 'loop'))


def test_pipes(tmp_path, archive):
    os.mkfifo(tmp_path / 'pipe')
    assert is_pipe('-') and is_pipe(str(tmp_path / 'pipe'))
    assert not is_pipe(str(archive)) and not is_pipe(str(tmp_path)) and not is_pipe(str(tmp_path / 'gone'))
    assert expand_archives(['-', str(archive)]) == ['-', str(archive)]


@pytest.mark.parametrize('compress', [bytes, gzip.compress])
def test_standard_input(archive, run_python, compress):
    code = (
        "from estimator_lab.data.tar.stream import stream_members\nfor m in stream_members('-'): print(m.key)"
    )
    done = run_python('-c', code, stdin=compress(archive.read_bytes()))
    assert done.stdout.splitlines() == [f'stdin:{member.name}' for member in stream_members(archive)]
    done = run_python('-c', code, stdin=b'')
    assert "DataError: '-' is an empty file" in done.stderr


def test_a_fifo_is_one_epoch(archive, tmp_path):
    fifo = tmp_path / 'pipe'
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=[archive.read_bytes()])
    writer.start()
    turns = open_archives([str(fifo)]).order(labels=['a', 'b']).onwards(4)
    assert [turn.name for turn in turns] == [member.name for member in stream_members(archive)][4:]
    writer.join()


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
    assert [m.name for m in stream_members(fifo)] == [m.name for m in stream_members(archive)]
    writer.join()


def test_expand_archives(tmp_path):
    for name in ['b.tar', 'a.tar', 'c.tgz', 'photos[1].tar']:
        (tmp_path / name).touch()

    def expand(*patterns):
        paths = expand_archives([pattern.replace('@', f'{tmp_path}/') for pattern in patterns])
        return [Path(path).name for path in paths]

    assert expand('@b.tar', '@a.tar') == ['b.tar', 'a.tar']
    assert expand('@c.tgz', '@?.tar') == ['c.tgz', 'a.tar', 'b.tar']
    assert expand('@b.tar, @*.t*,') == ['b.tar', 'a.tar', 'c.tgz', 'photos[1].tar']
    assert expand('@photos[1].tar') == ['photos[1].tar']
    with pytest.raises(DataError, match=r'^No file matches .*\*\.zip'):
        expand('@a.tar', '@*.zip')
    with pytest.raises(DataError, match=r'^There is no file .*gone\.tar'):
        expand('@gone.tar')
    for nothing in [(), ('',), (' , ',)]:
        with pytest.raises(DataError, match='No archive is given'):
            expand(*nothing)


@pytest.mark.parametrize(
    ('name', 'count'),
    [('photos-test.tar', 300), ('mnist-test.tar.gz', 10_000)],
)
def test_real_archives(name, count):
    archive = real_data(name)
    with tarfile.open(archive, 'r|*') as tar:
        expected = [(info.name, info.offset, info.size) for info in tar if info.isfile()]
    assert len(expected) == count
    assert [(entry.name, entry.offset, entry.size) for entry in scan_members(archive)] == expected
    assert [(*member[1:3], len(member.data)) for member in stream_members(archive)] == expected
