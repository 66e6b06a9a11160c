"""A web server for remote_storage.py, in a process of its own:

    python benchmarks/range_server.py FILE LATENCY RESETS

serves parts of one file on a free port of the loopback interface, which it prints. Each answer takes LATENCY
seconds; the share RESETS of connections is reset instead. '/sent' answers with the bytes sent so far.
"""

import asyncio
import mmap
import random
import re
import socket
import struct
import sys
from pathlib import Path

_RANGE = re.compile(rb'range: bytes=(\d+)-(\d+)', re.IGNORECASE)


class _Server:
    def __init__(self, path: str, latency: float, resets: float) -> None:
        with Path(path).open('rb') as file:
            self._data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self._latency, self._resets = latency, resets
        self._random = random.Random(1)
        self._sent = 0

    async def run(self) -> None:
        server = await asyncio.start_server(self._connected, '127.0.0.1', 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.readuntil(b'\r\n\r\n'):
                if request.startswith(b'GET /sent'):
                    text = b'%d' % self._sent
                    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(text), text))
                elif not await self._answer(request, writer):
                    return
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has left
        finally:
            writer.close()

    async def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(self._latency)
        if self._random.random() < self._resets:
            opened = writer.get_extra_info('socket')
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            writer.transport.abort()
            return False
        found, size = _RANGE.search(request), len(self._data)
        first, last = (int(found[1]), min(int(found[2]), size - 1)) if found else (0, size - 1)
        part = self._data[first : last + 1]
        writer.write(
            b'HTTP/1.1 206 Partial Content\r\nETag: "1"\r\nContent-Length: %d\r\n'
            b'Content-Range: bytes %d-%d/%d\r\n\r\n' % (len(part), first, last, size)
        )
        writer.write(part)
        self._sent += len(part)
        return True


if __name__ == '__main__':
    asyncio.run(_Server(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])).run())
