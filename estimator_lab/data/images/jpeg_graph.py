"""JPEG bytes -> pixels of one size by TensorFlow's own operations, several images at a call.

Python's lock is let go for a whole call: with an image at a time, as Pillow takes them, threads spend as
long waiting for it as they decode. The operations run in the thread that calls, in a session of their own.
"""

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from estimator_lab.data.images.kind import ImageShape

MOST = 16
"""Images in a call."""

_building = threading.Lock()


def scaled_jpegs(encoded: Sequence[bytes], shape: ImageShape, scale: int) -> np.ndarray | None:
    """Decodes JPEGs, and scales them by bilinear interpolation between the four nearest pixels.

    The transform back from frequencies is the accurate one, in integers: that of Pillow.

    Args:
      encoded: 1 to `MOST` of them.
      shape: to which they are scaled.
      scale: 1, 2, 4 or 8, by which they come smaller out of the decoder already.

    Returns:
      uint8 [n, height, width, channels]; None if TensorFlow can't decode one of them.
    """
    from estimator_lab.tf1 import tf

    with _building:  # up to a tenth of a second; that several threads make the same one helps nobody
        run = _decoder(len(encoded), shape, scale)
    try:
        return run(np.array(encoded, object))
    except tf.errors.OpError:
        return None


@functools.cache
def _decoder(count: int, shape: ImageShape, scale: int) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function of string [count] that gives uint8 [count, height, width, channels]."""
    from estimator_lab.tf1 import tf

    def pixels(one: Any) -> Any:
        # Colour is interpolated as libjpeg's users expect it, not repeated in blocks.
        image = tf.image.decode_jpeg(one, shape.channels, scale, dct_method='INTEGER_ACCURATE')
        size = shape.height, shape.width
        image = tf.compat.v1.image.resize_bilinear(image[tf.newaxis], size, half_pixel_centers=True)
        return tf.cast(image + 0.5, tf.uint8)

    with tf.Graph().as_default() as graph:
        encoded = tf.placeholder(tf.string, [count])
        batch = tf.concat([pixels(one) for one in tf.unstack(encoded)], 0)
    config = tf.ConfigProto(
        inter_op_parallelism_threads=-1,  # none but the one that calls
        device_count={'GPU': 0},
    )
    config.graph_options.rewrite_options.disable_meta_optimizer = True  # which finds nothing, and takes long
    return tf.Session(graph=graph, config=config).make_callable(batch, [encoded])
