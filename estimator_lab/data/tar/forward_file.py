"""The uncompressed stream of an archive, read forward only, with a limit on what a header may read."""

import contextlib
import io
import os
import threading
from collections.abc import Callable
from typing import IO

BLOCK = 512
MAX_HEADER_BYTES = 2**20
"""Limit for all headers of one member, with its long name, pax records and map of holes; usually 512."""

_CHUNK = 2**20
_ZEROS = bytes(2**16)
_MAX_PADDING = 2**30  # zeros after an archive: a pipe may send them endlessly
_FIRST_BYTES = 2**23  # of an archive, after which its headers are known to be close together or not
_CLOSE = 2**17  # bytes between headers that are close together


_AHEAD_CHUNK = 2**21
_LEAD = 2**28  # bytes ahead of the reader: more might be evicted before they are read
_PAUSE_SECONDS = 0.001


class HeaderError(Exception):
    """A header is damaged, or claims something impossible."""


class ForwardFile:
    """A file that returns exactly as many bytes as requested, and is read forward only.

    Args:
      file: the uncompressed stream.
      length: its bytes if data may be skipped by seeking; None if it must be read.
      position: of the file in the stream.

    Attributes:
      position: of the next byte in the stream.
      cut: the last bytes, if the stream ended within a `read`.
    """

    def __init__(self, file: IO[bytes], length: int | None, position: int = 0) -> None:
        self._file = file
        self._length = length
        self._returned = b''
        self._allowance = MAX_HEADER_BYTES
        self.position = position
        self.cut = b''

    def allow(self, count: int) -> None:
        """Sets how many bytes may be read from here on, so that a false header can't exhaust the memory."""
        self._allowance = count

    def read(self, count: int) -> bytes:
        """Returns exactly `count` bytes.

        Raises:
          EOFError: the stream ends before that.
          HeaderError: more is requested than allowed.
        """
        if not 0 <= count <= self._allowance:
            raise HeaderError(
                f'a header asks for {count} more bytes, above {MAX_HEADER_BYTES} for one member'
            )
        self._allowance -= count
        data = self._take(count)
        self.position += len(data)
        if len(data) < count:
            self.cut = data
            raise EOFError('the data ends there')
        return data

    def read_some(self, count: int) -> bytes:
        """Returns up to `count` of the next bytes, regardless of the allowance; none at the end."""
        data = self._take(count)
        self.position += len(data)
        return data

    def peek(self, count: int) -> bytes:
        """Returns the next bytes, fewer at the end, without moving."""
        data = self._take(count)
        self.position += len(data)
        self._go_back(data)
        return data

    def skip_zeros(self) -> bool:
        """Skips blocks of zeros; returns whether another block follows.

        None follows if the stream ends, or continues with zeros for a gigabyte.
        """
        for _ in range(_MAX_PADDING // len(_ZEROS)):
            data = self._take(len(_ZEROS))
            self.position += len(data)
            if data != _ZEROS[: len(data)]:
                zeros = len(data) - len(data.lstrip(b'\0'))
                self._go_back(data[zeros // BLOCK * BLOCK :])
                return True
            if not data:
                break
        return False

    def seek(self, target: int) -> None:
        """Moves forward to a position.

        Raises:
          EOFError: the stream ends before it; the position is then the end.
          HeaderError: the position has been passed.
        """
        if target < self.position:
            raise HeaderError(f'a header points back to byte {target}')
        if self._length is None:
            self._read_up_to(target)
        elif target <= self._length:
            self._file.seek(target)
            self.position = target
        else:
            self._file.seek(self._length)
            self.position = self._length
            raise EOFError('the data ends there')

    def finish(self) -> None:
        """Reads a stream that can't seek up to its end, where decompressors verify checksums."""
        while self._length is None and self._take(_CHUNK):
            pass

    def _take(self, count: int) -> bytes:
        if not self._returned:
            return self._file.read(count)
        data, self._returned = self._returned[:count], self._returned[count:]
        return data + self._file.read(count - len(data))

    def _go_back(self, data: bytes) -> None:
        """Puts back the bytes that were read last."""
        self.position -= len(data)
        if self._length is None:
            self._returned = data + self._returned
        else:
            self._file.seek(self.position)

    def _read_up_to(self, target: int) -> None:
        while left := target - self.position:
            skipped = len(self._take(min(left, _CHUNK)))
            self.position += skipped
            if not skipped:
                raise EOFError('the data ends there')


class SkippingFile(ForwardFile):
    """A `ForwardFile` for reading headers only, without a buffer: it reads exactly the requested bytes.

    If headers are close together, a thread meanwhile reads the rest of the file into the system's cache.

    Args:
      descriptor: of an uncompressed tar in a file.
      length: its bytes.
    """

    def __init__(self, descriptor: int, length: int) -> None:
        super().__init__(io.BytesIO(), length)
        self._descriptor = descriptor
        self._end = length
        self._reads = 0
        self._undecided = hasattr(os, 'preadv')
        self._ahead: ReadAhead | None = None

    def close(self) -> None:
        """Ends the thread."""
        if self._ahead:
            self._ahead.close()

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
        if self._undecided and self.position > _FIRST_BYTES:
            self._undecided = False
            if self.position <= self._reads * _CLOSE:
                self._ahead = ReadAhead(self._descriptor, lambda: self.position)
        return os.pread(self._descriptor, count, self.position)


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
