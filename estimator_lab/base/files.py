"""Reads regular files only, as opening a pipe could block forever, and writes files whole or not at all.

Lists folders so that one that can't be listed is not taken for an empty one, as `Path.glob` would.
"""

import contextlib
import errno
import filecmp
import fnmatch
import itertools
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from estimator_lab.base.errors import DataError

_PARTIAL = '.partial'
_ABANDONED_SECONDS = 86_400.0  # no writer is silent for so long
_LOST_AND_FOUND = 'lost+found'
_SYNCS_NO_FOLDERS = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


def at_home(path: str) -> str:
    """Returns a path with the user's home folder in place of a leading '~/', if there is one."""
    return os.path.expanduser(path) if path.startswith('~/') else path  # noqa: PTH111 - keeps a '/' at the end


@contextlib.contextmanager
def open_regular(path: Path, most_bytes: int | None = None) -> Iterator[BinaryIO]:
    """Yields a regular file, or what a link to one leads to, opened for reading.

    Raises:
      OSError: it can't be opened.
      ValueError: it is a pipe, a device or a folder, or larger than `most_bytes`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError('it is not a regular file')
        if most_bytes is not None and status.st_size > most_bytes:
            raise ValueError(f'it has {status.st_size:,} bytes, {most_bytes:,} are allowed')
        with open(descriptor, 'rb', closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_regular(path: Path, most_bytes: int) -> bytes:
    """Returns the bytes of a regular file; raises as `open_regular` does."""
    with open_regular(path, most_bytes) as file:
        return file.read(os.fstat(file.fileno()).st_size)


def why_unread(error: BaseException) -> str:
    """Returns why a file can't be read, as the end of a sentence, without error number and file name."""
    if isinstance(error, UnicodeDecodeError):
        return 'it is not a text file in UTF-8'
    reason = error.strerror if isinstance(error, OSError) else ''
    return ' '.join((reason or str(error)).split()).rstrip('.')


def listed(folder: Path, pattern: str = '*') -> list[Path]:
    """Returns the paths in a folder whose names match a pattern, sorted; [] if there is no such folder.

    The folder lost+found of a file system is left out: only root may list it.

    Raises:
      DataError: the folder can't be listed.
    """
    paths: list[Path] = []
    with _listing(folder), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        paths = sorted(folder.iterdir())
    return [path for path in paths if fnmatch.fnmatch(path.name, pattern) and path.name != _LOST_AND_FOUND]


def is_there(path: Path) -> bool:
    """Returns whether there is a file, a folder or a link of that name.

    Raises:
      DataError: a folder on the way can't be entered.
    """
    with _listing(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.lstat()
        return True
    return False


def in_subfolders(folder: Path, name: str) -> list[Path]:
    """Returns the paths FOLDER/*/NAME that exist, sorted.

    Raises:
      DataError: the folder can't be listed, or a folder in it can't be entered.
    """
    with _listing(folder):
        return [path for inner in listed(folder) if (path := inner / name).exists()]


def all_below(folder: Path) -> Iterator[Path]:
    """Yields the paths below a folder at any depth; folders behind links are not entered.

    Raises:
      DataError: a folder can't be listed.
    """
    folders = [folder]
    while folders:
        for path in listed(folders.pop()):
            yield path
            if is_own_folder(path):
                folders.append(path)


def is_own_folder(path: Path) -> bool:
    """Returns whether a path is a folder rather than a link to one.

    Raises:
      DataError: that can't be seen.
    """
    with _listing(path):
        return path.is_dir() and not path.is_symlink()


@contextlib.contextmanager
def _listing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or folder
        raise DataError(f'{place} cannot be read: {why_unread(error)}.') from error


@contextlib.contextmanager
def whole_file(
    path: Path, replaces: bool = True, keep: Callable[[Path], None] = lambda partial: None
) -> Iterator[BinaryIO]:
    """Yields a new file with a hidden temporary name in the same folder; renames it when the block succeeds.

    If the block fails, the file is removed, and an existing one stays. Bytes and name are synced to disk. Any
    number of threads and processes may write the same file: each writes its own, and the last one to succeed
    stays. What a killed process left is removed a day later, when the same file is written again.

    Args:
      path: of the file.
      replaces: whether it may replace a file with other bytes.
      keep: called with the path of the unfinished file if the block fails; may move it away.

    Raises:
      DataError: another file is there that must not be replaced.
      OSError: it can't be written.
    """
    _remove_abandoned(path)
    # Not by number of the process, which is the same in two containers that share a disk; and not by
    # `tempfile`, whose files nobody else may read.
    partial = path.with_name(f'.{path.name}.{secrets.token_hex(8)}{_PARTIAL}')
    try:
        with partial.open('xb') as file:  # never through a link
            try:
                yield file
            except BaseException:
                keep(partial)
                raise
        if not replaces and os.path.lexists(path) and not _are_equal(partial, path):
            raise DataError(f'{path} exists already and differs: name another folder.')
        move_whole(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _remove_abandoned(path: Path) -> None:
    """Removes temporary files of `path` to which nothing was written for a day."""
    begins, before = f'.{path.name}.', time.time() - _ABANDONED_SECONDS
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:  # it only saves space
        for entry in entries:
            is_partial = entry.name.startswith(begins) and entry.name.endswith(_PARTIAL)
            if is_partial and entry.stat(follow_symlinks=False).st_mtime < before:
                Path(entry).unlink()


def partials_of(path: Path) -> list[Path]:
    """Returns the temporary files of processes that write `path` now, or were killed while they did."""
    return [each for each in listed(path.parent, f'.*{_PARTIAL}') if each.name.startswith(f'.{path.name}.')]


def keep_unfinished(partial: Path, path: Path) -> Path:
    """Moves an unfinished file to PATH.unfinished, or PATH.unfinished-2 and so on if that exists; returns it.

    Raises:
      OSError: it can't be moved.
    """
    for number in itertools.count(1):
        kept = path.with_name(f'{path.name}.unfinished{f"-{number}" if number > 1 else ""}')
        with contextlib.suppress(FileExistsError):
            kept.open('xb').close()  # takes the name, also from other processes
            partial.replace(kept)
            return kept
    raise AssertionError


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
    """Writes the names of a folder's files to disk, where its file system can.

    Raises:
      OSError: they can't be written.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _SYNCS_NO_FOLDERS:
            raise
    finally:
        os.close(descriptor)


def _are_equal(path: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(path, other, shallow=False)
