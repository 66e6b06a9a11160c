"""How a source is read: its examples in stored order, or the data of some of them at their places.

A new kind of source, such as ZIP archives, is a module with a `Format`, and a line in `formats.format_of`.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.member import BadExampleError, ChangedError, Data, Member
from estimator_lab.data.sources import remote
from estimator_lab.data.sources.files import SkippedFiles
from estimator_lab.data.sources.source import MAGIC_BYTES, Source, decompressor

_MOST_OPEN = 64
_reading = threading.RLock()  # a signal handler may read, too: a thread does not wait for itself


@dataclass
class Scan:
    """How a source is read, and what is said of it.

    Attributes:
      headers_only: whether data is left out, where that is faster.
      note: called with words that follow the source's name, about what is unusual but not an error.
      progress: called with the share of the source's bytes that was read, in [0, 1]; 0 if unknown.
      skipped: counts the files that are not examples.
    """

    headers_only: bool = False
    note: Callable[[str], None] = lambda words: None
    progress: Callable[[float], None] = lambda share: None
    skipped: SkippedFiles = field(default_factory=SkippedFiles)


class Format(NamedTuple):
    """A kind of source.

    Attributes:
      scan: yields the examples of a source in stored order, with their data if it is read in passing. Raises
        DataError where it can't be read, or is damaged; every example before the damage is yielded first.
      read: returns the data of members, or why they have none, from a file with random access if the format
        `is_cached`, else from the source; raises as `member.MemberBytes` does.
      is_cached: whether listing it takes reading it: an index is kept for later starts, and a pass over the
        examples has their data at once. That of others, pipes apart, is read in many threads.
    """

    scan: Callable[[Source, Kind, Scan], Iterator[Member]]
    read: Callable[[Any, Sequence[Member]], list[Data | BadExampleError]]
    is_cached: bool


class UnindexedBytes(NamedTuple):
    """Reads the members of a source without an index: a `member.MemberBytes`."""

    source: Source
    read_from: Callable[[Any, Sequence[Member]], list[Data | BadExampleError]]

    @property
    def is_slow(self) -> bool:
        """See `member.MemberBytes`."""
        return self.source.is_remote

    def read(self, members: Sequence[Member]) -> list[Data | BadExampleError]:
        """See `member.MemberBytes`."""
        return self.read_from(self.source, members)


def open_stored(source: Source) -> 'Stored | None':
    """Returns a source as a file with random access; None if it has none: a pipe, or a compressed file.

    Raises:
      OSError: it can't be opened.
    """
    if source.is_pipe:
        return None
    head = b''  # unless the server has sent it
    if source.is_remote:
        file = remote.open_remote(source.url)
        if not (file.local or file.facts.has_ranges):
            return None
        stored: Stored = _LocalFile.at(str(file.local), file) if file.local else file
        head = b'' if file.local else file.facts.head
    else:
        stored = _LocalFile.at(source.url)
    head = head[:MAGIC_BYTES] or stored.read([(0, MAGIC_BYTES)])[0]
    return None if decompressor(head) else stored


@dataclass(frozen=True)
class _LocalFile:
    """A local file as it was when it was opened; the most recently used ones stay open.

    Attributes:
      path: of the file.
      identity: its device, inode, size and time of modification in ns: another file at that path is not it.
      copy_of: the remote file of which it is a copy in the cache, and which is read if the copy had to make
        room; None for others.
    """

    path: str
    identity: tuple[int, int, int, int]
    copy_of: remote.RemoteFile | None = None
    is_remote = False

    @classmethod
    def at(cls, path: str, copy_of: remote.RemoteFile | None = None) -> '_LocalFile':
        """Returns the file that is at a path now."""
        return cls(path, _identity(os.stat(path)), copy_of)  # noqa: PTH116 - as for a descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process, maybe on another machine, sees a device and an inode of its own."""
        return _reopened, (self.path, self.copy_of)

    def read(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Returns the bytes at some places, (offset, count) each; fewer only at the end of the file."""
        try:
            return self._read(places)
        except (FileNotFoundError, ChangedError):
            if not (self.copy_of and self.copy_of.facts.has_ranges):
                raise
            return self.copy_of.read(places)

    def _read(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Returns the bytes at some places of this file itself.

        One thread reads at a time. Reading cached data releases Python's lock for some microseconds; if other
        threads wait for it, reacquiring it takes several times as long. The system is told of all places
        first, so that a disk works on many of them at once.
        """
        with _reading:
            opened = _opened(self.path, self.identity)
            if len(places) > 1 and hasattr(os, 'posix_fadvise'):
                with contextlib.suppress(OSError):  # only advice
                    for offset, count in places:
                        os.posix_fadvise(opened.descriptor, offset, count, os.POSIX_FADV_WILLNEED)
            return [os.pread(opened.descriptor, count, offset) for offset, count in places]


def _reopened(path: str, copy_of: remote.RemoteFile | None) -> _LocalFile:
    """Returns the file at a path for another process; if it is gone, reading it says so."""
    try:
        return _LocalFile.at(path, copy_of)
    except OSError:
        return _LocalFile(path, (0, 0, 0, 0), copy_of)


Stored = _LocalFile | remote.RemoteFile
"""A file with random access."""


class _Opened:
    """An open file, which is closed when nothing refers to it any longer."""

    def __init__(self, path: str, identity: tuple[int, int, int, int]) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)
        if _identity(os.fstat(self.descriptor))[:3] != identity[:3]:  # the cache touches its files
            raise ChangedError

    def __del__(self) -> None:
        if hasattr(self, 'descriptor'):
            os.close(self.descriptor)


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


_opened = functools.lru_cache(_MOST_OPEN)(_Opened)


def _after_fork() -> None:
    """Gives a forked process a lock that no thread of its parent holds, and files of its own."""
    global _reading
    _reading = threading.RLock()
    _opened.cache_clear()


os.register_at_fork(after_in_child=_after_fork)
