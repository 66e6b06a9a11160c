"""Names and pixel ranges that input functions, models and displays agree on. No TensorFlow."""

import numpy as np
import numpy.typing as npt

RECORD = 'experiment.json'
"""The file that marks the folder of a trained model."""

KEY = 'key'
"""Unique name of an example, 'ARCHIVE:MEMBER': string [batch]."""

WEIGHT = 'weight'
"""Weight of an example in losses and metrics, 1, or 0 to ignore it: float32 [batch]."""

IMAGE = 'image'
"""Pixels in [0, 1]: float32 [batch, height, width, channels]."""

TOKEN = 'token'
"""Token ids of a tree's nodes, 0 for an unknown token, -1 for inner nodes: int32 [batch, nodes]."""

LEFT = 'left'
"""Left child of each node, -1 for leaves: int32 [batch, nodes]. The right child precedes its node."""

LEVEL = 'level'
"""Height of each node, 0 for leaves, -1 for padding after the root: int32 [batch, nodes]."""

NODE_LABEL = 'node_label'
"""Class id of each node, -1 where it has none: int32 [batch, nodes]."""

PIXELS = 'pixels'
"""Name of the inputs of an export that are pixels, not files."""

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey, as Pillow converts to it (ITU-R BT.601)."""

UINT8_MAX = 255
"""Largest pixel value in files and archives; networks use floats in [0, 1]."""


def to_unit_range(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Converts pixels from uint8 in [0, 255] to float32 in [0, 1].

    Examples:
        >>> to_unit_range(np.array([0, 51, 255], np.uint8)).tolist()
        [0.0, 0.20000000298023224, 1.0]
    """
    return np.divide(image, UINT8_MAX, dtype=np.float32)


def in_unit_range(image: np.ndarray) -> npt.NDArray[np.float32]:
    """Returns pixels, uint8 or floats in [0, 1], as float32 in [0, 1]."""
    return to_unit_range(image) if image.dtype == np.uint8 else image.astype(np.float32, copy=False)


def to_bytes(image: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Converts pixels from floats in [0, 1] to uint8 in [0, 255]; clips values outside, NaN becomes 0.

    Examples:
        >>> to_bytes(np.array([0.0, 0.2, 1.5, np.nan])).tolist()
        [0, 51, 255, 0]
    """
    return np.clip(np.rint(np.nan_to_num(image) * UINT8_MAX), 0, UINT8_MAX).astype(np.uint8)
