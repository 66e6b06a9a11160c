"""Files on web servers, by range requests through the session of fsspec's HTTP file system (aiohttp)."""

import base64
import contextlib
import netrc
import os
import re
import urllib.parse
import urllib.request
from collections.abc import Coroutine, Mapping
from typing import Any

import aiohttp
import fsspec
from fsspec.asyn import sync

from estimator_lab.data.storage.failures import (
    ChangedError,
    RemoteError,
    TransientError,
    failure_of,
    failure_of_status,
)
from estimator_lab.data.storage.transport import Facts

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 15.0
"""After which a connection without a byte is given up."""

_FIRST_BYTES = 512  # read to learn about a file
_MOST_OF_AN_ERROR = 4096
_IS_RANGE, _IS_WHOLE, _IS_OUTSIDE = 206, 200, 416
_WHOLE_INSTEAD = 'the server answers a request for a part with the whole file'
_RANGE = re.compile(r'bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)')


class HttpTransport:
    """Reads one file on a web server; see `Transport`.

    Args:
      url: of the file; it may contain a user name and a password.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._fs: Any = fsspec.filesystem('https')
        self._environment: tuple[dict[str, str], dict[str, str]] | None = None

    @property
    def loop(self) -> Any:
        """The loop in whose thread all connections are."""
        return self._fs.loop

    def probe(self) -> Facts:
        """See `Transport.probe`."""
        return self._run(self._probe())

    def fetch(self, offset: int, count: int, known: Facts) -> bytes:
        """See `Transport.fetch`."""
        return self._run(self._fetch(offset, count, known))

    def stream(self, known: Facts) -> 'HttpStream':
        """See `Transport.stream`."""
        return HttpStream(self, known)

    async def _probe(self) -> Facts:
        async with await self._get(0, _FIRST_BYTES) as answer:
            if answer.status == _IS_WHOLE:
                length = None if _is_encoded(answer.headers) else answer.content_length
                return Facts(length, _identity(answer.headers), has_ranges=False)
            _, _, total = _range_of(answer.headers)
            return Facts(total, _identity(answer.headers), has_ranges=total is not None)

    async def _fetch(self, offset: int, count: int, known: Facts) -> bytes:
        async with await self._get(offset, count) as answer:
            if known.identity and _identity(answer.headers) != known.identity:
                raise ChangedError
            if answer.status == _IS_WHOLE:
                if (offset, count) != (0, known.size) or _is_encoded(answer.headers):
                    raise TransientError(_WHOLE_INSTEAD)
            elif _range_of(answer.headers) != (offset, count, known.size):
                if _range_of(answer.headers)[2] != known.size:
                    raise ChangedError
                raise RemoteError('the server answers with another part of the file than was requested')
            return await answer.content.readexactly(count)

    async def _get(self, offset: int = 0, count: int = 0) -> aiohttp.ClientResponse:
        """Returns an answer with a status that is a success, for a part of the file if `count` is not 0."""
        session = await self._fs.set_session()
        options = dict(self._fs.kwargs)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS)
        if self._environment is None:
            self._environment = _proxy_for(self._url), _login_for(self._url)
        proxy, login = self._environment
        headers = {**login, **options.pop('headers', {}), 'Accept-Encoding': 'identity'}
        if count:
            headers['Range'] = f'bytes={offset}-{offset + count - 1}'
        options = {'headers': headers, 'timeout': timeout, **proxy, **options}
        answer: aiohttp.ClientResponse = await session.get(self._fs.encode_url(self._url), **options)
        # A part of an empty file is outside it.
        if answer.status in (_IS_RANGE, _IS_WHOLE) or (answer.status == _IS_OUTSIDE and not offset):
            return answer
        async with answer:
            if answer.status == _IS_OUTSIDE:
                raise ChangedError
            body = (await answer.content.read(_MOST_OF_AN_ERROR)).decode('utf-8', 'replace')
            raise failure_of_status(answer.status, answer.reason or '', body, _pause_of(answer.headers))

    def _run(self, task: Coroutine[Any, Any, Any]) -> Any:
        async def run() -> Any:
            return await task

        try:
            return sync(self.loop, run)
        except Exception as error:  # noqa: BLE001 - whatever the libraries raise is translated
            raise failure_of(error) from None  # its text may contain the URL


class HttpStream:
    """A file on a web server, read from its beginning over one connection; see `Stream`."""

    def __init__(self, transport: HttpTransport, known: Facts) -> None:
        self._transport = transport
        self._left = known.size
        self._answer = transport._run(transport._get())
        if known.identity and _identity(self._answer.headers) != known.identity:
            self.close()
            raise ChangedError

    def read(self, count: int) -> bytes:
        """See `Stream.read`."""
        data: bytes = self._transport._run(self._answer.content.read(count))
        if self._left is not None:
            self._left -= len(data)
            if not data and self._left:
                raise TransientError('the connection ended early')
        return data

    def close(self) -> None:
        """See `Stream.close`."""
        self._transport.loop.call_soon_threadsafe(self._answer.close)


def _proxy_for(url: str) -> dict[str, str]:
    """Returns the option that names the proxy of the environment for a URL, if there is one.

    aiohttp looks for it itself, and for a password, but at each request, which takes a third of its time.
    """
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme.lower(), '')
    is_used = proxy.startswith('http') and not urllib.request.proxy_bypass(parts.netloc.rpartition('@')[2])
    return {'proxy': proxy} if is_used else {}


def _login_for(url: str) -> dict[str, str]:
    """Returns the header with the password of ~/.netrc for a URL, unless that has one itself."""
    parts = urllib.parse.urlsplit(url)
    if not parts.username:
        with contextlib.suppress(OSError, netrc.NetrcParseError):
            if entry := netrc.netrc(os.environ.get('NETRC')).authenticators(parts.hostname or ''):
                login = base64.b64encode(f'{entry[0]}:{entry[2]}'.encode()).decode()
                return {'Authorization': f'Basic {login}'}
    return {}


def _identity(headers: Mapping[str, str]) -> str:
    return headers.get('ETag') or headers.get('Last-Modified') or ''


def _is_encoded(headers: Mapping[str, str]) -> bool:
    return headers.get('Content-Encoding', 'identity').lower() != 'identity'


def _range_of(headers: Mapping[str, str]) -> tuple[int, int, int | None]:
    """Returns the first byte, the number of bytes and the size of the file; None if that is not said."""
    found = _RANGE.match(headers.get('Content-Range', ''))
    if not found or _is_encoded(headers):
        return 0, 0, None
    first, last, total = found.groups()
    count = int(last) - int(first) + 1 if first else 0
    return int(first or 0), count, None if total == '*' else int(total)


def _pause_of(headers: Mapping[str, str]) -> float:
    """Returns the seconds of Retry-After; 0 for none, or for a date."""
    text = headers.get('Retry-After', '')
    return float(text) if text.isdigit() else 0.0
