import errno
import gzip
import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.data.archives.one_example import read_example
from estimator_lab.data.archives.opened import open_archives, open_stream
from estimator_lab.data.examples.labels import LabelTable
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources import folder as folder_source
from estimator_lab.data.sources.source import expand
from tests.support.archive_files import encoded, gzipped, picture, tar_bytes, write_folder, write_tar
from tests.support.streams import stream_members

pytestmark = pytest.mark.both

PNG = encoded(picture(1))


def opened(*paths):
    """Returns the members of some paths, as `predict` reads them."""
    return open_stream(expand([*map(str, paths)], commas=False), IMAGES).order().epoch(0)


def test_the_share_is_that_of_the_bytes_that_were_read(archive):
    copy, shares = shutil.copy(archive, archive.with_name('copy.tar')), []
    members = open_stream([str(archive), str(copy)], IMAGES).order(progress=shares.append).epoch(0)
    for _ in range(24):
        next(members)
    assert 0.4 < shares[-1] <= 0.5
    assert len(list(members)) == 24 and shares == sorted(shares) and 0.9 < shares[-1] <= 1


def found(*paths):
    return [(turn.key, turn.read().data) for turn in opened(*paths)]


@pytest.fixture
def folder(tmp_path):
    """Images at several depths, among other files."""
    names = 'b/2.png', 'b/1.JPG', 'a.png', '.hidden.png', '.git/x.png', '__MACOSX/x.png', 'b/note.txt'
    return write_folder(tmp_path / 'folder', {name: name.encode() for name in names})


@pytest.fixture
def pipe(tmp_path):
    """Returns the path of a pipe that holds the bytes, written a few at a time as a slow program does."""
    with ThreadPoolExecutor() as writers:

        def write(path, data, at_a_time):
            with path.open('wb', buffering=0) as file:
                for start in range(0, len(data), at_a_time):
                    file.write(data[start : start + at_a_time])

        def make(data, at_a_time=10_000):
            os.mkfifo(tmp_path / 'pipe')
            writers.submit(write, tmp_path / 'pipe', data, at_a_time)
            return tmp_path / 'pipe'

        yield make


def test_images_of_a_folder_are_found_at_any_depth_in_order(folder):
    names = ['a.png', 'b/1.JPG', 'b/2.png']
    assert found(folder) == [(str(folder / name), name.encode()) for name in names]


def test_files_folders_and_archives_in_the_order_given(folder, archive):
    members = [(member.key, member.data) for member in stream_members(archive)]
    expected = [(str(folder / 'b' / '2.png'), b'b/2.png'), *members, (str(folder / 'a.png'), b'a.png')]
    assert found(folder / 'b' / '2.png', archive, folder / 'a.png') == expected


@pytest.mark.parametrize('at_a_time', [100, 10_000])
@pytest.mark.parametrize('compress', [bytes, gzip.compress])
def test_a_pipe_may_hold_an_archive(archive, pipe, compress, at_a_time):
    path = pipe(compress(archive.read_bytes()), at_a_time)
    assert [data for _, data in found(path)] == [member.data for member in stream_members(archive)]


@pytest.fixture
def stdin():
    """Redirects standard input of this process to a file."""
    before = os.dup(0)

    def become(path):
        with path.open('rb') as file:
            os.dup2(file.fileno(), 0)

    yield become
    os.dup2(before, 0)
    os.close(before)


def test_standard_input(archive, stdin, tmp_path):
    (tmp_path / 'one.png').write_bytes(PNG)
    for path, keys in (
        (tmp_path / 'one.png', ['stdin']),
        (archive, [f'stdin:{m.name}' for m in stream_members(archive)]),
    ):
        stdin(path)
        assert [key for key, _ in found('-')] == keys


@pytest.mark.parametrize(
    ('data', 'what'),
    [
        (b'', 'nothing arrived'),
        (b'\n<!DOCTYPE html><title>404</title>', 'what arrived is a web page'),
        (
            b'PK\3\4' + bytes(999),
            'what arrived is a ZIP archive: unpack it by `unzip FILE -d FOLDER`, and name the',
        ),
        (b'curl: (6)', 'what arrived is not an archive'),
    ],
)
def test_a_pipe_without_examples_names_the_likely_cause(stdin, tmp_path, data, what):
    (tmp_path / 'sent').write_bytes(data)
    stdin(tmp_path / 'sent')
    with pytest.raises(DataError, match=rf"^'-': {re.escape(what)}"):
        found('-')


def test_a_closed_standard_input(monkeypatch):
    monkeypatch.setattr(sys, '__stdin__', None)
    with pytest.raises(DataError, match='Standard input is closed: pipe an archive in, or name one'):
        found('-')


def test_labels_are_those_of_training(tmp_path, monkeypatch):
    """Also of images directly in '.', whose label is the folder's own name."""
    folder = tmp_path / 'n000001'
    folder.mkdir()
    (folder / '1.png').write_bytes(PNG)
    monkeypatch.chdir(folder)
    for paths in (['.'], [str(folder)], ['../n000001'], ['1.png'], [str(folder / '1.png')]):
        assert [member.label for member in opened(*paths)] == ['n000001']
    assert open_archives(['.'], IMAGES).labels == ('n000001',)
    (folder / '1.cls').write_text('cat')
    assert [member.label for member in opened('.')] == ['cat']


@pytest.mark.parametrize('how', ['plain', 'compressed', 'folder', 'pipe'])
def test_labels_agree_where_only_some_have_a_file(tmp_path, pipe, how):
    """In training in any order, in evaluation, in a pass over a pipe: a folder's name is another label."""
    files = {f'train/{n}.jpg': b'%d' % n for n in range(6)}
    files |= {f'train/{n}.cls': b'cat' for n in (0, 3)}
    expected = {f'train/{n}.jpg': 'cat' if n in (0, 3) else '' for n in range(6)}
    path = write_tar(tmp_path / 'some.tar', sorted(files.items()))
    if how == 'compressed':
        path = gzipped(path)
    if how == 'folder':
        path = write_folder(tmp_path / 'images', files)
    if how == 'pipe':
        path = pipe(path.read_bytes())
    archives = open_archives([str(path)], IMAGES)
    for buffer in (1,) if how == 'pipe' else (1, 3):
        assert {one.name: one.label for one in archives.order(buffer, seed=1).epoch(0)} == expected
    if how != 'pipe':
        assert {one.name: one.label for one in opened(path)} == expected and archives.labels == ('cat',)


def test_folders_in_a_folder_are_read_in_the_order_of_their_names(tmp_path):
    names = [f'{label}/x.png' for label in (5, 2, 8, 0, 9, 1)]
    write_folder(tmp_path / 'images', dict.fromkeys(names, b'x'))
    assert [member.name for member in opened(tmp_path / 'images')] == sorted(names)


def test_files_of_their_own_are_a_source_like_any_other(tmp_path, monkeypatch):
    """Their labels are those that they have in their folders: its name, or that in a file next to them."""
    images = {'a/1.png': b'a1', 'a/2.png': b'a2', 'b/1.png': b'b1', 'b/3.png': b'b3'}
    write_folder(tmp_path, {**images, 'b/3.cls': b'c'})
    monkeypatch.chdir(tmp_path)
    archives = open_archives(['?/*.png'], IMAGES)
    assert archives.counts == {'a': 2, 'b': 1, 'c': 1} and archives.has_random_access
    expected = {'a/1.png': 'a', 'a/2.png': 'a', 'b/1.png': 'b', 'b/3.png': 'c'}
    for members in (archives.order(10, seed=1).epoch(0), opened('?/*.png')):
        read = [member.read() for member in members]
        assert {member.key: member.label for member in read} == expected
        assert {member.name: member.data for member in read} == images
        assert {member.place for member in read} == set(map(repr, expected))
    table = LabelTable('t', {'1': 'one'}, 'x')
    assert open_archives(expand(['a/1.png'], table=table), IMAGES).labels == ('one',)
    (tmp_path / 'notes.txt').write_text('no image')
    for use in (lambda: open_archives(['notes.txt'], IMAGES), lambda: list(opened('notes.txt'))):
        with pytest.raises(DataError, match=r"'notes\.txt' is not a tar archive"):
            use()


def test_a_label_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    """Rather than the name of the folder."""
    (tmp_path / '1.png').write_bytes(PNG)
    (tmp_path / '1.cls').write_text('cat')

    def fail(path, most_bytes):
        raise OSError(errno.EIO, 'Input/output error', str(path))

    monkeypatch.setattr(folder_source, 'read_regular', fail)
    for use in (lambda path: list(opened(path)), lambda path: open_archives([str(path)], IMAGES)):
        for path in (tmp_path, tmp_path / '1.png'):
            with pytest.raises(DataError, match=r"1\.cls' cannot be read: Input/output error"):
                use(path)


def test_one_image_by_its_path_or_by_its_key(tmp_path, archive):
    (tmp_path / 'a:b.png').write_bytes(PNG)
    assert read_example(str(tmp_path / 'a:b.png'), IMAGES).data == PNG
    packed = gzipped(archive.rename(tmp_path / 'c:d.tar'))
    archive = tmp_path / 'c:d.tar'
    for path in (archive, packed):
        for member in list(stream_members(path))[::11]:
            found = read_example(member.key, IMAGES)
            assert (found.key, found.label, found.data) == (member.key, member.label, member.data)
    only = tmp_path / 'n.tar'
    write_tar(only, [('x:1.png', PNG)])
    assert read_example(f'{only}:x:1.png', IMAGES).data == PNG


@pytest.mark.parametrize(
    ('place', 'words'),
    [
        ('none.png', "There is no file 'none.png'"),
        ('none.tar:x.png', r"There is no file 'none\.tar:x\.png', and no archive before its colon"),
        ('ARCHIVE', r'holds many images: name one of them, such as .*train\.tar:train/n000000/0000_01\.png'),
        ('ARCHIVE:x.png', r"has no image 'x\.png'; it has 'train/n000000/0000_01\.png'"),
        ('FOLDER', 'holds no image'),
        ('FOLDER/gone.png', 'There is no file'),
        ('FOLDER/x.txt:a.png', 'is not a tar archive'),
    ],
)
def test_one_image_that_is_missing(place, words, archive, tmp_path):
    folder = write_folder(tmp_path / 'folder', {'x.txt': b'no archive'})
    with pytest.raises(DataError, match=words):
        read_example(place.replace('ARCHIVE', str(archive)).replace('FOLDER', str(folder)), IMAGES)


def test_a_folder_without_permission_is_named(folder, monkeypatch):
    """A mode of 0 would not stop root."""
    scandir = os.scandir

    def deny(path):
        if str(path).endswith('/b'):
            raise PermissionError(errno.EACCES, 'Permission denied', str(path))
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', deny)
    with pytest.raises(DataError, match=f"^No permission to read '{folder}/b'"):
        list(opened(folder))


def test_what_is_unusual_about_an_archive_is_noted(archive):
    archive.write_bytes(archive.read_bytes() + b'x' * 512)
    notes = []
    members = open_stream([str(archive)], IMAGES, notes.append).order().epoch(0)
    assert len(list(members)) == 24
    assert len(notes) == 1 and 'is followed by bytes that are not a tar header' in notes[0]


def test_one_member_of_an_archive_on_a_server(web):
    """The colon that follows the archive's suffix, or its query, ends the URL."""
    web.put('/a.tar', tar_bytes({'n/1.png': PNG, 'n/2.png': PNG[::-1]}))
    for place in (f'{web.address}/a.tar:n/1.png', f'{web.address}/a.tar?token=3:n/1.png'):
        member = read_example(place, IMAGES)
        assert (member.name, member.data) == ('n/1.png', PNG)
    web.put('/n/2.png', PNG)
    member = read_example(f'{web.address}/n/2.png', IMAGES)
    assert (member.data, member.label) == (PNG, 'n')
