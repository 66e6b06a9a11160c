"""A web server on the loopback interface that serves files, and fails as servers and networks do."""

import contextlib
import itertools
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PIECE = 2**16


class Meeting:
    """Holds calls until a number of them are under way at once.

    Attributes:
      complete: set from then on.
    """

    def __init__(self, count: int) -> None:
        self.complete = threading.Event()
        self._missing = count
        self._lock = threading.Lock()

    def attend(self) -> None:
        """Waits for the others, a minute at most."""
        with self._lock:
            self._missing -= 1
            if not self._missing:
                self.complete.set()
        if not self.complete.wait(60):
            with self._lock:
                self._missing += 1


class Web:
    """What the server serves and how it fails.

    Attributes:
      files: contents by path, '/a.tar'.
      etags: by path; a file without one has none.
      address: 'http://127.0.0.1:PORT'.
      requests: (path, first byte, number of bytes) of each request that was answered with data.
      resets, stalls, cuts, wholes: the share of requests that is reset, never answered, cut off in the middle
        or answered with the whole file, by a fixed sequence of random numbers.
      has_ranges: whether parts are served at all.
      statuses: by path, an error to answer with, and its body.
      meeting: where each request waits before its answer.
      delay: seconds that it waits besides.
      last: paths with their user and query, and the Authorization header, of the requests.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.address = ''
        self.requests: list[tuple[str, int, int]] = []
        self.resets = self.stalls = self.cuts = self.wholes = 0.0
        self.has_ranges = True
        self.statuses: dict[str, tuple[int, str]] = {}
        self.meeting = Meeting(1)  # which waits for no other
        self.delay = 0.0
        self.headers: list[tuple[str, Any]] = []
        self.over = threading.Event()
        self._random = random.Random(1)
        self._lock = threading.Lock()

    @property
    def bytes_sent(self) -> int:
        """Bytes of files in all answers."""
        return sum(count for _, _, count in self.requests)

    def put(self, path: str, data: bytes) -> str:
        """Serves a file, under a new ETag; returns its URL."""
        self.files[path] = data
        self.etags[path] = f'"{next(_numbers)}"'
        return f'{self.address}{path}'

    def fault(self) -> str:
        """Returns what happens to the next request."""
        with self._lock:
            number = self._random.random()
        for name in ('resets', 'stalls', 'cuts', 'wholes'):
            number -= getattr(self, name)
            if number < 0:
                return name
        return ''


_numbers = itertools.count()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    web: Web

    def do_GET(self) -> None:
        web, path = self.web, self.path.partition('?')[0]
        web.headers.append((self.path, self.headers.get('Authorization')))
        web.meeting.attend()
        time.sleep(web.delay)
        if path in web.statuses:
            return self._answer(*web.statuses[path])
        if path not in web.files:
            return self._answer(404, 'Not here')
        data, fault = web.files[path], web.fault()
        if fault == 'resets':
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            self.close_connection = True
            return self.connection.close()
        if fault == 'stalls':
            web.over.wait(60)
        first, last = 0, len(data) - 1
        wanted = re.fullmatch(r'bytes=(\d+)-(\d+)', self.headers.get('Range', ''))
        if wanted and web.has_ranges and fault != 'wholes':
            first, last = int(wanted[1]), min(int(wanted[2]), last)
            if first >= len(data):
                return self._answer(416, '', **{'Content-Range': f'bytes */{len(data)}'})
            self.send_response(206)
            self.send_header('Content-Range', f'bytes {first}-{last}/{len(data)}')
        else:
            self.send_response(200)
        if path in web.etags:
            self.send_header('ETag', web.etags[path])
        part = memoryview(data)[first : last + 1]
        self.send_header('Content-Length', str(len(part)))
        if fault == 'cuts':
            part, self.close_connection = part[: len(part) // 2], True
        web.requests.append((path, first, len(part)))
        self.end_headers()
        for start in range(0, len(part), _PIECE):
            self.wfile.write(part[start : start + _PIECE])

    def _answer(self, status: int, body: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {'Content-Length': str(len(body.encode())), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # the client, or a fault, has closed the connection
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        """Prints nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


@contextlib.contextmanager
def web_server() -> Iterator[Web]:
    """Yields a server that runs in threads of this process."""
    web = Web()
    handler = type('Handler', (_Handler,), {'web': web, 'disable_nagle_algorithm': True})
    server = _Server(('127.0.0.1', 0), handler)
    web.address = f'http://127.0.0.1:{server.server_port}'
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    try:
        yield web
    finally:
        web.over.set()
        server.shutdown()
        server.server_close()
