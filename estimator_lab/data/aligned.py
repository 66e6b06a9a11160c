"""Arrays that TensorFlow takes as they are; any other it copies, with Python's lock."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_ALIGNED = 64  # bytes, at a multiple of which such an array begins


def aligned_array(shape: Sequence[int], dtype: npt.DTypeLike) -> np.ndarray:
    """Returns an array of that shape and type, of no values in particular."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + _ALIGNED, np.uint8)
    first = -room.ctypes.data % _ALIGNED
    return room[first : first + size].view(dtype).reshape(shape)
