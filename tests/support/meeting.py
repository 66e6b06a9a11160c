"""Calls that wait for each other, which shows on any machine that they are under way at once."""

import threading


class Meeting:
    """Holds calls until a number of them are under way at once.

    Attributes:
      complete: set from then on.
    """

    def __init__(self, count: int) -> None:
        self.complete = threading.Event()
        self._missing = count
        self._lock = threading.Lock()

    def attend(self) -> None:
        """Waits for the others, a minute at most."""
        with self._lock:
            self._missing -= 1
            if not self._missing:
                self.complete.set()
        if not self.complete.wait(60):
            with self._lock:
                self._missing += 1
