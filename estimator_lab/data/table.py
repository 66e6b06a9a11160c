"""Decoded examples in memory."""

import math
import threading
from collections.abc import Sequence

import numpy as np

from estimator_lab.base.errors import DataError
from estimator_lab.data.member import BadExampleError, Member

# TensorFlow uses an array in place if it begins at such an address; else it copies, holding Python's lock.
_ALIGNED = 64


class Table:
    """The examples of some archives, each decoded once: one array, with a row for each. Thread-safe.

    TensorFlow reads the same memory while other rows are still filled: a row does not change once its number
    is known.

    Args:
      most: number of examples.
      shape: of an example, uint8.

    Attributes:
      array: uint8 [1 + most, *shape], aligned; row 0 is zeros and stands in for a missing example.
    """

    def __init__(self, most: int, shape: Sequence[int]) -> None:
        self.array = aligned(1 + most, shape)
        self.array[0] = 0
        self._rows: dict[tuple[str, int], int | BadExampleError] = {}
        self._next = 1
        self._lock = threading.Lock()

    def row(self, member: Member) -> int | BadExampleError | None:
        """Returns the row of a member, or why it has none; None if it was not decoded yet."""
        return self._rows.get((member.archive, member.offset))

    def find(self, member: Member) -> np.ndarray | BadExampleError | None:
        """Returns the example of a member, or why it has none; None if it was not decoded yet."""
        row = self.row(member)
        return self.array[row] if isinstance(row, int) else row

    def add(self, member: Member, decoded: np.ndarray | BadExampleError) -> None:
        """Keeps the example of a member, or why it has none.

        Raises:
          DataError: the table is full.
        """
        with self._lock:
            key = member.archive, member.offset
            if key in self._rows:
                return
            if isinstance(decoded, BadExampleError):
                self._rows[key] = decoded
                return
            if self._next == len(self.array):
                raise DataError(f'{member.archive!r} has more examples than when training started.')
            self.array[self._next] = decoded
            self._rows[key] = self._next
            self._next += 1


def aligned(count: int, shape: Sequence[int]) -> np.ndarray:
    """Returns an uninitialised array, uint8 [count, *shape], that TensorFlow uses without a copy."""
    size = count * math.prod(shape)
    room = np.empty(size + _ALIGNED, np.uint8)
    first = -room.ctypes.data % _ALIGNED
    return room[first : first + size].reshape(count, *shape)
