"""Sources of archives: files, globs, pipes, standard input ('-'), and URLs that TensorFlow can read."""

import glob
import io
import os
import shlex
import stat
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.base.regular_files import why_unread
from estimator_lab.errors import DataError

STDIN = '-'

_BUFFER_BYTES = 2**17
_SAMPLED_BYTES = 2**12
_WEB = ('http://', 'https://')


class Stamp(NamedTuple):
    """By which changes of an archive are detected: its size in bytes and modification time in nanoseconds."""

    size: int
    mtime_ns: int


def expand_archives(patterns: Sequence[str], say: Callable[[str], None] = lambda line: None) -> list[str]:
    """Expands paths and globs (also several in one string, split at commas) into a list of archives.

    Patterns keep their order, the matches of one glob are sorted, and duplicates are dropped. '-' is
    standard input; paths with a scheme, such as 'gs://bucket/*.tar', are read by `tf.io.gfile`. `say` gets a
    line about an archive that is named twice.

    Raises:
      DataError: a pattern matches nothing, or none is given.
    """
    named = [part.strip() for pattern in patterns for part in pattern.split(',') if part.strip()]
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


def is_url(archive: str) -> bool:
    """Whether `tf.io.gfile` has to open it."""
    return '://' in archive


def is_web(archive: str) -> bool:
    """Whether it is a web address, which is not supported."""
    return archive.lower().startswith(_WEB)


def is_pipe(archive: str) -> bool:
    """Whether it can be read only once: standard input, a FIFO or a device."""
    if archive == STDIN:
        return True
    try:
        return not is_url(archive) and not _is_stored(Path(archive).stat().st_mode)
    except (OSError, ValueError):
        return False


def stamp_of(archive: str) -> Stamp | None:
    """Returns the stamp of a stored archive, None for a pipe.

    Raises:
      DataError: it can't be read.
    """
    if is_pipe(archive):
        return None
    try:
        if is_url(archive):
            status = _gfile('stat', archive)
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
        if is_url(archive):
            return io.BufferedReader(_UrlFile(archive), _BUFFER_BYTES)
        return io.BufferedReader(io.FileIO(archive), _BUFFER_BYTES)
    except (OSError, ValueError) as error:
        raise DataError(why_unreadable(archive, error)) from error


def why_unreadable(archive: str, error: Exception) -> str:
    """Returns the message for an OSError or ValueError at reading an archive."""
    if isinstance(error, FileNotFoundError):
        return f'There is no file {archive!r}.'
    if isinstance(error, IsADirectoryError):
        return f'{archive!r} is a folder, not a tar archive.'
    if isinstance(error, PermissionError):
        return f'No permission to read {archive!r}.'
    return f'{archive!r} cannot be read: {why_unread(error)}.'


class _UrlFile(io.RawIOBase):
    """A file of `tf.io.gfile` as a raw binary file that raises OSErrors."""

    _file: Any = None

    def __init__(self, url: str) -> None:
        _gfile('stat', url)  # GFile raises its errors only at the first read
        self._file = _gfile('GFile', url, 'rb')

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = _call(self._file.read, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        _call(self._file.seek, offset, whence)
        return self.tell()

    def tell(self) -> int:
        return int(_call(self._file.tell))

    def close(self) -> None:
        if self._file:
            self._file.close()
        super().close()


def _gfile(name: str, *arguments: Any) -> Any:
    from estimator_lab.tf1 import tf  # takes seconds, and only URLs need it

    return _call(getattr(tf.io.gfile, name), *arguments)


def _call(function: Any, *arguments: Any) -> Any:
    from estimator_lab.tf1 import tf

    try:
        return function(*arguments)
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(error.message) from error
    except tf.errors.PermissionDeniedError as error:
        raise PermissionError(error.message) from error
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def _is_stored(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)  # a folder gets its own message when it is opened


def _matches(pattern: str) -> list[str]:
    if pattern == STDIN:
        return [pattern]
    if is_web(pattern):
        raise DataError(
            f'{pattern!r} cannot be read over the web: download it, or pipe it in.',
            data=f'Such as `curl -sL {shlex.quote(pattern)} | ... --data=-`.',
        )
    if is_url(pattern):
        return _url_matches(pattern)
    if pattern.startswith('~/') and not os.path.lexists(pattern):
        pattern = str(Path(pattern).expanduser())
    if os.path.lexists(pattern):  # first, as 'photos[1].tar' is a file name as well as a glob
        return [pattern]
    if not glob.has_magic(pattern):
        raise DataError(f'There is no file {pattern!r}.')
    if found := sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - `Path.glob` takes no absolute pattern
        return found
    raise DataError(f'No file matches {pattern!r}.')


def _url_matches(pattern: str) -> list[str]:
    try:
        found = [pattern] if _gfile('exists', pattern) else sorted(_gfile('glob', pattern))
    except (OSError, ValueError) as error:
        raise DataError(why_unreadable(pattern, error)) from error
    if not found:
        raise DataError(f'No file matches {pattern!r}.')
    return found
