"""Reading the headers of an archive only: by skipping data, or by reading it ahead where that is faster."""

import contextlib
import io
import os
import threading
from collections.abc import Callable

from estimator_lab.data.storage.files import LocalFile, StoredFile
from estimator_lab.data.storage.readers import AheadFile
from estimator_lab.data.tar.forward_file import ForwardFile
from estimator_lab.data.tar.header_ahead import HeaderAhead

_FIRST_BYTES = 2**23  # of an archive, after which its headers are known to be close together or not
_FIRST_BYTES_ELSEWHERE = 2**18
_CLOSE = 2**15  # bytes between headers that are close together: reading them is about as fast as skipping
_WINDOW = 2**14

_AHEAD_CHUNK = 2**21
_LEAD = 2**28  # bytes ahead of the reader: more might be evicted before they are read
_PAUSE_SECONDS = 0.001


class SkippingFile(ForwardFile):
    """A `ForwardFile` for reading headers only.

    If headers are close together, the rest of the file is read ahead of it: that of a local file by a thread,
    into the system's cache, that of a file elsewhere in several pieces at once. If they are far apart, data
    is not read; where each read takes long, threads read the headers at many places at once.

    Args:
      file: an uncompressed tar.
      length: its bytes.
    """

    def __init__(self, file: StoredFile, length: int) -> None:
        super().__init__(io.BytesIO(), length)
        self._stored = file
        self._end = length
        self._reads = 0
        self._is_decided = False
        self._first_bytes = _FIRST_BYTES_ELSEWHERE if file.is_slow else _FIRST_BYTES
        self._read: Callable[[int, int], bytes] = _Window(file).read if file.is_slow else file.read
        self._closing = contextlib.ExitStack()

    def close(self) -> None:
        """Ends the threads."""
        self._closing.close()

    def seek(self, target: int) -> None:
        """Moves forward to a position; see `ForwardFile.seek`."""
        if self.position <= target <= self._end:
            self.position = target
        else:
            super().seek(target)

    def _go_back(self, data: bytes) -> None:
        self.position -= len(data)

    def _take(self, count: int) -> bytes:
        self._reads += 1
        if not self._is_decided and self.position > self._first_bytes:
            self._is_decided = True
            self._decide(self.position <= self._reads * _CLOSE)
        return self._read(self.position, count)

    def _decide(self, are_close: bool) -> None:
        file = self._stored
        if are_close and isinstance(file, LocalFile):
            if hasattr(os, 'preadv'):
                self._closing.callback(ReadAhead(file.descriptor, lambda: self.position).close)
        elif are_close:
            reader = self._closing.enter_context(contextlib.closing(AheadFile(file)))

            def read_on(position: int, count: int) -> bytes:
                reader.seek(position)
                return b''.join(iter(lambda: reader.read(count + position - reader.tell()) or b'', b''))

            self._read = read_on
        elif file.is_slow:
            headers = HeaderAhead(file, self.position, self._end)
            self._closing.callback(headers.close)
            self._read = headers.read


class _Window:
    """Reads a file in pieces that are a little larger than requested, and keeps the last one."""

    def __init__(self, file: StoredFile) -> None:
        self._file = file
        self._start = 0
        self._piece = b''

    def read(self, offset: int, count: int) -> bytes:
        """Returns the bytes from `offset` on: `count` of them, fewer only at the end of the file."""
        if not self._start <= offset <= offset + count <= self._start + len(self._piece):
            self._start, self._piece = offset, self._file.read(offset, max(count, _WINDOW))
        place = offset - self._start
        return self._piece[place : place + count]


class ReadAhead:
    """A thread that reads a file into the system's cache, in large pieces, ahead of a reader that skips data.

    On a disk, skipping ten kilobytes takes as long as reading them, and the system does not read ahead.

    Args:
      descriptor: of the file, which must stay open until `close`.
      position: returns which byte the reader needs next.
    """

    def __init__(self, descriptor: int, position: Callable[[], int]) -> None:
        self._descriptor = descriptor
        self._position = position
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        buffer, place = bytearray(_AHEAD_CHUNK), 0
        with contextlib.suppress(OSError):  # the reader will meet and report it
            while not self._over.is_set():
                wanted = self._position()
                if place > wanted + _LEAD:
                    self._over.wait(_PAUSE_SECONDS)
                    continue
                place = max(place, wanted)
                count = os.preadv(self._descriptor, [buffer], place)
                if not count:
                    return
                place += count
