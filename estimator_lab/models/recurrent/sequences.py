"""Images as sequences."""

from collections.abc import Sequence

import numpy as np

from estimator_lab.tf1 import Tensor, tf

ROWS, COLUMNS, PIXELS, PATCHES, PERMUTED = 'rows', 'columns', 'pixels', 'patches', 'permuted'
READS = (ROWS, COLUMNS, PIXELS, PATCHES, PERMUTED)
"""Ways to read an image; 'permuted' reads the pixels in a fixed random order (Le et al. 2015)."""

_SEED = 1


def as_sequence(images: Tensor, read: str, patch_size: int = 4) -> Tensor:
    """Returns images as sequences, float32 [batch, steps, values].

    Args:
      images: float32 [batch, height, width, channels].
      read: one of `READS`: rows from top to bottom, columns from left to right, pixels and patches in row
        order.
      patch_size: side of a patch in pixels, a divisor of height and width.
    """
    height, width, channels = images.shape.as_list()[1:]
    if read == COLUMNS:
        images = tf.transpose(images, [0, 2, 1, 3])
    elif read == PATCHES:
        down, across = height // patch_size, width // patch_size
        images = tf.reshape(images, [-1, down, patch_size, across, patch_size, channels])
        images = tf.transpose(images, [0, 1, 3, 2, 4, 5])
    sequence = tf.reshape(images, [-1, *steps_and_values((height, width, channels), read, patch_size)])
    return tf.gather(sequence, permutation(height * width), axis=1) if read == PERMUTED else sequence


def steps_and_values(image_shape: Sequence[int], read: str, patch_size: int = 4) -> tuple[int, int]:
    """Returns the length of the sequence and the number of values at each step.

    Args:
      image_shape: (height, width, channels).
      read: one of `READS`.
      patch_size: side of a patch in pixels.
    """
    height, width, channels = image_shape
    return {
        ROWS: (height, width * channels),
        COLUMNS: (width, height * channels),
        PATCHES: (height * width // patch_size**2, patch_size**2 * channels),
    }.get(read, (height * width, channels))


def permutation(count: int) -> np.ndarray:
    """Returns the pixel that 'permuted' reads at each step, int [count], in any version."""
    return np.random.RandomState(_SEED).permutation(count)
