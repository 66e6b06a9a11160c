"""The value range of pixels: bytes in files and archives, floats in [0, 1] in networks. No TensorFlow."""

import numpy as np
import numpy.typing as npt

UINT8_MAX = 255


def to_unit_range(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """uint8 in [0, 255] -> float32 in [0, 1], of the same shape."""
    return np.divide(image, UINT8_MAX, dtype=np.float32)


def to_bytes(image: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Floats in [0, 1] -> uint8 in [0, 255], of the same shape; what lies beyond is cut, no number is 0."""
    return np.clip(np.rint(np.nan_to_num(image) * UINT8_MAX), 0, UINT8_MAX).astype(np.uint8)
