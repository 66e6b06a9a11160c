"""Files that appear whole or not at all: the order of system calls, and what is there after an error."""

import os
from pathlib import Path

import pytest

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


def test_nothing_is_written_through_a_link(tmp_path):
    precious, path = tmp_path / 'precious', tmp_path / 'file'
    precious.write_bytes(b'mine')
    for link in (path, tmp_path / f'.file.{os.getpid()}.partial'):
        link.symlink_to(precious)
    write(path, b'new')
    assert precious.read_bytes() == b'mine' and path.read_bytes() == b'new' and not path.is_symlink()
