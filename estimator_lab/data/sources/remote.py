"""Files on web servers and in object stores (S3, Google Cloud Storage, Azure, Hugging Face), by fsspec.

A file that fits into the cache is fetched once, as a whole, and is a local file from then on. Of a larger
one, parts are read where they are needed, many at once.
"""

import bisect
import contextlib
import fnmatch
import glob
import hashlib
import io
import os
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from estimator_lab.base.files import whole_file
from estimator_lab.base.interrupts import stops_within
from estimator_lab.base.urls import is_web, unsigned
from estimator_lab.data.sources import room
from estimator_lab.data.sources.files import cache_folder, matches_below
from estimator_lab.data.sources.stores import (
    PIECE,
    REMEDY,
    Facts,
    RemoteError,
    StoredObject,
    WebFile,
    failure_of,
)

T = TypeVar('T')

PAUSES = (0.1, 0.5, 2.0, 5.0)
"""Seconds between attempts, on average."""

THREADS = 64
"""Requests under way at once."""
_PIECES_AHEAD = 8  # of a file
_REACH = _PIECES_AHEAD * PIECE  # a longer way forward is not read but begun anew
_FIRST_PIECE = 2**16  # each is twice as long as the one before, as far as PIECE: most openings read little
_GAP = 4096  # between places that are read by one request: the padding of a tar, or a label
_MOST_PIECES = 64  # ahead, of all files together, 128 MB
_DEEPEST = 100  # levels of folders; a web server may list a folder within itself


class RemoteFile:
    """A remote file, as it was when it was opened; many threads may read it.

    Args:
      url: of the file. It may contain credentials; others come from the environment.

    Attributes:
      local: its copy in the cache; None for none.
      version: made of its ETag; '' if it has none.
      key: of the file in this version, without credentials.

    Raises:
      RemoteError: it can't be opened.
    """

    is_remote = True

    def __init__(self, url: str) -> None:
        self._url = url
        self.facts: Facts = _attempts(self._store.facts)
        self.local: Path | None = None
        digest = hashlib.blake2b(self.facts.version.encode(), digest_size=8).hexdigest()
        self.version = digest if self.facts.version else ''
        self.key = f'{self.version}-{self.size}-{unsigned(url)}'
        place = hashlib.blake2b(self.key.encode(), digest_size=16).hexdigest()
        self._kept = cache_folder() / 'remote' / place
        if self.version and self._kept.is_file() and self._kept.stat().st_size == self.size:
            with contextlib.suppress(OSError):
                os.utime(self._kept)
            self.local = self._kept

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the connections to this process."""
        return {name: value for name, value in self.__dict__.items() if name != '_made'}

    @property
    def _store(self) -> Any:
        """Makes its requests, through connections that belong to this process."""
        process, store = self.__dict__.get('_made', (0, None))
        if process != os.getpid():
            store = _store(self._url)
            self._made = os.getpid(), store
        return store

    @property
    def size(self) -> int:
        """Bytes of the file; 0 if that is unknown."""
        return self.facts.size

    def fetch(self, progress: Callable[[str, float], None] = lambda done, share: None) -> None:
        """Copies the file into the cache, if it fits.

        Raises:
          RemoteError: it can't be read.
        """
        has_version = self.version and self.size
        if self.local or not (has_version and room.reserve(self._kept, self.size, bytes_kept)):
            return

        def copy() -> None:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self._kept) as file:
                for data in self.pieces():
                    file.write(data)
                    progress(f'{file.tell() / 1e6:,.0f} MB', file.tell() / self.size)
                if file.tell() != self.size:
                    raise RemoteError(f'{file.tell():,} bytes arrived of {self.size:,}', is_final=False)

        try:
            copy() if self.facts.has_ranges else _attempts(copy)
            self.local = self._kept
        except RemoteError:
            raise
        except OSError:  # the disk is full, or can't be written
            return
        finally:
            room.release(self._kept, is_kept=self.local is not None)

    def read(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Returns the bytes at some places, (offset, count) each; fewer only at the end of the file.

        Raises:
          RemoteError: they can't be read.
        """
        spans = _spans(places, self.size)
        parts = (partial(self.part, start, end - start) for start, end in spans)
        read, starts, found = list(ahead(parts, len(spans))), [start for start, _ in spans], []
        for offset, count in places:
            at = bisect.bisect_right(starts, offset) - 1
            begin = offset - starts[at] if starts else 0
            found.append(read[at][begin : begin + count] if starts else b'')
        return found

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """Yields the bytes from `start` on in pieces; several are under way."""
        if not self.facts.has_ranges:
            try:
                yield from self._store.pieces()
            except Exception as error:  # noqa: BLE001 - of fsspec and the libraries below it
                raise failure_of(error) from None
            return
        parts = (partial(self.part, at, count) for at, count in self._growing(start))
        own = object()
        _in_pieces.add(own)
        try:
            most = max(min(_PIECES_AHEAD, _MOST_PIECES // len(_in_pieces)), 1)
            yield from ahead(parts, most, first=1)
        finally:
            _in_pieces.discard(own)

    def _growing(self, start: int) -> Iterator[tuple[int, int]]:
        """Yields the places of pieces from `start` to the end, (offset, count)."""
        count = _FIRST_PIECE
        while start < self.size:
            yield start, min(count, self.size - start)
            start, count = start + count, min(2 * count, PIECE)

    def reader(self) -> io.RawIOBase:
        """Returns the file as a raw binary file at its beginning."""
        return io.FileIO(self.local) if self.local else _RemoteReader(self)

    @property
    def cache(self) -> Path:
        """The folder of the machine's cache."""
        return self._kept.parent

    def part(self, offset: int, count: int) -> bytes:
        """Returns the bytes at a place, by one request.

        Raises:
          RemoteError: they can't be read.
        """
        return _attempts(partial(self._store.fetch, offset, count, self.facts)) if count else b''


class _RemoteReader(io.RawIOBase):
    """A remote file, read forward.

    A seek takes effect at the next read, which goes on with the pieces that are under way.
    """

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._position = 0
        self._piece, self._start = memoryview(b''), 0  # the last one that arrived, and its place
        self._pieces: Iterator[bytes] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.facts.has_ranges

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        end = self._start + len(self._piece)
        if self._pieces is None or not self._start <= self._position < end + _REACH:
            self._piece, self._start, end = memoryview(b''), self._position, self._position
            self._pieces = self._file.pieces(self._position)
        while end <= self._position and (piece := next(self._pieces, b'')):
            self._piece, self._start = memoryview(piece), end
            end += len(piece)
        data = self._piece[self._position - self._start :][: len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _spans(places: Iterable[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """Returns what is requested for places of a file, (offset, end) each; one request for adjacent places."""
    spans: list[tuple[int, int]] = []
    for offset, count in sorted(places):
        end = min(offset + count, size)
        if offset >= size or not count:
            continue
        if spans and offset <= spans[-1][1] + _GAP and end - spans[-1][0] <= PIECE:
            spans[-1] = spans[-1][0], max(spans[-1][1], end)
        else:
            spans.append((offset, end))
    return spans


opened: dict[str, RemoteFile] = {}
"""Remote files by their URLs, which are opened once a process."""

bytes_kept = 4 * 2**30
"""How large the cache of files, and of parts of them, may become in this process."""


def keep(count: int) -> None:
    """Lets the cache become as large as `count` bytes; 0 leaves it alone."""
    global bytes_kept
    bytes_kept = count


def open_remote(url: str, again: bool = False) -> RemoteFile:
    """Returns a remote file.

    Args:
      url: of the file.
      again: whether to look whether it has changed since it was opened last.

    Raises:
      RemoteError: it can't be opened.
    """
    known = opened.get(url)
    if known and not again:
        return known
    file = RemoteFile(url)
    if known and known.facts == file.facts:
        return known
    opened[url] = file
    return file


def matches(pattern: str) -> list[str]:
    """Returns the URLs that match a glob, sorted; `**` stands for any folders.

    Raises:
      RemoteError: a folder can't be listed, which `fs.glob` would take for an empty one, or is too deep.
    """

    def found() -> list[str]:
        fs, path = StoredObject.file_system(pattern)
        fs.invalidate_cache()  # archives may have been added since the last call
        parts = path.rstrip('/').split('/')
        first = next(at for at, part in enumerate(parts) if glob.has_magic(part))
        folder, inner = '/'.join(parts[:first]), parts[first:]
        # The path may lack what the URL has: a host, or an account.
        url = pattern.rstrip('/').removesuffix('/'.join(inner))
        names = {
            name
            for name, is_folder in matches_below(folder, inner, partial(_inside, fs))
            if not (is_folder and inner[-1] == '**')
        }
        return [
            name if '://' in name else url + name.removeprefix(folder).lstrip('/') for name in sorted(names)
        ]

    return _attempts(found)


def _inside(fs: Any, folder: str, part: str) -> Iterator[tuple[str, bool, bool]]:
    """Yields the names in a folder that match a part of a glob; whether it is a folder, which `**` enters."""
    if folder.count('/') > _DEEPEST:
        raise RemoteError(f'it has folders more than {_DEEPEST} levels deep; does one contain itself?')
    with contextlib.suppress(FileNotFoundError):
        for entry in fs.ls(f'{folder}/', detail=True):
            name = entry['name'].rstrip('/')
            # An empty object may stand for its folder.
            if name != folder and fnmatch.fnmatchcase(name.rpartition('/')[2], part):
                is_folder = entry['type'] == 'directory'
                yield name, is_folder, is_folder


@cache
def _pool(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, name)


def ahead(
    tasks: Iterable[Callable[[], T]], count: int, pool: str = 'parts', first: int | None = None
) -> Iterator[T]:
    """Yields the results of tasks in order; up to `count` are under way, in addition to the one that is next.

    A task that waits for tasks of its own is in another `pool` than they are: all threads of a pool may wait.
    With `first`, that many are under way at first, and twice as many after each result.
    """
    waiting: deque[Any] = deque()
    most = count if first is None else min(first, count)
    try:
        for task in tasks:
            waiting.append(_pool(pool).submit(task))
            while len(waiting) > most:
                yield waiting.popleft().result()
                most = min(2 * most, count)
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _store(url: str) -> Any:
    try:
        return WebFile(url) if is_web(url) else StoredObject(url)
    except ImportError as error:
        raise RemoteError(f"{error}: pip install 'estimator-lab[remote]'") from error
    except Exception as error:  # noqa: BLE001 - of fsspec and the libraries below it
        raise failure_of(error) from None


def _attempts(attempt: Callable[[], T]) -> T:
    """Returns the result of an attempt, repeated after failures that may pass."""
    for pause in (*PAUSES, None):
        try:
            return attempt()
        except Exception as error:  # noqa: BLE001 - of fsspec and the libraries below it
            failure = failure_of(error)
        if failure.is_final:
            raise failure
        if pause is None:
            raise RemoteError(f'{failure.strerror}, {len(PAUSES) + 1} times: {REMEDY}')
        if stops_within(pause * random.uniform(0.5, 1.5)):
            raise RemoteError('a signal asked to stop')
    raise AssertionError


_in_pieces: set[object] = set()  # one for each file that is read in pieces


def _after_fork() -> None:
    """Leaves threads, and what they were doing, to the parent of a forked process."""
    _pool.cache_clear()
    _in_pieces.clear()


os.register_at_fork(after_in_child=_after_fork)
