"""Files that appear whole or not at all: the order of system calls, and what is there after an error."""

import os
from pathlib import Path

import pytest

from estimator_lab.base import files
from estimator_lab.base.errors import DataError
from estimator_lab.base.files import whole_file

pytestmark = pytest.mark.once


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
