"""Sources of archives: files, globs, pipes, standard input ('-'), commands, and URLs."""

import glob
import io
import os
import stat
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from estimator_lab.base.regular_files import why_unread
from estimator_lab.base.urls import is_web
from estimator_lab.data.storage import gfile
from estimator_lab.data.storage.commands import CommandFile, check_allowed
from estimator_lab.data.storage.failures import MissingError, RemoteError
from estimator_lab.data.storage.files import open_remote
from estimator_lab.data.storage.names import (
    STDIN,
    is_command,
    is_url,
    publish,
    shown_name,
)
from estimator_lab.data.storage.packages import uses_fsspec
from estimator_lab.data.storage.readers import reader_of
from estimator_lab.data.tar.braces import expand_braces, split_names
from estimator_lab.errors import DataError

_BUFFER_BYTES = 2**17
_SAMPLED_BYTES = 2**12


class Stamp(NamedTuple):
    """By which changes of an archive are detected.

    Attributes:
      size: of the archive in bytes.
      mtime_ns: its modification time in nanoseconds; of a file elsewhere, a number made of its ETag.
    """

    size: int
    mtime_ns: int


def expand_archives(patterns: Sequence[str], say: Callable[[str], None] = lambda line: None) -> list[str]:
    """Expands paths and globs (also several in one string, split at commas) into a list of archives.

    Patterns keep their order, the matches of one glob are sorted, and duplicates are dropped. '-' is
    standard input, 'pipe:...' the output of a command, and 'a-{000..146}.tar' is 147 names. URLs and commands
    are returned by their public names (see `storage.names`), which have no credentials. `say` gets a line
    about an archive that is named twice.

    Raises:
      DataError: a pattern matches nothing, or none is given.
    """
    named = split_names(list(patterns))
    if not named:
        raise DataError('No archive is given: name at least one tar archive or folder.')
    return expand_paths(named, say)


def expand_paths(patterns: Sequence[str], say: Callable[[str], None] = lambda line: None) -> list[str]:
    """Expands paths and globs that may hold commas, as `expand_archives` does.

    Raises:
      DataError: a pattern matches nothing.
    """
    try:
        found = [path for pattern in patterns for path in _matches(pattern)]
    except DataError as error:
        whole = ','.join(patterns)
        if len(patterns) > 1 and os.path.lexists(whole):
            raise DataError(
                f'{whole!r} is read as several names separated by commas: name the one file by a glob, '
                f'{whole.replace(",", "?")!r}.'
            ) from error
        raise
    times = Counter(found)  # in the order of their first occurrence
    twice = next((path for path in times if times[path] > 1), None)
    if twice is not None:
        say(f'{twice!r} is named more than once, and read once.')
    return list(times)


def is_read_once(archive: str) -> bool:
    """Whether it can't be opened again: standard input, a FIFO or a device."""
    return not is_command(archive) and is_pipe(archive)


def is_pipe(archive: str) -> bool:
    """Whether it can be read from its beginning only, without an index: standard input, a FIFO, a command."""
    if archive == STDIN or is_command(archive):
        return True
    try:
        return not is_url(archive) and not _is_stored(Path(archive).stat().st_mode)
    except (OSError, ValueError):
        return False


def is_elsewhere(archive: str) -> bool:
    """Whether it is a URL that fsspec reads.

    Raises:
      DataError: a package for it is missing.
    """
    return is_url(archive) and uses_fsspec(archive)


def stamp_of(archive: str) -> Stamp | None:
    """Returns the stamp of a stored archive, None for a pipe.

    Raises:
      DataError: it can't be read.
    """
    if is_pipe(archive):
        return None
    try:
        if is_elsewhere(archive):
            remote = open_remote(archive, again=True)
            return Stamp(remote.size, remote.version)
        if is_url(archive):
            status = gfile.call('stat', archive)
            return Stamp(status.length, status.mtime_nsec)
        found = Path(archive).stat()
        return Stamp(found.st_size, found.st_mtime_ns)
    except (OSError, ValueError) as error:
        raise DataError(why_unreadable(archive, error)) from error


def sample_of(archive: str) -> int:
    """Returns the CRC-32 of the first, the middle and the last bytes of a file.

    A gzip or bzip2 stream, and a block of xz, ends with a checksum of its contents. A change in an earlier
    stream or block of the same file is detected only if it is among these bytes.

    Raises:
      DataError: it can't be read.
    """
    try:
        with Path(archive).open('rb') as file:
            size, checksum = os.fstat(file.fileno()).st_size, 0
            for start in (0, size // 2, max(size - _SAMPLED_BYTES, 0)):
                file.seek(start)
                checksum = zlib.crc32(file.read(_SAMPLED_BYTES), checksum)
            return checksum
    except (OSError, ValueError) as error:
        raise DataError(why_unreadable(archive, error)) from error


def open_archive(archive: str) -> io.BufferedReader:
    """Opens an archive for reading bytes; the caller closes it.

    Raises:
      DataError: it can't be opened.
    """
    try:
        if archive == STDIN:
            return io.BufferedReader(io.FileIO(0, closefd=False), _BUFFER_BYTES)
        if is_command(archive):
            return io.BufferedReader(CommandFile(archive), _BUFFER_BYTES)
        if is_elsewhere(archive):
            return io.BufferedReader(reader_of(open_remote(archive)), _BUFFER_BYTES)
        if is_url(archive):
            return io.BufferedReader(gfile.GFile(archive), _BUFFER_BYTES)
        return io.BufferedReader(io.FileIO(archive), _BUFFER_BYTES)
    except (OSError, ValueError) as error:
        raise DataError(why_unreadable(archive, error)) from error


def why_unreadable(archive: str, error: Exception) -> str:
    """Returns the message for an OSError or ValueError at reading an archive."""
    if isinstance(error, RemoteError) and not isinstance(error, MissingError):
        return f'{archive!r} cannot be read: {error.strerror}.'
    if isinstance(error, FileNotFoundError):
        return f'There is no file {archive!r}.'
    if isinstance(error, IsADirectoryError):
        return f'{archive!r} is a folder, not a tar archive.'
    if isinstance(error, PermissionError):
        return f'No permission to read {archive!r}.'
    return f'{archive!r} cannot be read: {why_unread(error)}.'


def _is_stored(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)  # a folder gets its own message when it is opened


def _matches(pattern: str) -> list[str]:
    if pattern == STDIN or os.path.lexists(pattern):  # 'photos[1].tar' is a file name as well as a glob
        return [pattern]
    return [path for name in expand_braces(pattern) for path in _matches_of_one(name)]


def _matches_of_one(pattern: str) -> list[str]:
    if is_command(pattern):
        check_allowed(pattern)
        return [publish(pattern)]
    if is_url(pattern):
        return [publish(url) for url in _url_matches(pattern)]
    if pattern.startswith('~/') and not os.path.lexists(pattern):
        pattern = str(Path(pattern).expanduser())
    if os.path.lexists(pattern):
        return [pattern]
    if not glob.has_magic(pattern):
        raise DataError(f'There is no file {pattern!r}.')
    if found := sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - `Path.glob` takes no absolute pattern
        return found
    raise DataError(f'No file matches {pattern!r}.')


def _url_matches(pattern: str) -> list[str]:
    """Returns the URLs that match a glob; a web address, whose '?' begins a query, may have '*' only."""
    shown = shown_name(pattern)
    try:
        if not uses_fsspec(pattern):
            found = [pattern] if gfile.call('exists', pattern) else sorted(gfile.call('glob', pattern))
        elif '*' in pattern.partition('?')[0] or (not is_web(pattern) and glob.has_magic(pattern)):
            from estimator_lab.data.storage.object_store import matches

            found = matches(pattern)
        else:
            found = [pattern]  # whether it is there is seen when it is opened
    except (OSError, ValueError) as error:
        raise DataError(why_unreadable(shown, error)) from error
    if not found:
        raise DataError(f'No file matches {shown!r}.')
    return found
