"""Decoded images in memory: one array, with a row for each image."""

import math
import threading

import numpy as np

from estimator_lab.data.images.decode import ImageShape
from estimator_lab.data.images.fast_decode import Decoded
from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.errors import DataError

# TensorFlow uses an array in place if it begins at such an address; else it copies, holding Python's lock.
_ALIGNED = 64


class PixelTable:
    """The pixels of images, each decoded once; threads may use it at the same time.

    TensorFlow reads the same memory while other rows are still filled: a row does not change once its number
    is known.

    Args:
      pixels: uint8 [1 + most, height, width, channels], aligned; row 0 stands in for a missing image.

    Attributes:
      pixels: the same.
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self._rows: dict[tuple[str, int], int] = {}
        self._bad: dict[tuple[str, int], str] = {}
        self._lock = threading.Lock()

    @classmethod
    def for_images(cls, most: int, shape: ImageShape) -> 'PixelTable':
        """Returns a table without images; row 0 is black."""
        pixels = aligned(1 + most, shape)
        pixels[0] = 0
        return cls(pixels)

    def row_of(self, member: Member) -> int | BadExampleError | None:
        """Returns the row of a member, or why it has none; None if it was not decoded yet."""
        key = member.archive, member.offset
        row = self._rows.get(key)
        if row is None and key in self._bad:
            return BadExampleError(self._bad[key])
        return row

    def find(self, member: Member) -> Decoded | None:
        """Returns the pixels of a member, or why it has none; None if it was not decoded yet."""
        row = self.row_of(member)
        return self.pixels[row] if isinstance(row, int) else row

    def add(self, member: Member, decoded: Decoded) -> None:
        """Keeps the pixels of a member, or why it has none.

        Raises:
          DataError: the table is full.
        """
        key = member.archive, member.offset
        with self._lock:
            if isinstance(decoded, BadExampleError):
                self._bad[key] = str(decoded)
            elif key not in self._rows:
                row = 1 + len(self._rows)
                if row == len(self.pixels):
                    raise DataError(f'{member.archive!r} has more images than when training started.')
                self.pixels[row] = decoded
                self._rows[key] = row


def aligned(count: int, shape: ImageShape) -> np.ndarray:
    """Returns an uninitialised array, uint8 [count, *shape], that TensorFlow uses without a copy."""
    size = count * math.prod(shape)
    room = np.empty(size + _ALIGNED, np.uint8)
    first = -room.ctypes.data % _ALIGNED
    return room[first : first + size].reshape(count, *shape)


def is_aligned(array: np.ndarray) -> bool:
    """Whether TensorFlow uses an array without a copy."""
    return array.flags.c_contiguous and array.ctypes.data % _ALIGNED == 0
