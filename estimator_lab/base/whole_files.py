"""Files that appear whole or not at all, also after a power loss."""

import filecmp
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from estimator_lab.base.errors import DataError


@contextmanager
def whole_file(path: Path, replaces: bool = True) -> Iterator[BinaryIO]:
    """Yields a new file with a hidden temporary name in the same folder; renames it when the block succeeds.

    If the block fails, the file is removed, and an existing one stays. Bytes and name are synced to disk.

    Raises:
      DataError: another file is there that must not be replaced.
      OSError: it can't be written.
    """
    partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
    partial.unlink(missing_ok=True)
    try:
        with partial.open('xb') as file:  # never through a link
            yield file
        if not replaces and os.path.lexists(path) and not _are_equal(partial, path):
            raise DataError(f'{path} exists already and differs: name another folder.')
        move_whole(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def move_whole(partial: Path, path: Path) -> None:
    """Renames a finished file, such that not even a power loss leaves a part of it under its new name.

    Raises:
      OSError: it can't be renamed.
    """
    with partial.open('rb') as file:
        sync(file)
    partial.replace(path)
    sync_folder(path.parent)


def sync(file: BinaryIO) -> None:
    """Writes what is buffered of a file to disk.

    Raises:
      OSError: it can't be written.
    """
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Writes the names of a folder's files to disk, where its file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some file systems sync no folders
        pass
    finally:
        os.close(descriptor)


def _are_equal(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)
