"""What a user names, as sources: files, folders, globs, URLs, and standard input ('-')."""

import bz2
import contextlib
import glob
import gzip
import io
import lzma
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.base.errors import DataError
from estimator_lab.base.files import at_home, is_own_folder, is_there, listed, why_unread
from estimator_lab.base.keys import RECORD
from estimator_lab.base.urls import is_web, shown_url
from estimator_lab.data.examples.labels import LabelTable
from estimator_lab.data.sources import remote
from estimator_lab.data.sources.files import matches_below, missing_shard

STDIN = '-'
BUFFER_BYTES = 2**17
MAGIC_BYTES = 16
"""First bytes of a file by which compression is recognised."""

_MOST_NAMES = 100_000
_RANGE = re.compile(r'(\d+)\.\.(\d+)')
_GROUP = re.compile(r'\{((?:\d+\.\.\d+)|[^{}]*,[^{}]*)\}')
_ONE_SLASH = re.compile(r'[A-Za-z][\w+.-]+:/(?!/)')
_ITEM = re.compile(r'(?:\{[^{}]*\}|[^,])+')
_XZ_BYTES = 300 * 2**20  # of memory, for a dictionary of 256 MiB; `xz -9` has 64
# As long as in `tarfile`: a plain tar may begin with the folder name 'BZhang'.
_COMPRESSIONS: list[tuple[re.Pattern[bytes], Callable[[Any], Any]]] = [
    (re.compile(rb'\x1f\x8b\x08'), lambda file: gzip.GzipFile(fileobj=file)),
    (re.compile(rb'BZh.(1AY&SY|\x17rE8P\x90)', re.DOTALL), bz2.BZ2File),
    (re.compile(rb'\xfd7zXZ|\x5d\x00\x00\x80'), lambda file: _XzFile(file)),
]
if sys.version_info >= (3, 14):
    from compression.zstd import ZstdFile

    _COMPRESSIONS.append((re.compile(rb'\x28\xb5\x2f\xfd'), ZstdFile))

_TOGETHER = 512  # bytes, the first block of an archive
_PIECE = 2**20  # bytes that are decompressed at once: a thousand may come of each that is read


class DamagedError(OSError):
    """A compressed file is damaged; `strerror` is the reason as a clause."""


class CutOffError(DamagedError, EOFError):
    """A compressed file ends too early."""


class Stamp(NamedTuple):
    """By which changes of a source are noticed.

    Attributes:
      size: of the source in bytes.
      version: of a file its modification time, in ns; of a remote one made of its ETag.
      inode: of a file.
    """

    size: int
    version: str
    inode: int = 0


class Source(NamedTuple):
    """A file, a folder, a URL or a pipe.

    Attributes:
      name: that is shown, stored and part of keys: without credentials; a folder's ends in a slash.
      url: the same as it is opened.
      table: of the labels; None if they come from folders, lines, or files next to the examples.
    """

    name: str
    url: str
    table: LabelTable | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def is_remote(self) -> bool:
        """Whether it is a URL."""
        return '://' in self.url

    @property
    def is_folder(self) -> bool:
        """Whether it is a local folder."""
        return self.name.endswith('/') and not self.is_remote

    @property
    def is_pipe(self) -> bool:
        """Whether it can be read only once: standard input, a FIFO or a device."""
        if self.is_remote or self.url == STDIN:
            return not self.is_remote
        try:
            mode = Path(self.url).stat().st_mode
        except (OSError, ValueError):
            return False
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))  # opening a folder says what is wrong

    def stamp(self, again: bool = False) -> Stamp:
        """Returns the stamp of a stored file.

        Raises:
          DataError: it can't be read.
        """
        with errors_naming(self.name):
            if self.is_remote:
                file = remote.open_remote(self.url, again)
                return Stamp(file.size, file.version)
            found = Path(self.url).stat()
            return Stamp(found.st_size, f'{found.st_mtime_ns}', found.st_ino)

    def open(self) -> io.BufferedReader:
        """Opens it for reading bytes; the caller closes it.

        Raises:
          DataError: it can't be opened.
        """
        with errors_naming(self.name):
            if self.is_remote:
                return io.BufferedReader(remote.open_remote(self.url).reader(), BUFFER_BYTES)
            if self.url == STDIN and sys.__stdin__ is None:  # its descriptor may be another file by now
                raise DataError('Standard input is closed: pipe an archive in, or name one.')
            file = io.FileIO(0, closefd=False) if self.url == STDIN else io.FileIO(self.url)
            return io.BufferedReader(_Piped(file) if self.is_pipe else file, BUFFER_BYTES)


def decompressed(file: io.BufferedReader) -> io.BufferedReader:
    """Returns the contents of a file that begins as a compressed one, and any other file itself.

    Reading it raises DamagedError for damaged data, and OSError where the file can't be read.

    Raises:
      OSError: the file can't be read.
    """
    opener = decompressor(file.peek(MAGIC_BYTES)[:MAGIC_BYTES])
    return io.BufferedReader(_Pieces(opener(file)), BUFFER_BYTES) if opener else file


def decompressor(head: bytes) -> Callable[[Any], Any] | None:
    """Returns what decompresses a file with these first MAGIC_BYTES; None if it is not compressed."""
    return next((opener for magic, opener in _COMPRESSIONS if magic.match(head)), None)


class OpenedPipe(Source):
    """A pipe that is open, as its first bytes have to be looked at."""

    _file: io.BufferedReader

    def __new__(cls, source: Source) -> 'OpenedPipe':
        """Opens a pipe."""
        made = super().__new__(cls, *source)
        made._file = source.open()
        return made

    def open(self) -> io.BufferedReader:
        """See `Source.open`."""
        return self._file


class _Piped(io.RawIOBase):
    """A pipe; its first read returns some bytes together, by which its contents are recognised."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view, read = memoryview(buffer), 0
        while read < min(len(view), _TOGETHER) and (count := self._file.readinto(view[read:])):
            read += count
        return read

    def close(self) -> None:
        self._file.close()
        super().close()


class _Pieces(io.RawIOBase):
    """A decompressed file that hands over what there is before an error, instead of filling a buffer.

    The errors of all decompressors, which are of many types, become a DamagedError.
    """

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data: bytes = self._file.read1(min(len(buffer), _PIECE))
        except Exception as error:
            if getattr(error, 'strerror', None):  # the file itself can't be read
                raise
            kind = CutOffError if isinstance(error, EOFError) else DamagedError
            raise kind(None, f'{error}' or type(error).__name__) from error
        buffer[: len(data)] = data
        return len(data)


class _XzFile:
    """A file of xz streams, as `lzma.LZMAFile` reads it, but with a limit for the memory of a dictionary."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._stream = lzma.LZMADecompressor(memlimit=_XZ_BYTES)
        self._is_done = False

    def read1(self, most: int) -> bytes:
        """Returns up to `most` bytes; none at the end."""
        data = b''
        while not (data or self._is_done):
            is_next = self._stream.eof
            packed = self._stream.unused_data
            if is_next:
                self._stream = lzma.LZMADecompressor(memlimit=_XZ_BYTES)
            if not packed and self._stream.needs_input:
                packed = self._file.read1(BUFFER_BYTES)
                if not packed and not is_next:
                    raise EOFError('Compressed file ended before the end-of-stream marker was reached')
            try:
                data = self._stream.decompress(packed, most)
            except lzma.LZMAError:
                if not is_next:
                    raise
                self._is_done = True  # padding, or bytes of something else, follow the last stream
            self._is_done |= is_next and not packed
        return data


def expand(
    patterns: Sequence[str | Source],
    say: Callable[[str], None] = lambda line: None,
    commas: bool = True,
    table: LabelTable | None = None,
) -> list[Source]:
    """Expands paths, globs and URLs into sources.

    Patterns keep their order, the matches of one glob are sorted, and duplicates are dropped. '-' is standard
    input, and 'a-{000..146}.tar' is 147 names. `say` gets a line about a source that is named twice.

    A pattern that is not the name of a file may be several, separated by `commas`; a `Source` stands for
    itself. Labels come from `table`, unless it is None.

    Raises:
      DataError: a pattern matches nothing, or none is given; a folder holds a trained model.
    """
    sources = {pattern.name: pattern for pattern in patterns if isinstance(pattern, Source)}
    found: Counter[str] = Counter()  # in the order of their first occurrence
    for pattern in patterns:
        if not isinstance(pattern, Source):
            is_one = not commas or os.path.lexists(pattern)
            for item in [pattern] if is_one else filter(None, map(str.strip, _ITEM.findall(pattern))):
                found.update(_matches(item))
    if not sources and not found:
        raise DataError('No archive is given: name at least one tar archive or folder.')
    for url, count in found.items():
        name = shown = _shown(url)
        number = 1
        while name in sources:  # the same file, but for credentials
            number += 1
            name = f'{shown}#{number}'
        if name.endswith('/') and '://' not in url and Path(url, RECORD).is_file():
            raise DataError(f'{name!r} holds a trained model ({RECORD}), not examples: name another folder.')
        sources[name] = Source(name, url, table)
        if count > 1:
            say(f'{name!r} is named more than once, and read once.')
    return list(sources.values())


def source_of(path: str | Path) -> Source:
    """Returns the source at one path or URL."""
    return Source(_shown(str(path)), str(path))


@contextlib.contextmanager
def errors_naming(name: str) -> Iterator[None]:
    """Turns an OSError or ValueError of the block, which reads a source, into a DataError with its name."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise DataError(why_unreadable(name, error)) from error


def why_unreadable(name: str, error: Exception) -> str:
    """Returns the message for an OSError or ValueError at reading a source."""
    if isinstance(error, remote.RemoteError):
        return f'{name!r} cannot be read: {error.strerror}.'
    if isinstance(error, FileNotFoundError):
        return f'There is no file {name!r}.'
    if isinstance(error, IsADirectoryError):
        return f'{name!r} is a folder, not a tar archive.'
    if isinstance(error, PermissionError):
        return f'No permission to read {name!r}.'
    return f'{name!r} cannot be read: {why_unread(error)}.'


def _shown(url: str) -> str:
    if '://' in url:
        return shown_url(url)
    try:
        is_folder = url != STDIN and Path(url).is_dir()
    except (OSError, ValueError):
        is_folder = False
    return f'{url.rstrip("/")}/' if is_folder else url


def _matches(pattern: str) -> list[str]:
    if pattern == STDIN or os.path.lexists(pattern):  # 'photos[1].tar' is a file name as well as a glob
        return [pattern]
    return [path for name in _without_braces(pattern) for path in _matches_of_one(name)]


def _matches_of_one(pattern: str) -> list[str]:
    if '://' in pattern:
        has_glob = '*' in pattern.partition('?')[0] or (not is_web(pattern) and glob.has_magic(pattern))
        with errors_naming(shown_url(pattern)):
            found = remote.matches(pattern) if has_glob else [pattern]
    else:
        if not os.path.lexists(pattern):
            pattern = at_home(pattern)
        if os.path.lexists(pattern):
            return [pattern]
        if not glob.has_magic(pattern):
            hint = '; a URL has two slashes, as in https://' if _ONE_SLASH.match(pattern) else ''
            raise DataError(f'There is no file {pattern!r}{hint}.')
        found = _local_matches(pattern)
    if not found:
        raise DataError(f'No file matches {shown_url(pattern)!r}.')
    if missing := missing_shard(pattern, found):
        raise DataError(
            f'{missing!r} is missing: that part of the shards is not packed yet, or was not copied.'
        )
    return found


def _local_matches(pattern: str) -> list[str]:
    """Returns the paths that match a glob, sorted; `**` stands for any folders, without those behind links.

    Raises:
      DataError: a folder can't be listed or entered; `glob.glob` would take it for an empty one.
    """
    found = matches_below(Path(), Path(pattern).parts, _inside)
    return sorted({str(path) for path, _ in found if not pattern.endswith('/') or path.is_dir()})


def _inside(folder: Path, part: str) -> Iterator[tuple[Path, bool, bool]]:
    """Yields the paths that match a part of a glob in what may be a folder; whether `**` enters them."""
    if not glob.has_magic(part):  # '..', for one, is not listed
        if is_there(folder / part):
            yield folder / part, True, False
        return
    for path in listed(folder, part):
        if part.startswith('.') or not path.name.startswith('.'):
            yield path, True, part == '**' and is_own_folder(path)


def _without_braces(pattern: str) -> list[str]:
    """Returns the names that a pattern with braces stands for, in order."""
    group = _GROUP.search(pattern)
    if not group:
        return [pattern]
    choices: Iterable[str] = group[1].split(',')
    if numbers := _RANGE.fullmatch(group[1]):
        first, last = sorted(map(int, numbers.groups()))
        width = len(numbers[1]) if numbers[1].startswith('0') else 0
        choices = (f'{number:0{width}}' for number in range(first, last + 1))
    names: list[str] = []
    for choice in choices:
        names += _without_braces(f'{pattern[: group.start()]}{choice}{pattern[group.end() :]}')
        if len(names) > _MOST_NAMES:
            raise DataError(f'{pattern!r} stands for more than {_MOST_NAMES:,} names.')
    return names
