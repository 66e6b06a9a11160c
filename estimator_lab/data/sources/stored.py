"""Files that many threads read at any place: local and remote ones."""

import contextlib
import functools
import os
import threading
from collections.abc import Sequence
from typing import Protocol

from estimator_lab.data.sources import remote
from estimator_lab.data.sources.source import MAGIC_BYTES, Source, is_compressed

_MOST_OPEN = 64
_reading = threading.Lock()


class Stored(Protocol):
    """A file with random access."""

    @property
    def is_slow(self) -> bool:
        """Whether many reads at once take about as long as one."""

    def read(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Returns the bytes at some places, (offset, count) each; fewer only at the end of the file.

        Raises:
          OSError: they can't be read.
        """


def open_stored(source: Source) -> Stored | None:
    """Returns a source as a file with random access; None if it has none: a pipe, or a compressed file.

    Raises:
      OSError: it can't be opened.
    """
    if source.is_pipe:
        return None
    stored: Stored = _LocalFile(source.url)
    if source.is_remote:
        file = remote.open_remote(source.url)
        if not (file.local or file.facts.has_ranges):
            return None
        stored = _LocalFile(str(file.local)) if file.local else file
    (head,) = stored.read([(0, MAGIC_BYTES)])
    return None if is_compressed(head) else stored


class _LocalFile:
    """A local file; the most recently used ones stay open."""

    is_slow = False

    def __init__(self, path: str) -> None:
        self._path = path

    def read(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """See `Stored.read`.

        One thread reads at a time. Reading cached data releases Python's lock for some microseconds; if other
        threads wait for it, reacquiring it takes several times as long. The system is told of all places
        first, so that a disk works on many of them at once.
        """
        with _reading:
            opened = _opened(self._path)
            if len(places) > 1 and hasattr(os, 'posix_fadvise'):
                with contextlib.suppress(OSError):  # only advice
                    for offset, count in places:
                        os.posix_fadvise(opened.descriptor, offset, count, os.POSIX_FADV_WILLNEED)
            return [os.pread(opened.descriptor, count, offset) for offset, count in places]


class _Opened:
    """An open file, which is closed when nothing refers to it any longer."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, 'descriptor'):
            os.close(self.descriptor)


@functools.lru_cache(_MOST_OPEN)
def _opened(path: str) -> _Opened:
    return _Opened(path)
