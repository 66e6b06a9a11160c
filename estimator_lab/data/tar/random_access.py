"""Members of a stored archive, read at the places in its index."""

import contextlib
import os
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from estimator_lab.data.kind import Kind
from estimator_lab.data.storage.files import LocalFile, StoredFile, open_version
from estimator_lab.data.tar.headers import BLOCK
from estimator_lab.data.tar.index_file import NO_HEADERS, NOT_IN_ONE_PIECE, share_of_limit
from estimator_lab.data.tar.stream import member_at
from estimator_lab.errors import DataError

_READ_AT_ONCE = 2**20
_MOST_OPEN = 512
_LEAST_OPEN = 4

Row = tuple[int, int, int, int, int, int]
"""The columns of `index_file.ROW` for one member."""


class OpenFiles:
    """The most recently used archives stay open, up to a share of what the process may open; thread-safe."""

    def __init__(self) -> None:
        self._files: OrderedDict[tuple[str, int], LocalFile] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str, mtime_ns: int) -> LocalFile:
        """Returns a file, opened again if its modification time has changed.

        Raises:
          OSError: it can't be opened.
        """
        key = path, mtime_ns
        with self._lock:
            if key in self._files:
                self._files.move_to_end(key)
                return self._files[key]
        file = LocalFile(path)  # two threads may do it at once: then one of the two is kept
        with self._lock:
            self._files[key] = file
            while len(self._files) > share_of_limit(4, _MOST_OPEN, _LEAST_OPEN):
                self._files.popitem(last=False)
        return file

    def forget(self, path: str, mtime_ns: int) -> None:
        """Closes a file, unless a thread still uses it."""
        with self._lock:
            self._files.pop((path, mtime_ns), None)


_open_files = OpenFiles()
_reading = threading.Lock()


@dataclass(frozen=True)
class RandomAccess:
    """Reads members of one archive; thread-safe.

    Attributes:
      archive: its path.
      mtime_ns: its modification time, or its version elsewhere, according to the index.
      kind: which members are examples.
      is_elsewhere: whether fsspec reads it.
    """

    archive: str
    mtime_ns: int
    kind: Kind
    is_elsewhere: bool = False

    @contextlib.contextmanager
    def together(self, rows: Iterable[Row]) -> Iterator[None]:
        """Prepares reading some members in a `with` block, which one thread enters at a time.

        Reading cached data releases Python's lock for some microseconds; if other threads wait for it,
        reacquiring it takes several times as long. The system is told of all members first, so that a disk
        works on many of them at once although one thread reads.
        """
        if self.is_slow or not hasattr(os, 'posix_fadvise'):
            yield
            return
        with _reading:
            with contextlib.suppress(OSError):  # only advice: reading reports what is wrong
                # A reference, or another thread may close it.
                file = _open_files.get(self.archive, self.mtime_ns)
                for offset, size, _, headers, _, _ in rows:
                    count = size if headers == NO_HEADERS else headers + size
                    os.posix_fadvise(file.descriptor, offset, count, os.POSIX_FADV_WILLNEED)
            yield

    @property
    def is_slow(self) -> bool:
        """Whether many reads at once take about as long as one."""
        try:
            return self._file.is_slow
        except OSError:  # reading reports it
            return False

    def data(self, name: str, row: Row) -> bytes | None:
        """Returns the data of a member; None if it is no longer there.

        Raises:
          DataError: the archive can't be read.
        """
        offset, size, _, headers, checksum, _ = row
        in_one_piece = headers != NOT_IN_ONE_PIECE
        headers = 0 if headers == NO_HEADERS else headers
        at_once = in_one_piece and size <= _READ_AT_ONCE  # a larger one would be in memory twice
        stored = self._read(headers + size if at_once else BLOCK, offset)
        if zlib.adler32(stored[:BLOCK]) != checksum:
            return None
        if at_once:
            return stored[headers:] if len(stored) == headers + size else None
        if in_one_piece:
            data = self._read(size, offset + headers)
            return data if len(data) == size else None
        try:
            member = member_at(self.archive, offset, self.kind)
        except DataError:
            return None
        return member.data if (member.name, len(member.data)) == (name, size) else None

    def header_is_there(self, row: Row) -> bool:
        """Returns whether the first header of a member is where it was.

        Raises:
          DataError: the archive can't be read.
        """
        offset, size, _, headers, checksum, _ = row
        count = min(size, BLOCK) if headers == NO_HEADERS else BLOCK
        return zlib.adler32(self._read(count, offset)) == checksum

    def close(self) -> None:
        """Closes the archive; reading opens it again."""
        _open_files.forget(self.archive, self.mtime_ns)

    @property
    def _file(self) -> StoredFile:
        if self.is_elsewhere:
            return open_version(self.archive, self.mtime_ns)
        return _open_files.get(self.archive, self.mtime_ns)

    def _read(self, count: int, offset: int) -> bytes:
        try:
            return self._file.read(offset, count)
        except OSError as error:
            raise DataError(f'{self.archive!r} cannot be read any more: {error.strerror}.') from error
