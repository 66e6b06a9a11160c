"""Limits in bytes on the memory of examples between archives and arrays.

A few bytes of a file may decode to gigabytes. Ordinary examples never come near these limits; beyond them
examples wait for each other, one by one if need be, and keep their places in the order.

An example counts twice. ENCODED: the bytes of its member, including the holes of a sparse one, from reading
to decoding. DECODED: what the decoder needs at once for an image of the size that its header claims, until it
is scaled to the requested size.

No deadlock: a thread that holds a share of DECODED never blocks; one that waits for DECODED may hold a share
of ENCODED, never the reverse. A holder of either does not wait for its turn in the order. An example larger
than a whole budget passes once nothing else is held.
"""

import threading
from collections import deque
from types import TracebackType

_MEBIBYTE = 2**20
_LIGHT = _MEBIBYTE

SHUFFLED = 192 * _MEBIBYTE
"""Bytes of members in a shuffle buffer. The order depends on this number."""

AHEAD = 128 * _MEBIBYTE
"""Bytes of members that wait for their turn to be packed, scaled down or not."""


class Budget:
    """Bytes that all threads together may hold.

    Args:
      most: that number.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition(threading.Lock())

    @property
    def held(self) -> int:
        """Bytes held now."""
        return self._held

    def take(self, weight: int) -> None:
        """Acquires `weight` bytes, waiting until there is room; threads are served in order of arrival."""
        with self._changed:
            if self._waiting or not self._has_room(weight):
                self._wait_in_line(weight)
            self._held += weight

    def add(self, weight: int) -> None:
        """Acquires `weight` bytes that are in memory already, without waiting; `settle` must follow."""
        with self._changed:
            self._held += weight

    def settle(self) -> None:
        """Waits until no more bytes are held than allowed."""
        if self._held > self._most:
            with self._changed:
                self._changed.wait_for(lambda: self._held <= self._most)

    def give(self, weight: int) -> None:
        """Releases `weight` bytes."""
        with self._changed:
            self._held -= weight
            self._changed.notify_all()

    def share(self) -> 'Share':
        """Returns the share of one thread, as a context manager."""
        return Share(self)

    def _has_room(self, weight: int) -> bool:
        return not self._held or self._held + weight <= self._most

    def _wait_in_line(self, weight: int) -> None:
        place = object()
        self._waiting.append(place)
        try:
            self._changed.wait_for(lambda: self._waiting[0] is place and self._has_room(weight))
        finally:
            self._waiting.remove(place)
            self._changed.notify_all()  # the next one may fit in as well


class Share:
    """The bytes that one thread holds for one example at a time; released after its `with` block.

    Less than a mebibyte is not counted: each thread has one example, and locking would cost more.
    """

    __slots__ = ('_budget', '_weight')

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._weight = 0

    def __enter__(self) -> 'Share':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hold(0)

    def hold(self, weight: int) -> None:
        """Releases what it holds and acquires `weight` bytes, waiting until there is room."""
        if self._weight:
            self._budget.give(self._weight)
            self._weight = 0
        if weight >= _LIGHT:
            self._budget.take(weight)
            self._weight = weight


ENCODED_BYTES = 128 * _MEBIBYTE
ENCODED = Budget(ENCODED_BYTES)
"""Bytes of members that are about to be decoded."""

DECODED_BYTES = 512 * _MEBIBYTE
DECODED = Budget(DECODED_BYTES)
"""Bytes of images that are being decoded."""
