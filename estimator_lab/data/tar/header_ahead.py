"""Reads the headers of an archive at many places at once, where each read takes long.

The place of a header depends on the header before it. So the archive is cut into segments. In each, a thread
looks for the first block that is a header, and follows the chain of headers from there. It may be mistaken,
as a member may be an archive itself; then its blocks are of no use. The reader alone decides what is in the
archive, and reads what it does not find here.
"""

import bisect
import threading
from collections import OrderedDict

from estimator_lab.data.storage.files import StoredFile
from estimator_lab.data.storage.io_threads import submit
from estimator_lab.data.tar.forward_file import BLOCK, HeaderError
from estimator_lab.data.tar.headers import is_header, next_header

_PIECE = 2048  # a header, and most often the extended one before it
_SEGMENTS = 64
_AHEAD = 48
_SMALLEST, _LARGEST = 2**22, 2**26
_SEARCHED, _SEARCHED_AT_ONCE = 2**20, 2**16
_MAGIC, _MAGIC_PLACE = b'ustar', 257


class HeaderAhead:
    """The blocks around the headers of an archive, read by many threads ahead of one reader.

    Args:
      file: an uncompressed tar.
      start: place of a header, from which on it is read.
      end: of the archive.
    """

    def __init__(self, file: StoredFile, start: int, end: int) -> None:
        self._file = file
        self._start = start
        size = min(max((end - start) // _SEGMENTS, _SMALLEST), _LARGEST)
        self._size = size + -size % BLOCK
        self._count = -((start - end) // self._size)
        self._segments: OrderedDict[int, _Segment] = OrderedDict()
        self._next = 0

    def read(self, offset: int, count: int) -> bytes:
        """Returns the bytes from `offset` on: `count` of them, fewer only at the end of the file.

        Raises:
          OSError: they can't be read.
        """
        number = (offset - self._start) // self._size
        while self._segments and next(iter(self._segments)) < number:
            self._segments.popitem(last=False)[1].is_over = True
        self._next = max(self._next, number)
        while self._next < min(number + _AHEAD, self._count):
            place = self._start + self._next * self._size
            segment = _Segment(self._file, place, place + self._size, is_known=not self._next)
            self._segments[self._next] = segment
            submit(segment.read_headers)
            self._next += 1
        found = self._segments[number].get(offset, count) if number in self._segments else None
        return self._file.read(offset, count) if found is None else found

    def close(self) -> None:
        """Ends the threads after their next read."""
        for segment in self._segments.values():
            segment.is_over = True


class _Segment:
    """A part of an archive, and its blocks that were read.

    Args:
      file: the archive.
      start: first byte.
      end: first byte of the next segment.
      is_known: whether `start` is the place of a header.

    Attributes:
      is_over: whether it is not needed any longer.
    """

    def __init__(self, file: StoredFile, start: int, end: int, is_known: bool) -> None:
        self._file = file
        self._start, self._end = start, end
        self._is_known = is_known
        self._places: list[int] = []
        self._pieces: list[bytes] = []
        self._reached = start  # all headers before it were read
        self._changed = threading.Condition()
        self.is_over = False

    def read_headers(self) -> None:
        """Reads them all; ends where there is no header, or where reading fails."""
        try:
            place = self._start if self._is_known else self._first_header()
            while place is not None and place < self._end and not self.is_over:
                piece = self._file.read(place, _PIECE)
                following = _header_after(piece, place)
                with self._changed:
                    self._places.append(place)
                    self._pieces.append(piece)
                    self._reached = self._end if following is None else following
                    self._changed.notify_all()
                place = following
        except OSError:
            pass  # the reader will meet and report it
        finally:
            with self._changed:
                self._reached = self._end
                self._changed.notify_all()

    def get(self, offset: int, count: int) -> bytes | None:
        """Returns bytes from `offset` on when they were read; None if they will not be."""
        with self._changed:
            self._changed.wait_for(lambda: self._reached > offset)
            number = bisect.bisect_right(self._places, offset) - 1
            if number < 0:
                return None
            place = offset - self._places[number]
            found = self._pieces[number][place : place + count]
            return found if len(found) == count else None

    def _first_header(self) -> int | None:
        for start in range(self._start, min(self._start + _SEARCHED, self._end), _SEARCHED_AT_ONCE):
            if self.is_over:
                return None
            piece = self._file.read(start, _SEARCHED_AT_ONCE)
            for place in range(0, len(piece), BLOCK):
                if piece.startswith(_MAGIC, place + _MAGIC_PLACE) and is_header(piece[place : place + BLOCK]):
                    return start + place
        return None


def _header_after(piece: bytes, place: int) -> int | None:
    """Returns the place of the first header after those in a piece; None if it does not begin with one."""
    within: int | None = 0
    found = None
    while within is not None and within + BLOCK <= len(piece):
        block = piece[within : within + BLOCK]
        try:
            if not is_header(block):
                break
            within = found = next_header(block, within)
        except HeaderError:
            break
    return None if found is None else place + found
