"""Files on web servers and in object stores (S3, Google Cloud Storage, Azure, Hugging Face), by fsspec.

A file that fits into the cache is fetched once, as a whole, and is a local file from then on. Of a larger
one, parts are read where they are needed, many at once.
"""

import contextlib
import hashlib
import io
import os
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from estimator_lab.base.interrupts import stops_within
from estimator_lab.base.urls import hide_secrets, is_web, unsigned
from estimator_lab.base.whole_files import whole_file
from estimator_lab.data.files import cache_folder

T = TypeVar('T')

PAUSES = (0.1, 0.5, 2.0, 5.0)
"""Seconds between attempts, on average."""
SILENT_SECONDS = 15.0
"""After which a connection without a byte is given up."""

_CONNECT_SECONDS = 10.0
_THREADS = 64
_FIRST_BYTES = 512  # read to learn about a file
_PIECE, _PIECES_AHEAD = 2**21, 8
_IDLE_SECONDS = 3600.0  # after which a file in the cache makes room
# Their own attempts come on top of `_attempts`.
_OPTIONS: dict[str, dict[str, Any]] = {
    's3': {'config_kwargs': {'connect_timeout': 10, 'read_timeout': 20, 'retries': {'max_attempts': 1}}}
}
_VERSIONS = ('ETag', 'etag', 'generation', 'blob_id', 'md5Hash', 'content_md5', 'LastModified', 'mtime')
_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_RANGE = re.compile(r'bytes (\d+)-(\d+)/(\d+)')
_LONGEST = 200  # letters of an error of others


class RemoteError(OSError):
    """A remote file can't be read; `strerror` is the reason as a clause, without credentials.

    Attributes:
      is_final: whether another attempt would fail, too.
    """

    def __init__(self, reason: str, is_final: bool = True) -> None:
        super().__init__(None, ' '.join(hide_secrets(reason).split())[:_LONGEST].rstrip('.'))
        self.is_final = is_final


class _StatusError(Exception):
    """An HTTP status that is not a success."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f'the server answers {status} {reason}'.rstrip())
        self.status = status


class Facts(NamedTuple):
    """What is known of a file.

    Attributes:
      size: in bytes; 0 if unknown.
      version: made of its ETag, or whatever else its store has; '' if it has nothing.
      has_ranges: whether parts of it can be read.
    """

    size: int
    version: str
    has_ranges: bool


class RemoteFile:
    """A remote file, as it was when it was opened; many threads may read it.

    Args:
      url: of the file. It may contain credentials; others come from the environment.

    Attributes:
      local: its copy in the cache; None for none.

    Raises:
      RemoteError: it can't be opened.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = _store(url)
        self.facts: Facts = _attempts(self._store.facts)
        self.local: Path | None = None
        digest = hashlib.blake2b(self.facts.version.encode(), digest_size=8).hexdigest()
        self.version = digest if self.facts.version else ''
        self._kept = _cache_place(f'{self.version}-{self.size}-{unsigned(url)}')
        if self.version and self._kept.is_file() and self._kept.stat().st_size == self.size:
            with contextlib.suppress(OSError):
                os.utime(self._kept)
            self.local = self._kept

    @property
    def size(self) -> int:
        """Bytes of the file; 0 if that is unknown."""
        return self.facts.size

    @property
    def has_random_access(self) -> bool:
        """Whether parts of it can be read."""
        return self.local is not None or self.facts.has_ranges

    def fetch(self, progress: Callable[[str, float], None] = lambda done, share: None) -> None:
        """Copies the file into the cache, if it fits.

        Raises:
          RemoteError: it can't be read.
        """
        if self.local or not self.version or not self.size or not _has_room(self._kept.parent, self.size):
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
        except RemoteError:
            raise
        except OSError:  # the disk is full, or can't be written
            return
        self.local = self._kept

    def read(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Returns the bytes at some places, (offset, count) each; fewer only at the end of the file.

        Raises:
          RemoteError: they can't be read.
        """
        within = [(offset, min(count, max(self.size - offset, 0))) for offset, count in places]
        return list(ahead((partial(self._part, *place) for place in within), len(within)))

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """Yields the bytes from `start` on in pieces, several of which are under way."""
        if not self.facts.has_ranges:
            try:
                yield from self._store.pieces()
            except Exception as error:  # noqa: BLE001 - of fsspec and the libraries below it
                raise _failure(error) from None
            return
        ends = [
            min(start + _FIRST_BYTES * 128, self.size),
            *range(start + _PIECE, self.size, _PIECE),
            self.size,
        ]
        places = zip([start, *ends], ends, strict=False)
        yield from ahead((partial(self._part, at, end - at) for at, end in places if at < end), _PIECES_AHEAD)

    def reader(self) -> io.RawIOBase:
        """Returns the file as a raw binary file at its beginning."""
        return io.FileIO(self.local) if self.local else _Reader(self)

    def _part(self, offset: int, count: int) -> bytes:
        return _attempts(partial(self._store.fetch, offset, count, self.facts)) if count else b''


class _Reader(io.RawIOBase):
    """A remote file, read forward."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._position = 0
        self._data = memoryview(b'')
        self._pieces: Iterator[bytes] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.facts.has_ranges

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        moved = base + offset - self._position
        if 0 <= moved <= len(self._data):
            self._data = self._data[moved:]
        elif moved:
            self._data, self._pieces = memoryview(b''), None
        self._position += moved
        return self._position

    def readinto(self, buffer: Any) -> int:
        if not self._data:
            self._pieces = self._pieces or self._file.pieces(self._position)
            self._data = memoryview(next(self._pieces, b''))
        data, self._data = self._data[: len(buffer)], self._data[len(buffer) :]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class _WebFile:
    """A file on a web server, by requests for parts through the session of fsspec's file system."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._url = url
        self._fs: Any = fsspec.filesystem('https', client_kwargs={'trust_env': True})

    def facts(self) -> Facts:
        return self._run(self._facts())

    def fetch(self, offset: int, count: int, known: Facts) -> bytes:
        return self._run(self._fetch(offset, count, known))

    def pieces(self) -> Iterator[bytes]:
        with self._fs.open(self._url, 'rb', block_size=0, size=1) as file:
            while data := file.read(_PIECE):
                yield data

    async def _facts(self) -> Facts:
        async with await self._get(0, _FIRST_BYTES) as answer:
            if answer.status == 206:
                return Facts(_part_of(answer.headers)[2], _version_of(answer.headers), has_ranges=True)
            is_whole = answer.headers.get('Content-Encoding', 'identity').lower() == 'identity'
            size = answer.content_length if is_whole and answer.status == 200 else None
            return Facts(size or 0, _version_of(answer.headers), has_ranges=False)

    async def _fetch(self, offset: int, count: int, known: Facts) -> bytes:
        async with await self._get(offset, count) as answer:
            if answer.status != 206:
                raise RemoteError(
                    'the server answers a request for a part with the whole file', is_final=False
                )
            if _version_of(answer.headers) != known.version:
                raise RemoteError(_CHANGED)
            if _part_of(answer.headers) != (offset, count, known.size):
                raise RemoteError('the server answers with another part of the file than was requested')
            return bytes(await answer.content.readexactly(count))

    async def _get(self, offset: int, count: int) -> Any:
        import aiohttp

        session = await self._fs.set_session()
        options = dict(self._fs.kwargs)
        part = {'Accept-Encoding': 'identity', 'Range': f'bytes={offset}-{offset + count - 1}'}
        headers = {**options.pop('headers', {}), **part}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=SILENT_SECONDS)
        answer = await session.get(
            self._fs.encode_url(self._url), **{'headers': headers, 'timeout': timeout, **options}
        )
        if answer.status in (200, 206) or (answer.status == 416 and not offset):  # an empty file has no parts
            return answer
        answer.close()
        raise _StatusError(answer.status, answer.reason or '')

    def _run(self, task: Any) -> Any:
        from fsspec.asyn import sync

        async def run() -> Any:
            return await task

        return sync(self._fs.loop, run)


class _StoredObject:
    """An object, by the file system of fsspec for its store."""

    def __init__(self, url: str) -> None:
        self.fs, self.path = self.file_system(url)

    @staticmethod
    def file_system(url: str) -> tuple[Any, str]:
        """Returns the file system of a URL, and the path in it."""
        import fsspec

        scheme = url.partition('://')[0].lower()
        found: tuple[Any, str] = fsspec.core.url_to_fs(url, **_OPTIONS.get(scheme, {}))
        return found

    def facts(self) -> Facts:
        self.fs.invalidate_cache(self.fs._parent(self.path))
        info = self.fs.info(self.path)
        if info.get('type') == 'directory':
            raise RemoteError('it is a folder, not a file')
        version = next((str(info[name]) for name in _VERSIONS if info.get(name)), '')
        return Facts(info.get('size') or 0, version, has_ranges=True)

    def fetch(self, offset: int, count: int, known: Facts) -> bytes:
        data: bytes = self.fs.cat_file(self.path, start=offset, end=offset + count)
        if len(data) != count:
            raise RemoteError(f'{len(data):,} bytes arrived of {count:,}', is_final=False)
        return data

    def pieces(self) -> Iterator[bytes]:
        with self.fs.open(self.path, 'rb') as file:
            while data := file.read(_PIECE):
                yield data


_CHANGED = 'it has changed since it was opened: start again'
_opened: dict[str, RemoteFile] = {}
_megabytes = 4096


def open_remote(url: str, again: bool = False) -> RemoteFile:
    """Returns a remote file.

    Args:
      url: of the file.
      again: whether to look whether it has changed since it was opened last.

    Raises:
      RemoteError: it can't be opened.
    """
    known = _opened.get(url)
    if known and not again:
        return known
    file = RemoteFile(url)
    if known and known.facts == file.facts:
        return known
    _opened[url] = file
    return file


def matches(pattern: str) -> list[str]:
    """Returns the URLs that match a glob, sorted.

    Raises:
      RemoteError: they can't be listed.
    """

    def found() -> list[str]:
        fs, path = _StoredObject.file_system(pattern)
        scheme = pattern.partition('://')[0]
        return sorted(name if '://' in name else f'{scheme}://{name}' for name in fs.glob(path))

    return _attempts(found)


def keep_on_disk(megabytes: int) -> None:
    """Sets how large the cache of whole files may become; 0 keeps none."""
    global _megabytes
    _megabytes = megabytes


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, 'remote')


def ahead(tasks: Iterable[Callable[[], T]], count: int) -> Iterator[T]:
    """Yields the results of tasks in order, of which up to `count` are under way."""
    waiting: deque[Any] = deque()
    try:
        for task in tasks:
            waiting.append(_pool().submit(task))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _store(url: str) -> Any:
    try:
        return _WebFile(url) if is_web(url) else _StoredObject(url)
    except ImportError as error:
        raise RemoteError(f"{error}: pip install 'estimator-lab[remote]'") from error
    except Exception as error:  # noqa: BLE001 - of fsspec and the libraries below it
        raise _failure(error) from None


def _attempts(attempt: Callable[[], T]) -> T:
    """Returns the result of an attempt, repeated after failures that may pass."""
    for pause in (*PAUSES, None):
        try:
            return attempt()
        except Exception as error:  # noqa: BLE001 - of fsspec and the libraries below it
            failure = _failure(error)
        if failure.is_final:
            raise failure
        if pause is None:
            raise RemoteError(f'{failure.strerror}, {len(PAUSES) + 1} times')
        if stops_within(pause * random.uniform(0.5, 1.5)):
            raise RemoteError('a signal asked to stop')
    raise AssertionError


def _failure(error: BaseException) -> RemoteError:
    """Returns the error for one of fsspec and the libraries below it, whose text may contain credentials."""
    if isinstance(error, RemoteError):
        return error
    status = getattr(error, 'status', None)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return RemoteError('there is no such file')
    is_denied = isinstance(error, PermissionError) or status in (401, 403, 407)
    if is_denied or 'redential' in type(error).__name__:
        return RemoteError(f'access is denied ({error}): check the credentials, or sign the URL')
    is_final = isinstance(error, ValueError | TypeError | ImportError)
    if isinstance(status, int) and status >= 400:
        is_final = status not in _RETRIED
    return RemoteError(f'{error}' or type(error).__name__, is_final)


def _version_of(headers: Any) -> str:
    return headers.get('ETag') or headers.get('Last-Modified') or ''


def _part_of(headers: Any) -> tuple[int, int, int]:
    """Returns the first byte, the number of bytes and the size of the file.

    Raises:
      RemoteError: the answer does not say so.
    """
    found = _RANGE.fullmatch(headers.get('Content-Range', ''))
    if not found or headers.get('Content-Encoding', 'identity').lower() != 'identity':
        raise RemoteError('the server does not say which part of the file it sends')
    first, last, total = map(int, found.groups())
    if not first <= last < total < 2**62:
        raise RemoteError('the server sends an impossible part of the file')
    return first, last - first + 1, total


_room = threading.Lock()


def _cache_place(key: str) -> Path:
    return cache_folder() / 'remote' / hashlib.blake2b(key.encode(), digest_size=16).hexdigest()


def _has_room(folder: Path, count: int) -> bool:
    """Returns whether `count` more bytes may be kept; removes files that were not used for long."""
    with _room:
        most = _megabytes * 2**20
        try:
            files = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in folder.iterdir())
        except OSError:
            files = []
        held = sum(size for _, size, _ in files)
        for used, size, path in files:
            if count <= most < held + count and used < time.time() - _IDLE_SECONDS:
                with contextlib.suppress(OSError):
                    path.unlink()
                    held -= size
        return held + count <= most
