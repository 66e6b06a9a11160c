"""Windows that cover an image, each small enough for a network to see it at once. No TensorFlow."""

from collections.abc import Sequence

import numpy as np

Window = tuple[slice, slice]
"""Rows and columns."""


def windows(height: int, width: int, sides: Sequence[int], exact: bool) -> list[Window]:
    """Returns windows of one size that cover an image, and overlap as little as that allows.

    Args:
      height: of the image in pixels.
      width: of the image in pixels.
      sides: (height, width) of a window; the most that it may have.
      exact: whether it has to have them; the image is not smaller then.
    """
    rows, columns = (_spans(length, side, exact) for length, side in zip((height, width), sides, strict=True))
    return [(row, column) for row in rows for column in columns]


def _spans(length: int, most: int, exact: bool) -> list[slice]:
    count = -(-length // most)
    side = most if exact else -(-length // count)
    starts = np.linspace(0, length - side, count).round().astype(int).tolist()
    return [slice(start, start + side) for start in starts]
