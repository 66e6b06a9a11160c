"""Encoded image bytes -> uint8 pixels, JPEGs by TensorFlow, many at a call: --decode=fast."""

import functools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator_lab.data.budget import DECODED
from estimator_lab.data.images.decode import ImageShape, check_shape, decode_image, is_too_large
from estimator_lab.data.images.jpeg import bytes_to_decode, frame_of, has_too_many_scans, scale_for
from estimator_lab.data.member import BadExampleError

Decode = Callable[[bytes, int, int, int], npt.NDArray[np.uint8]]
Decoded = npt.NDArray[np.uint8] | BadExampleError

# From one and a half to three times the requested size, the four nearest pixels are a good approximation:
# from fewer or more pixels, the result is farther from the exact one.
_FAST_SLACK = 1.5
_BYTES_OF_SCALED = 5  # a float and a byte for each value
_GROUP_BYTES = (
    16 * 2**20
)  # of memory that TensorFlow may use for a group of images; a single one may use more
_MOST_TOGETHER = 16  # images in a call of TensorFlow

_building = threading.Lock()


def decode_image_fast(data: bytes, height: int, width: int, channels: int = 1) -> npt.NDArray[np.uint8]:
    """Decodes as `decode_image` does, JPEGs in a fraction of the time and with slightly different pixels.

    TensorFlow decodes them: the inverse DCT scales a JPEG down by 2, 4 or 8, to at least one and a half times
    the requested size; grey is the stored luminance; bilinear interpolation does the rest.
    `benchmarks/input_figures.py difference` measures the distance from the exact pixels. Damaged JPEGs and
    other formats are decoded exactly.

    Args, returns and raises as `decode_image`.
    """
    (pixels,) = decode_images_fast([data], height, width, channels)
    if isinstance(pixels, BadExampleError):
        del data  # which the error would keep alive
        raise pixels
    return pixels


def decode_images_fast(several: Sequence[bytes], height: int, width: int, channels: int = 1) -> list[Decoded]:
    """Decodes images as `decode_image_fast` does, many in each call of TensorFlow.

    Returns:
      For each image its pixels, or why it has none.

    Raises:
      ValueError: `height`, `width` or `channels` is out of range.
    """
    check_shape(height, width, channels)
    shape = ImageShape(height, width, channels)
    found: dict[int, Decoded] = {}
    with DECODED.share() as share:
        for group in _groups(several, shape):
            share.hold(group.weight)
            found |= _decoded_together(several, group.places, group.scale, shape)
    # Pillow reports what is wrong.
    return [
        found[place] if place in found else pixels_or_why(decode_image, data, shape)
        for place, data in enumerate(several)
    ]


def pixels_or_why(decode: Decode, data: bytes, shape: ImageShape) -> Decoded:
    """Returns the pixels of an image, or why it has none."""
    try:
        return decode(data, *shape)
    except BadExampleError as reason:
        return reason.with_traceback(None)  # which would keep the image alive


@dataclass
class _Group:
    """Images that TensorFlow decodes in one call.

    Attributes:
      scale: by which the decoder scales them down.
      places: of the images, among all.
      weight: bytes of memory that it takes to decode them.
    """

    scale: int
    places: list[int] = field(default_factory=list)
    weight: int = 0


def _groups(several: Sequence[bytes], shape: ImageShape) -> Iterator[_Group]:
    """Yields groups of the images that are ordinary JPEGs of an allowed size."""
    bytes_scaled = math.prod(shape) * _BYTES_OF_SCALED
    unfinished: dict[int, _Group] = {}
    for place, data in enumerate(several):
        frame = frame_of(data)
        if frame is None or is_too_large(frame.width, frame.height):
            continue
        if not frame.in_one_pass and has_too_many_scans(data, frame.width, frame.height):
            continue
        scale = scale_for(frame, shape.height, shape.width, _FAST_SLACK)
        weight = bytes_to_decode(frame, scale) + bytes_scaled
        group = unfinished.setdefault(scale, _Group(scale))
        if group.places and (len(group.places) == _MOST_TOGETHER or group.weight + weight > _GROUP_BYTES):
            yield group
            group = unfinished[scale] = _Group(scale)
        group.places.append(place)
        group.weight += weight
    yield from unfinished.values()


def _decoded_together(
    several: Sequence[bytes], places: Sequence[int], scale: int, shape: ImageShape
) -> dict[int, Decoded]:
    """Returns the pixels of the images at some places, by place, without those that can't be decoded."""
    pixels = scaled_jpegs([several[place] for place in places], shape, scale)
    if pixels is not None:
        return dict(zip(places, pixels, strict=True))
    found: dict[int, Decoded] = {}
    if len(places) > 1:
        for place in places:
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

    def pixels(one: Any) -> Any:
        # Colour is interpolated, as libjpeg does by default, not repeated in blocks.
        image = tf.image.decode_jpeg(one, shape.channels, scale, dct_method='INTEGER_ACCURATE')
        size = shape.height, shape.width
        image = tf.compat.v1.image.resize_bilinear(image[tf.newaxis], size, half_pixel_centers=True)
        return tf.cast(image + 0.5, tf.uint8)

    with tf.Graph().as_default() as graph:
        encoded = tf.placeholder(tf.string, [count])
        batch = tf.concat([pixels(one) for one in tf.unstack(encoded)], 0)
    config = tf.ConfigProto(
        inter_op_parallelism_threads=-1,  # only the calling thread
        device_count={'GPU': 0},
    )
    config.graph_options.rewrite_options.disable_meta_optimizer = True  # which takes long and finds nothing
    return tf.Session(graph=graph, config=config).make_callable(batch, [encoded])
