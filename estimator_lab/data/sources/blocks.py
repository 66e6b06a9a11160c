"""Blocks of remote files: each is read by one request, and kept while its members are used.

Those that were used last are in the memory of a process, others in the cache of the machine, which all of its
processes share. A file that is too large for the cache is so kept in parts.
"""

import bisect
import contextlib
import fcntl
import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np

from estimator_lab.base.files import whole_file
from estimator_lab.base.interrupts import stops_within
from estimator_lab.data.sources import room
from estimator_lab.data.sources.remote import RemoteFile
from estimator_lab.data.sources.stores import SILENT_SECONDS

_MOST_HELD = 24  # blocks in memory: those of a window, of the next one, and some besides
_MOST_BYTES = 128 * 2**20  # of small blocks, which may then be more
_PAUSE = 0.02  # seconds between looks whether another process has fetched a block


class BlockFile:
    """A remote file that is read by blocks. Many threads may read it.

    Args:
      file: the file.
      starts: offset of each block, ascending, int64 [blocks].
      ends: where each block ends, int64 [blocks].
      most: bytes of the machine's cache; 0 for none.
    """

    def __init__(self, file: RemoteFile, starts: np.ndarray, ends: np.ndarray, most: int) -> None:
        self._file, self._starts, self._ends, self._most = file, starts.tolist(), ends.tolist(), most

    def read(self, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Returns the bytes at some places, (offset, count) each, within blocks.

        Raises:
          RemoteError: they can't be read.
        """
        numbers = [bisect.bisect_right(self._starts, offset) - 1 for offset, _ in places]
        blocks = {number: self._block(number) for number in dict.fromkeys(numbers)}  # all under way at once
        found = []
        for number, (offset, count) in zip(numbers, places, strict=True):
            begin = offset - self._starts[number]
            found.append(blocks[number].result()[begin : begin + count])
        return found

    def expect(self, offset: int) -> None:
        """Begins to read the block at an offset."""
        self._block(bisect.bisect_right(self._starts, offset) - 1)

    def _block(self, number: int) -> 'Future[bytes]':
        start, end = self._starts[number], min(self._ends[number], self._file.size)
        return _held.get(
            (self._file.key, start, end), partial(_fetched, self._file, start, end - start, self._most)
        )


class _Held:
    """The blocks in memory, and those under way."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._blocks: OrderedDict[tuple[str, int, int], Future[bytes]] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, int, int], fetch: 'partial[bytes]') -> 'Future[bytes]':
        """Returns a block, (file, start, end), which is fetched if it is not there, or could not be read."""
        with self._lock:
            block = self._blocks.get(key)
            if block is None or (block.done() and block.exception()):
                self._bytes += 0 if block else key[2] - key[1]
                block = self._blocks[key] = _begun(fetch)
            self._blocks.move_to_end(key)
            while len(self._blocks) > _MOST_HELD and self._bytes > _MOST_BYTES:
                (_, start, end), _ = self._blocks.popitem(last=False)
                self._bytes -= end - start
            return block


def _begun(fetch: Callable[[], bytes]) -> 'Future[bytes]':
    """Returns what a thread fetches, for which the end of the process does not wait."""
    future: Future[bytes] = Future()

    def run() -> None:
        try:
            future.set_result(fetch())
        except BaseException as error:  # noqa: BLE001 - raised by `result`
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _fetched(file: RemoteFile, start: int, count: int, most: int) -> bytes:
    """Returns a block from the cache, or from the server, and puts it there if there is room."""
    if not (file.version and most):
        return file.part(start, count)
    name = hashlib.blake2b(f'{file.key} {start} {count}'.encode(), digest_size=16).hexdigest()
    kept = file.cache / f'{room.PART}{name}'
    with _alone(kept.with_name(f'.{kept.name}.lock')):
        with contextlib.suppress(OSError):
            if len(data := kept.read_bytes()) == count:
                os.utime(kept)
                return data
        data = file.part(start, count)
        if room.reserve(kept, count, most):
            is_kept = False
            try:
                with contextlib.suppress(OSError), whole_file(kept) as written:  # the disk may be full
                    written.write(data)
                is_kept = kept.exists()
            finally:
                room.release(kept, is_kept)
    return data


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keeps other processes from the same block, while the block runs: what one fetches, the others take.

    The lock of a process ends with it; a process that it forks has none. Where files can't be locked, or
    after the time that a server may be silent, the processes go on side by side.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open('wb')
    except OSError:
        yield
        return
    end = time.monotonic() + SILENT_SECONDS
    with lock:
        while time.monotonic() < end:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except (BlockingIOError, PermissionError):  # another process has it
                if stops_within(_PAUSE):
                    break
            except OSError:
                break
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


_held = _Held()


def _after_fork() -> None:
    """Gives a forked process blocks of its own: those under way belong to threads of its parent."""
    global _held
    _held = _Held()


os.register_at_fork(after_in_child=_after_fork)
