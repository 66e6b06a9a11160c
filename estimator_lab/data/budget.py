"""How much memory examples may take on their way from archives to arrays: weighed in bytes, not counted.

A few bytes of a file may stand for gigabytes. What is ordinary never comes near these limits; beyond them
examples wait, one by one if need be, and each still takes its place in the order.

An example is weighed twice. Encoded: the bytes of its member, a sparse one with its holes, from when they are
read until they are decoded. Decoded: what the decoder needs at once for an image of the size that the header
claims, from before it is decoded until it is scaled to the size that was asked for.

Nobody waits for ever. Who holds a part of DECODED waits for nothing, and so gives it back; who waits for it
may hold a part of ENCODED, never the other way round. What holds either does not wait for its turn in the
order, and what is heavier than a whole budget passes once nothing else is held.
"""

import threading
from collections import deque
from types import TracebackType

_MEBIBYTE = 2**20
_LIGHT = _MEBIBYTE

SHUFFLED = 192 * _MEBIBYTE
"""Of the members in a shuffle buffer. The order depends on it: another number gives other orders."""

AHEAD = 128 * _MEBIBYTE
"""Of the members that wait for their turn to be packed, scaled down or not."""


class Budget:
    """Bytes that all threads together may hold.

    Args:
      most: of them.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition(threading.Lock())

    @property
    def held(self) -> int:
        """Bytes that are held now."""
        return self._held

    def take(self, weight: int) -> None:
        """Holds so many bytes more, as soon as there is room: who asks first is served first."""
        with self._changed:
            if self._waiting or not self._has_room(weight):
                self._wait_in_line(weight)
            self._held += weight

    def add(self, weight: int) -> None:
        """Holds so many bytes more at once, as they are in memory already; `settle` is to follow."""
        with self._changed:
            self._held += weight

    def settle(self) -> None:
        """Waits until no more is held than there may be."""
        if self._held > self._most:
            with self._changed:
                self._changed.wait_for(lambda: self._held <= self._most)

    def give(self, weight: int) -> None:
        """Gives back so many bytes."""
        with self._changed:
            self._held -= weight
            self._changed.notify_all()

    def share(self) -> 'Share':
        """Returns what one thread holds of it, in a `with` block."""
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
    """What one thread holds of a budget, for one example at a time; given back behind its `with` block.

    What weighs less than a mebibyte is not counted: there is one in each thread, and asking would cost more.
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
        """Gives back what it holds, and holds so many bytes instead, as soon as there is room."""
        if self._weight:
            self._budget.give(self._weight)
            self._weight = 0
        if weight >= _LIGHT:
            self._budget.take(weight)
            self._weight = weight


ENCODED = Budget(128 * _MEBIBYTE)
"""Of the members that are about to be decoded."""

DECODED = Budget(512 * _MEBIBYTE)
"""Of the images that are being decoded."""
