"""Brings a file into the system's memory ahead of a reader who jumps through it."""

import contextlib
import os
import threading
from collections.abc import Callable

_CHUNK = 2**21
_LEAD = 2**28  # bytes ahead of the reader: more might be forgotten again before they are wanted
_PAUSE_SECONDS = 0.001


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
        buffer, place = bytearray(_CHUNK), 0
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
