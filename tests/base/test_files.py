"""Files that appear whole or not at all: the order of system calls, and what is there after an error."""

import errno
import os
from pathlib import Path
from unittest import mock

import pytest

from estimator_lab.base import files
from estimator_lab.base.errors import DataError
from estimator_lab.base.files import (
    all_below,
    in_subfolders,
    keep_unfinished,
    listed,
    sync_folder,
    whole_file,
    why_unread,
)


def write(path, data, **options):
    with whole_file(path, **options) as file:
        file.write(data)


def test_bytes_are_synced_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    path, calls = tmp_path / 'file', []
    fsync, replace = os.fsync, Path.replace

    def recorded_sync(descriptor):
        calls.append(Path(f'/proc/self/fd/{descriptor}').readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', recorded_sync)
    monkeypatch.setattr(Path, 'replace', lambda self, to: calls.append(to) or replace(self, to))
    write(path, b'new')
    partial, renamed, folder = calls
    assert partial.parent == folder == tmp_path and partial.name.startswith('.file.')
    assert renamed == path and path.read_bytes() == b'new'


def test_an_error_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / 'file'
    path.write_bytes(b'old')
    with pytest.raises(TypeError):
        write(path, 'no bytes')
    with pytest.raises(IsADirectoryError):
        write(tmp_path, b'new')
    monkeypatch.setattr(os, 'fsync', lambda descriptor: Path('/gone').stat())
    with pytest.raises(FileNotFoundError):
        write(path, b'new')
    assert [entry.name for entry in tmp_path.iterdir()] == ['file'] and path.read_bytes() == b'old'


def test_a_file_with_other_bytes_may_stay(tmp_path):
    path = tmp_path / 'file'
    for _ in range(2):
        write(path, b'old', replaces=False)
    with pytest.raises(DataError, match='file exists already and differs: name another folder'):
        write(path, b'new', replaces=False)
    assert path.read_bytes() == b'old'
    write(path, b'new')
    assert path.read_bytes() == b'new'


def test_nothing_is_written_through_a_link(tmp_path, monkeypatch):
    precious, path = tmp_path / 'precious', tmp_path / 'file'
    precious.write_bytes(b'mine')
    monkeypatch.setattr(files.secrets, 'token_hex', lambda count: 'x')
    path.symlink_to(precious)
    (tmp_path / '.file.x.partial').symlink_to(precious)
    with pytest.raises(FileExistsError):
        write(path, b'new')
    monkeypatch.undo()
    write(path, b'new')
    assert precious.read_bytes() == b'mine' and path.read_bytes() == b'new' and not path.is_symlink()


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / 'file'
    with whole_file(path) as first:
        first.write(b'first')
        write(path, b'second')
        assert path.read_bytes() == b'second'
    assert path.read_bytes() == b'first' and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize('umask', [0o022, 0o077, 0o002])
def test_it_has_the_permissions_of_any_new_file(tmp_path, umask):
    before = os.umask(umask)
    try:
        write(tmp_path / 'file', b'')
    finally:
        os.umask(before)
    assert (tmp_path / 'file').stat().st_mode & 0o777 == 0o666 & ~umask


def test_what_a_killed_writer_left_is_removed_when_it_is_old(tmp_path):
    names = ['.file.1.partial', '.file.2.partial', '.other.1.partial', '.file.1.mine']
    for name in names:
        (tmp_path / name).write_bytes(b'left')
        if '2' not in name:
            os.utime(tmp_path / name, (0, 0))
    write(tmp_path / 'file', b'new')
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(['file', *names[1:]])


def refused(call, *names, error=errno.EIO):
    """Returns a function that fails for paths that end in one of these names."""

    def fail(path, *args, **options):
        if str(path).endswith(names):
            raise OSError(error, os.strerror(error), str(path))
        return call(path, *args, **options)

    return fail


def test_a_folder_is_listed(tmp_path):
    for name in ('b.txt', 'a.txt', '.c.txt', 'd', 'lost+found'):
        (tmp_path / name).touch()
    assert [path.name for path in listed(tmp_path)] == ['.c.txt', 'a.txt', 'b.txt', 'd']
    assert listed(tmp_path, '[ab].txt') == [tmp_path / 'a.txt', tmp_path / 'b.txt']
    assert listed(tmp_path / 'none') == listed(tmp_path / 'd') == []


def test_all_paths_below_a_folder(tmp_path):
    (tmp_path / 'a' / 'b').mkdir(parents=True)
    (tmp_path / 'a' / 'b' / 'file').touch()
    (tmp_path / 'a' / 'b' / 'up').symlink_to(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in all_below(tmp_path)} == {
        *('a', 'a/b', 'a/b/file', 'a/b/up')
    }
    assert in_subfolders(tmp_path, 'b') == [tmp_path / 'a' / 'b']
    assert in_subfolders(tmp_path / 'a' / 'b', 'file') == []  # nor through the file, nor without end
    deep = tmp_path
    for _ in range(1500):  # more than Python's limit of recursion
        deep /= 'x'
        deep.mkdir()
    found = set(all_below(tmp_path))
    os.removedirs(deep)  # pytest could not, when it clears old folders: before Python 3.13, by recursion
    assert deep in found


@pytest.mark.parametrize('error', [errno.EIO, errno.EMFILE, errno.EACCES])
def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path, monkeypatch, error):
    (tmp_path / 'a' / 'b').mkdir(parents=True)
    monkeypatch.setattr(Path, 'iterdir', refused(Path.iterdir, '/b', error=error))
    for call in (lambda: listed(tmp_path / 'a' / 'b'), lambda: list(all_below(tmp_path))):
        with pytest.raises(DataError, match=rf'/a/b cannot be read: {os.strerror(error)}\.$'):
            call()


def test_a_path_whose_status_is_unknown_is_not_absent(tmp_path, monkeypatch):
    (tmp_path / 'a' / 'b').mkdir(parents=True)
    monkeypatch.setattr(Path, 'stat', refused(Path.stat, '/b'))
    for call in (lambda: in_subfolders(tmp_path, 'b'), lambda: list(all_below(tmp_path))):
        with pytest.raises(DataError, match=r'/a/b cannot be read: Input/output error\.$'):
            call()


def test_a_folder_is_synced_where_its_file_system_can(tmp_path, monkeypatch):
    fsync = mock.Mock(side_effect=OSError(errno.EINVAL, 'Invalid argument'))
    monkeypatch.setattr(os, 'fsync', fsync)
    sync_folder(tmp_path)
    fsync.side_effect = OSError(errno.EIO, 'Input/output error')
    with pytest.raises(OSError, match='Input/output error'):
        sync_folder(tmp_path)


def test_unfinished_files_replace_none_before_them(tmp_path):
    for content, name in (('one', 'x.csv.unfinished'), ('two', 'x.csv.unfinished-2')):
        (tmp_path / 'partial').write_text(content)
        assert keep_unfinished(tmp_path / 'partial', tmp_path / 'x.csv') == tmp_path / name
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        'x.csv.unfinished': 'one',
        'x.csv.unfinished-2': 'two',
    }


@pytest.mark.parametrize(
    ('error', 'words'),
    [
        (UnicodeDecodeError('utf-8', b'x', 0, 1, 'invalid'), 'it is not a text file in UTF-8'),
        (PermissionError(13, 'Permission denied', 'x'), 'Permission denied'),
        (OSError('cannot\nread it.'), 'cannot read it'),
        (ValueError('not a number.'), 'not a number'),
    ],
)
def test_why_a_file_cannot_be_read(error, words):
    assert why_unread(error) == words
