"""The uncompressed stream of an archive, read forward only, and no more of it than a header may ask for."""

import contextlib
import io
import os
import threading
from collections.abc import Callable
from typing import IO

BLOCK = 512
MAX_HEADER_BYTES = 2**20
"""Of all headers that describe one member, with its long name, pax records and map of holes; usually 512."""

_CHUNK = 2**20
_ZEROS = bytes(2**16)
_MAX_PADDING = 2**30  # zeros behind an archive: a pipe may bring them for ever
_FIRST_BYTES = 2**23  # of an archive, after which it is decided whether its headers lie close together
_CLOSE = 2**17  # bytes between headers


_AHEAD_CHUNK = 2**21
_LEAD = 2**28  # bytes ahead of the reader: more might be forgotten again before they are wanted
_PAUSE_SECONDS = 0.001


class HeaderError(Exception):
    """A header says what cannot be."""


class ForwardFile:
    """A file that never returns less than asked for, and only goes forward.

    Args:
      file: the uncompressed stream.
      length: its bytes where it may seek over data, None where it has to read them.
      position: at which byte of the stream the file stands.

    Attributes:
      position: of the next byte in the stream.
      cut: what `read` found instead of more bytes where it met the end of the stream.
    """

    def __init__(self, file: IO[bytes], length: int | None, position: int = 0) -> None:
        self._file = file
        self._length = length
        self._returned = b''
        self._allowance = MAX_HEADER_BYTES
        self.position = position
        self.cut = b''

    def allow(self, count: int) -> None:
        """Sets how many bytes may be read from here on, so that a lying header can't eat the memory."""
        self._allowance = count

    def read(self, count: int) -> bytes:
        """Returns exactly `count` bytes.

        Raises:
          EOFError: the stream ends before.
          HeaderError: more are asked for than allowed.
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
        """Returns the next bytes, up to `count`, whatever a header allows; none at the end."""
        data = self._take(count)
        self.position += len(data)
        return data

    def peek(self, count: int) -> bytes:
        """Returns the next bytes, fewer at the end, and stays where it is."""
        data = self._take(count)
        self.position += len(data)
        self._go_back(data)
        return data

    def skip_zeros(self) -> bool:
        """Goes over blocks of zeros; returns whether it came to a block of other bytes.

        It did not where the stream ends, or goes on with zeros for a gigabyte.
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
        """Goes forward to a position.

        Raises:
          EOFError: the stream ends before; it then stands there.
          HeaderError: it lies behind.
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
        """Reads up to the end where reading tells more: decompressors check their sum there."""
        while self._length is None and self._take(_CHUNK):
            pass

    def _take(self, count: int) -> bytes:
        if not self._returned:
            return self._file.read(count)
        data, self._returned = self._returned[:count], self._returned[count:]
        return data + self._file.read(count - len(data))

    def _go_back(self, data: bytes) -> None:
        """Lets the bytes that were read last be read once more."""
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
    """The same for headers only: it reads what is asked for and not a byte more, wherever that lies.

    Where headers lie close together, the rest of the file is brought into memory beside it, up to `close`.

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
        if self._ahead:
            self._ahead.close()

    def seek(self, target: int) -> None:
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
    """A thread that reads a file from one end to the other, in pieces that suit a disk, and keeps nothing.

    To a disk, a jump over ten kilobytes costs no less than reading them, and the system does not guess jumps.

    Args:
      descriptor: of the file; it is closed only behind `close`.
      position: tells which byte the reader wants next.
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
        with contextlib.suppress(OSError):  # the reader will meet it, and say so
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
