"""The uncompressed stream of an archive, read forward only, with a limit on what a header may read."""

from typing import IO

BLOCK = 512
MAX_HEADER_BYTES = 2**20
"""Limit for all headers of one member, with its long name, pax records and map of holes; usually 512."""

_CHUNK = 2**20
_ZEROS = bytes(2**16)
_MAX_PADDING = 2**30  # zeros after an archive: a pipe may send them endlessly


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
