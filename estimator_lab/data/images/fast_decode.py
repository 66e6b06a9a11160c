"""Encoded image bytes -> uint8 pixels, JPEGs by TensorFlow, many at a call: --decode=fast."""

import functools
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from estimator_lab.data.examples.member import BadExampleError
from estimator_lab.data.images.decode import Decoded, ImageShape, check_scans, check_size, decode_images
from estimator_lab.data.images.options import ImageOptions

# From one and a half to three times the requested size, the four nearest pixels are a good approximation:
# from fewer or more pixels, the result is farther from the exact one.
_SLACK = 1.5
_SCALES = (8, 4, 2)  # of libjpeg's inverse DCT
_MOST_TOGETHER = 16  # images in a call of TensorFlow
_GROUP_PIXELS = 4_000_000  # as decoded; a larger image is alone
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive, Huffman-coded
_MOST_SEGMENTS = 1000
_MOST_PIXELS = 4_000_000  # larger images are decoded exactly, one at a time
# Numbers that are rounded at once: TensorFlow shares out more of them among its threads, so that an image of
# 224 x 224 pixels takes a sixth more processor time. A multiple of 16, so that no slice is copied.
_ROUNDED_AT_ONCE = 96_000

_building = threading.RLock()


def decode_images_fast(several: Sequence[bytes], options: ImageOptions) -> list[Decoded]:
    """Decodes as `decode_images` does, JPEGs in a fraction of the time and with slightly different pixels.

    TensorFlow decodes them, many in each call: the inverse DCT scales a JPEG down by 2, 4 or 8, to at least
    one and a half times the requested size; grey is the stored luminance; bilinear interpolation does the
    rest. Damaged and very large JPEGs and other formats are decoded exactly.

    Args and returns as `decode_images`.
    """
    shape = options.shape
    found: dict[int, Decoded] = {}
    groups: dict[int, list[int]] = {}
    pixels: dict[int, int] = {}
    for place, data in enumerate(several):
        size = _size_of(data)
        if size is None:
            continue
        scale = next(
            (
                s
                for s in _SCALES
                if size[1] >= _SLACK * shape.height * s and size[0] >= _SLACK * shape.width * s
            ),
            1,
        )
        group = groups.setdefault(scale, [])
        pixels[scale] = pixels.get(scale, 0) + size[0] * size[1] // scale**2
        if group and (len(group) == _MOST_TOGETHER or pixels[scale] > _GROUP_PIXELS):
            found |= _decoded_together(several, group, scale, shape)
            group.clear()
            pixels[scale] = size[0] * size[1] // scale**2
        group.append(place)
    for scale, group in groups.items():
        found |= _decoded_together(several, group, scale, shape)

    others = [place for place in range(len(several)) if place not in found]
    # Pillow decodes these, and reports what is wrong.
    found |= zip(others, decode_images([several[place] for place in others], options), strict=True)
    return [found[place] for place in range(len(several))]


def _size_of(data: bytes) -> tuple[int, int] | None:
    """Returns (width, height) of an ordinary 8-bit JPEG of a moderate size; None for anything else."""
    place = 2
    if data[:2] != b'\xff\xd8':
        return None
    for _ in range(_MOST_SEGMENTS):
        head = data[place : place + 10]
        if len(head) < 10 or head[0] != 0xFF:
            return None
        if head[1] in _FRAMES:
            height, width, components = head[5] << 8 | head[6], head[7] << 8 | head[8], head[9]
            if head[4] != 8 or components not in (1, 3) or not 0 < width * height <= _MOST_PIXELS:
                return None
            try:
                check_size(width, height)
                check_scans(data, width, height)
            except BadExampleError:
                return None
            return width, height
        place += 2 + (head[2] << 8 | head[3])
    return None


def _decoded_together(
    several: Sequence[bytes], places: Sequence[int], scale: int, shape: ImageShape
) -> dict[int, Decoded]:
    """Returns the pixels of the images at some places, by place, without images that can't be decoded."""
    pixels = scaled_jpegs([several[place] for place in places], shape, scale)
    if pixels is not None:
        return dict(zip(places, pixels, strict=True))
    found: dict[int, Decoded] = {}
    for place in places if len(places) > 1 else ():
        found |= _decoded_together(several, [place], scale, shape)
    return found


def scaled_jpegs(encoded: Sequence[bytes], shape: ImageShape, scale: int) -> np.ndarray | None:
    """Decodes JPEGs by TensorFlow, and scales them by bilinear interpolation between the four nearest pixels.

    Python's lock is released for a whole call. With one image in a call, as in Pillow, threads would wait for
    the lock as long as they decode. The operations run in the calling thread, in their own session, and with
    the accurate integer DCT of Pillow.

    Args:
      encoded: 1 to _MOST_TOGETHER of them.
      shape: to which they are scaled.
      scale: 1, 2, 4 or 8, by which the decoder scales them down.

    Returns:
      uint8 [n, height, width, channels]; None if TensorFlow can't decode one of them.
    """
    from estimator_lab.tf1 import tf

    with _building:  # takes up to a tenth of a second, and once is enough
        run = _decoder(len(encoded), shape, scale)
    try:
        return run(np.array(encoded, object))
    except tf.errors.OpError:
        return None


@functools.cache
def _decoder(count: int, shape: ImageShape, scale: int) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function of string [count] that returns uint8 [count, height, width, channels]."""
    from estimator_lab.tf1 import tf

    numbers = math.prod(shape)
    step = max(_ROUNDED_AT_ONCE, numbers // 128 * 16)  # nine slices or fewer

    def pixels(one: Any) -> list[Any]:
        # Colour is interpolated, as libjpeg does by default, not repeated in blocks.
        image = tf.image.decode_jpeg(one, shape.channels, scale, dct_method='INTEGER_ACCURATE')
        size = shape.height, shape.width
        image = tf.compat.v1.image.resize_bilinear(image[tf.newaxis], size, half_pixel_centers=True)
        if numbers <= step:
            return [tf.cast(image + 0.5, tf.uint8)]
        scaled = tf.reshape(image, [numbers])
        parts = [scaled[start : start + step] for start in range(0, numbers, step)]
        return [tf.cast(part + 0.5, tf.uint8) for part in parts]

    with tf.Graph().as_default() as graph:
        encoded = tf.placeholder(tf.string, [count])
        parts = [part for one in tf.unstack(encoded) for part in pixels(one)]
        batch = tf.reshape(tf.concat(parts, 0), [count, *shape])
    config = tf.ConfigProto(
        inter_op_parallelism_threads=-1,  # only the calling thread
        device_count={'GPU': 0},
    )
    config.graph_options.rewrite_options.disable_meta_optimizer = True  # which takes long and finds nothing
    return tf.Session(graph=graph, config=config).make_callable(batch, [encoded])
