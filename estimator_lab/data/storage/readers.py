"""Stored files read from their beginning to their end, as raw binary files."""

import io
import os
from collections import deque
from typing import TYPE_CHECKING, Any

from estimator_lab.data.storage.failures import TransientError, repeated
from estimator_lab.data.storage.files import RemoteFile, StoredFile
from estimator_lab.data.storage.io_threads import submit
from estimator_lab.data.storage.transport import Stream

if TYPE_CHECKING:
    from concurrent.futures import Future

_FIRST_PIECE = 2**16
_MOST_PIECE = 2**21
_MOST_AHEAD = 2**24


class AheadFile(io.RawIOBase):
    """A stored file of which several pieces ahead of the reader are under way.

    The pieces, and the bytes that are under way, grow while the file is read without gaps, so that little is
    read in vain by a reader of a few bytes.

    Args:
      file: the file.

    Attributes:
      stored: the file.
    """

    def __init__(self, file: StoredFile) -> None:
        self.stored = file
        self._position = 0
        self._pieces: deque[tuple[int, int, Future[bytes]]] = deque()
        self._next = 0
        self._piece = _FIRST_PIECE

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def tell(self) -> int:
        """Returns the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves, and returns the new position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.stored.size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fills the beginning of a buffer; returns 0 at the end.

        Raises:
          OSError: it can't be read.
        """
        if self._position >= self.stored.size:
            return 0
        self._drop_others()
        self._begin_pieces()
        start, _, future = self._pieces[0]
        place = self._position - start
        data = memoryview(future.result())[place : place + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Forgets what is under way."""
        self._forget()
        super().close()

    def _drop_others(self) -> None:
        """Drops the pieces before the position, or all if it is not in them nor shortly after them."""
        pieces = self._pieces
        if pieces and not pieces[0][0] <= self._position <= self._next + self._piece:
            self._forget()
        while pieces and self._position >= pieces[0][0] + pieces[0][1]:
            pieces.popleft()
            self._piece = min(2 * self._piece, _MOST_PIECE)
        if not pieces:
            self._next = self._position

    def _begin_pieces(self) -> None:
        # The first piece comes alone; then as many bytes are under way as were read without a gap, or more.
        most = 0 if self._piece == _FIRST_PIECE else min(4 * self._piece, _MOST_AHEAD)
        if self._piece == _MOST_PIECE:
            most = _MOST_AHEAD
        while self._next < self.stored.size and (not self._pieces or self._next < self._position + most):
            start, count = self._next, min(self._piece, self.stored.size - self._next)
            task = _Piece(self.stored, start, count)
            self._pieces.append((start, count, submit(task)))
            self._next = start + count

    def _forget(self) -> None:
        for _, _, future in self._pieces:
            future.cancel()
        self._pieces.clear()
        self._piece = _FIRST_PIECE


class _Piece:
    """Reads a piece of a file, when it is called."""

    def __init__(self, file: StoredFile, start: int, count: int) -> None:
        self._file, self._start, self._count = file, start, count

    def __call__(self) -> bytes:
        return self._file.read(self._start, self._count)


class StreamedFile(io.RawIOBase):
    """A file elsewhere of which no part can be read by itself.

    After a failure it is read from its beginning again, up to where it was.

    Args:
      file: the file.
    """

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._stream: Stream | None = None
        self._position = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the beginning of a buffer; returns 0 at the end.

        Raises:
          OSError: it can't be read.
        """
        data = repeated(lambda: self._read(len(buffer)))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Ends the connection."""
        self._end()
        super().close()

    def _read(self, count: int) -> bytes:
        try:
            if not self._stream:
                self._stream = self._file.transport.stream(self._file.facts)
                left = self._position
                while left:
                    skipped = len(self._stream.read(min(left, _MOST_PIECE)))
                    if not skipped:
                        raise TransientError('the connection ended early')
                    left -= skipped
            return self._stream.read(count)
        except OSError:
            self._end()
            raise

    def _end(self) -> None:
        if self._stream:
            self._stream.close()
            self._stream = None


def reader_of(file: RemoteFile) -> io.RawIOBase:
    """Returns a file elsewhere as a raw binary file."""
    return AheadFile(file.kept) if file.facts.has_ranges else StreamedFile(file)
