"""Stored files, read at any place by many threads: files here, and files elsewhere."""

import hashlib
import io
import os
import threading
import time
from functools import cached_property
from typing import Protocol

from estimator_lab.base.urls import unsigned
from estimator_lab.data.storage.failures import FIRST_PAUSES, ChangedError, repeated
from estimator_lab.data.storage.names import private_name
from estimator_lab.data.storage.packages import transport_of
from estimator_lab.data.storage.range_cache import KeptFile, kept_file
from estimator_lab.data.storage.transport import Facts

_MOST_AT_ONCE = 2**23  # bytes of a request: after a failure no more than these are read again
_MOST_OPENED = 2**16
_SLOW_SECONDS = 0.002  # for a read: more than waiting for Python's lock takes; a network or a cold disk
_NEWEST = 0.1  # share of the newest read in the average


class StoredFile(Protocol):
    """A file that many threads may read at once."""

    @property
    def is_slow(self) -> bool:
        """Whether many reads at once take about as long as one."""

    @property
    def size(self) -> int:
        """Bytes of the file."""

    def read(self, offset: int, count: int) -> bytes:
        """Returns the bytes from `offset` on: `count` of them, fewer only at the end of the file.

        Raises:
          OSError: it can't be read.
        """


class LocalFile:
    """A file that is closed when no thread uses it any longer; see `StoredFile`.

    Attributes:
      descriptor: of the open file.
    """

    descriptor = -1

    def __init__(self, path: str | int) -> None:
        """Opens a file, or an open one, by its descriptor, once more."""
        self.descriptor = os.dup(path) if isinstance(path, int) else os.open(path, os.O_RDONLY)
        self._seconds = 0.0

    @property
    def size(self) -> int:
        """See `StoredFile.size`."""
        return os.fstat(self.descriptor).st_size

    def read(self, offset: int, count: int) -> bytes:
        """See `StoredFile.read`."""
        begun = time.perf_counter()
        data = os.pread(self.descriptor, count, offset)
        self._seconds += _NEWEST * (time.perf_counter() - begun - self._seconds)
        return data

    @property
    def is_slow(self) -> bool:
        """See `StoredFile.is_slow`; measured."""
        return self._seconds > _SLOW_SECONDS

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


class RemoteFile:
    """A file elsewhere, as it was when it was opened; see `StoredFile`.

    Args:
      name: its public name.

    Attributes:
      facts: what was known of it then.

    Raises:
      RemoteError: it can't be opened.
    """

    is_slow = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.transport = transport_of(private_name(name))
        self.facts: Facts = repeated(self.transport.probe, FIRST_PAUSES)

    @property
    def size(self) -> int:
        """See `StoredFile.size`; 0 if it is unknown."""
        return self.facts.size or 0

    @cached_property
    def version(self) -> int:
        """A number below 2**62 that changes when the file does."""
        digest = hashlib.blake2b(self.facts.identity.encode(), digest_size=8).digest()
        return int.from_bytes(digest, 'big') >> 2

    def read(self, offset: int, count: int) -> bytes:
        """See `StoredFile.read`."""
        end = min(offset + count, self.size)
        if end - offset <= _MOST_AT_ONCE:
            return self._fetch(offset, end - offset) if end > offset else b''
        pieces = range(offset, end, _MOST_AT_ONCE)
        return b''.join(self._fetch(start, min(_MOST_AT_ONCE, end - start)) for start in pieces)

    @cached_property
    def kept(self) -> 'KeptRemoteFile':
        """The same file, whose parts are kept on the local disk once they were read."""
        # Without a known version, the parts of another one could be mistaken for its own.
        key = f'{self.version:x}-{self.size:x}-{unsigned(private_name(self.name))}'
        return KeptRemoteFile(self, kept_file(key) if self.facts.identity else None)

    def _fetch(self, offset: int, count: int) -> bytes:
        return repeated(lambda: self.transport.fetch(offset, count, self.facts))


class KeptRemoteFile:
    """A file elsewhere whose parts are kept; see `StoredFile`.

    Attributes:
      file: the file.
    """

    is_slow = True

    def __init__(self, file: RemoteFile, kept: KeptFile | None) -> None:
        self.file = file
        self._kept = kept

    @property
    def size(self) -> int:
        """See `StoredFile.size`."""
        return self.file.size

    def read(self, offset: int, count: int) -> bytes:
        """See `StoredFile.read`."""
        data = self._kept.get(offset, min(count, self.size - offset)) if self._kept else None
        if data is None:
            data = self.file.read(offset, count)
            if self._kept and data:
                self._kept.put(offset, data)
        return data


def stored_file_of(raw: object) -> StoredFile | None:
    """Returns the file below a raw binary file, whose parts are not kept; None if only that can read it."""
    if isinstance(raw, io.FileIO):
        return LocalFile(raw.fileno())
    below: StoredFile | None = getattr(raw, 'stored', None)
    return below.file if isinstance(below, KeptRemoteFile) else below


_opened: dict[str, RemoteFile] = {}
_lock = threading.Lock()


def open_remote(name: str, again: bool = False) -> RemoteFile:
    """Returns a file elsewhere.

    Args:
      name: its public name.
      again: whether to look whether it has changed since it was opened last.

    Raises:
      RemoteError: it can't be opened.
    """
    known = _opened.get(name)
    if known and not again:
        return known
    file = RemoteFile(name)
    if known and known.facts == file.facts:
        return known
    with _lock:
        _opened[name] = file
        while len(_opened) > _MOST_OPENED:
            del _opened[next(iter(_opened))]
    return file


def open_version(name: str, version: int) -> KeptRemoteFile:
    """Returns a version of a file elsewhere, whose parts are kept.

    Raises:
      ChangedError: there is another version now.
      RemoteError: it can't be opened.
    """
    file = open_remote(name)
    if file.version != version:
        raise ChangedError
    return file.kept
