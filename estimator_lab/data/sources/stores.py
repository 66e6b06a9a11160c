"""Single requests to web servers and object stores, by fsspec."""

import re
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from estimator_lab.base.urls import hide_secrets

T = TypeVar('T')

SILENT_SECONDS = 15.0
"""After which a connection without a byte is given up."""
_CONNECT_SECONDS = 10.0
_CHECKED_SECONDS = 10.0  # between questions to a store whether an object has changed
FIRST_BYTES = 512  # read to learn about a file
PIECE = 2**21
# Their own attempts come on top of `_attempts`.
_OPTIONS: dict[str, dict[str, Any]] = {
    's3': {'config_kwargs': {'connect_timeout': 10, 'read_timeout': 20, 'retries': {'max_attempts': 1}}}
}
_VERSIONS = ('ETag', 'etag', 'generation', 'blob_id', 'md5Hash', 'content_md5', 'LastModified', 'mtime')
_RANGE = re.compile(r'bytes (\d+)-(\d+)/(\d+)')
_LONGEST = 200  # letters of a reason
_LONGEST_CLAUSE = 100  # letters of an error of others
_RETRIED = (408, 425, 429, 500, 502, 503, 504)

REMEDY = 'check the URL and the connection, or download the file'
"""What to do about errors that other attempts would not fix."""


class RemoteError(OSError):
    """A remote file can't be read; `strerror` is the reason as a clause, without credentials.

    Attributes:
      is_final: whether another attempt would fail, too.
    """

    def __init__(self, reason: str, is_final: bool = True) -> None:
        super().__init__(None, ' '.join(hide_secrets(reason).split())[:_LONGEST].rstrip('.'))
        self.is_final = is_final


class _StatusError(Exception):
    """An HTTP status that is not a success, with the attributes of `aiohttp.ClientResponseError`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__()
        self.status, self.message = status, message


def failure_of(error: BaseException) -> RemoteError:
    """Returns the error for one of fsspec and the libraries below it, whose text may contain credentials."""
    if isinstance(error, RemoteError):
        return error
    status = getattr(error, 'status', None)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return RemoteError('there is no such file')
    is_denied = isinstance(error, PermissionError) or status in (401, 403, 407)
    if is_denied or 'redential' in type(error).__name__:
        return RemoteError(f'access is denied ({_clause(error)}): check the credentials, or sign the URL')
    if isinstance(error, RuntimeError) and 'shutdown' in f'{error}':
        return RemoteError('the process ends')
    is_final = isinstance(error, ValueError | TypeError | ImportError) or 'Redirect' in type(error).__name__
    if isinstance(status, int) and status >= 400:
        is_final = status not in _RETRIED
        return RemoteError(f'{_clause(error)}{f": {REMEDY}" if is_final else ""}', is_final)
    return RemoteError(_clause(error), is_final)


def _clause(error: BaseException) -> str:
    """Returns what came instead of a file, as a clause; aiohttp's own are written for programmers."""
    status = getattr(error, 'status', None)
    if type(error).__name__ == 'TooManyRedirects':
        return 'the server redirects in a circle'
    if 'Redirect' in type(error).__name__:
        return hide_secrets(f'the server redirects to {error}, which is not on the web')[:_LONGEST_CLAUSE]
    if status == 0:
        return 'the answer of the server is not HTTP'
    if isinstance(status, int):
        return f'the server answers {status} {getattr(error, "message", "")}'.rstrip()
    if 'Timeout' in type(error).__name__:
        return f'the server sent nothing for {SILENT_SECONDS:g} seconds'
    if 'Payload' in type(error).__name__:
        return 'the answer of the server is not complete'
    return hide_secrets(f'{error}')[:_LONGEST_CLAUSE] or type(error).__name__


class Facts(NamedTuple):
    """What is known of a file.

    Attributes:
      size: in bytes; 0 if unknown.
      version: made of its ETag, or whatever else its store has; '' if it has nothing.
      has_ranges: whether parts of it can be read.
      head: its first FIRST_BYTES, where the server sent them with the facts; b'' elsewhere.
    """

    size: int
    version: str
    has_ranges: bool
    head: bytes = b''


class WebFile:
    """A file on a web server, by requests for parts through the session of fsspec's file system."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._url = url
        self._fs: Any = fsspec.filesystem('https', client_kwargs={'trust_env': True})

    def facts(self) -> Facts:
        """Returns what the server says of the file."""
        return _sync(self._fs, self._facts)

    def fetch(self, offset: int, count: int, known: Facts) -> bytes:
        """Returns some of its bytes; `known` is what was said of it before."""
        return _sync(self._fs, self._fetch, offset, count, known)

    def pieces(self) -> Iterator[bytes]:
        """Yields all of its bytes in order."""
        with self._fs.open(self._url, 'rb', block_size=0, size=1) as file:
            while data := file.read(PIECE):
                yield data

    async def _facts(self) -> Facts:
        async with await self._get(0, FIRST_BYTES) as answer:
            if answer.status == 206:
                _, count, total = _part_of(answer.headers)
                head = bytes(await answer.content.readexactly(min(count, FIRST_BYTES)))
                return Facts(total, _version_of(answer.headers), has_ranges=True, head=head)
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
        asked = f'a request for its bytes {offset} to {offset + count - 1}'
        raise _StatusError(answer.status, ' to '.join(filter(None, (answer.reason, asked))))


class StoredObject:
    """An object, by the file system of fsspec for its store."""

    def __init__(self, url: str) -> None:
        self.fs, self.path = self.file_system(url)
        self._next_check = time.monotonic() + _CHECKED_SECONDS

    @staticmethod
    def file_system(url: str) -> tuple[Any, str]:
        """Returns the file system of a URL, and the path in it."""
        import fsspec

        scheme = url.partition('://')[0].lower()
        found: tuple[Any, str] = fsspec.core.url_to_fs(url, **_OPTIONS.get(scheme, {}))
        return found

    def facts(self) -> Facts:
        """Returns what the server says of the file."""
        self.fs.invalidate_cache(self.fs._parent(self.path))
        info = self.fs.info(self.path)
        if info.get('type') == 'directory':
            raise RemoteError('it is a folder, not a file')
        version = next((str(info[name]) for name in _VERSIONS if info.get(name)), '')
        return Facts(info.get('size') or 0, version, has_ranges=True)

    def fetch(self, offset: int, count: int, known: Facts) -> bytes:
        """Returns some of its bytes; `known` is what was said of it before.

        S3 sends no bytes of an object with another ETag than the known. Other stores are asked now and then.
        """
        if known.version.startswith('"') and hasattr(self.fs, 'call_s3'):
            data = self._matching(offset, count, known.version)
        else:
            data = self.fs.cat_file(self.path, start=offset, end=offset + count)
            if time.monotonic() > self._next_check:
                self._next_check = time.monotonic() + _CHECKED_SECONDS
                if self.facts() != known:
                    raise RemoteError(_CHANGED)
        if len(data) != count:
            raise RemoteError(f'{len(data):,} bytes arrived of {count:,}', is_final=False)
        return data

    def _matching(self, offset: int, count: int, etag: str) -> bytes:
        bucket, key, version = self.fs.split_path(self.path)
        place = {'Bucket': bucket, 'Key': key, **({'VersionId': version} if version else {})}

        async def read() -> bytes:
            part = f'bytes={offset}-{offset + count - 1}'
            answer = await self.fs._call_s3('get_object', Range=part, IfMatch=etag, **place)
            async with answer['Body'] as body:
                return bytes(await body.read())

        try:
            return _sync(self.fs, read)
        except OSError as error:
            answer = getattr(error.__cause__, 'response', {}).get('ResponseMetadata', {})
            if answer.get('HTTPStatusCode') == 412:  # the precondition, If-Match, has failed
                raise RemoteError(_CHANGED) from error
            raise


def _sync(fs: Any, task: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Returns the result of a task, which runs in the thread of an asynchronous file system."""
    from fsspec.asyn import sync

    result: T = sync(fs.loop, task, *arguments)
    return result


_CHANGED = 'it has changed since it was opened: start again'


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
