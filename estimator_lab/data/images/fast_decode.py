"""Encoded image bytes -> uint8 pixels, JPEGs by TensorFlow, many at a call: --decode=fast."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from estimator_lab.data.budget import DECODED
from estimator_lab.data.images.decode import check_wanted, decode_image, is_too_large
from estimator_lab.data.images.jpeg import bytes_to_decode, frame_of, scale_for
from estimator_lab.data.images.jpeg_graph import MOST, scaled_jpegs
from estimator_lab.data.images.kind import ImageShape
from estimator_lab.data.member import BadExampleError

Decode = Callable[[bytes, int, int, int], npt.NDArray[np.uint8]]
Decoded = npt.NDArray[np.uint8] | BadExampleError

# Between one and a half times the wanted size and three times, the four nearest pixels are near enough: with
# less left, or more, the result is farther from the exact one.
_FAST_SLACK = 1.5
_BYTES_OF_SCALED = 5  # a float and a byte for each value
_GROUP_BYTES = 16 * 2**20  # that TensorFlow may take for some images at once; one alone may take more


def decode_image_fast(data: bytes, height: int, width: int, channels: int = 1) -> npt.NDArray[np.uint8]:
    """Does what `decode_image` does, for JPEGs in a fraction of the time and with slightly other pixels.

    TensorFlow decodes them: a JPEG is scaled down as it is transformed back from frequencies, by 2, 4 or 8 as
    long as one and a half times the wanted size is left; grey is its luminance as stored; bilinear
    interpolation goes the rest of the way. `benchmarks/input_figures.py difference` says how far the pixels
    are from the exact ones. What is no ordinary JPEG, or is damaged, is decoded exactly.

    Args, returns and raises as `decode_image`.
    """
    (pixels,) = decode_images_fast([data], height, width, channels)
    if isinstance(pixels, BadExampleError):
        del data  # which an error that is kept would keep
        raise pixels
    return pixels


def decode_images_fast(several: Sequence[bytes], height: int, width: int, channels: int = 1) -> list[Decoded]:
    """Decodes images as `decode_image_fast` does, many at a call of TensorFlow.

    Returns:
      For each image its pixels, or why there are none.

    Raises:
      ValueError: `height`, `width` or `channels` is out of range.
    """
    check_wanted(height, width, channels)
    shape = ImageShape(height, width, channels)
    found: dict[int, Decoded] = {}
    with DECODED.share() as share:
        for group in _groups(several, shape):
            share.hold(group.weight)
            found |= _decoded_together(several, group.places, group.scale, shape)
    # Pillow has the words for what is wrong.
    return [
        found[place] if place in found else pixels_or_why(decode_image, data, shape)
        for place, data in enumerate(several)
    ]


def pixels_or_why(decode: Decode, data: bytes, shape: ImageShape) -> Decoded:
    """Returns the pixels of an image; why it has none, if it can't be decoded."""
    try:
        return decode(data, *shape)
    except BadExampleError as reason:
        return reason.with_traceback(None)  # which would keep the image


@dataclass
class _Group:
    """Images that TensorFlow decodes at one call.

    Attributes:
      scale: by which they come smaller out of the decoder.
      places: of the images, among all.
      weight: bytes that it takes to decode them.
    """

    scale: int
    places: list[int] = field(default_factory=list)
    weight: int = 0


def _groups(several: Sequence[bytes], shape: ImageShape) -> Iterator[_Group]:
    """Yields groups of those images that are ordinary JPEGs of a size that is allowed."""
    bytes_scaled = math.prod(shape) * _BYTES_OF_SCALED
    unfinished: dict[int, _Group] = {}
    for place, data in enumerate(several):
        frame = frame_of(data)
        if frame is None or is_too_large(frame.width, frame.height):
            continue
        scale = scale_for(frame, shape.height, shape.width, _FAST_SLACK)
        weight = bytes_to_decode(frame, scale) + bytes_scaled
        group = unfinished.setdefault(scale, _Group(scale))
        if group.places and (len(group.places) == MOST or group.weight + weight > _GROUP_BYTES):
            yield group
            group = unfinished[scale] = _Group(scale)
        group.places.append(place)
        group.weight += weight
    yield from unfinished.values()


def _decoded_together(
    several: Sequence[bytes], places: Sequence[int], scale: int, shape: ImageShape
) -> dict[int, Decoded]:
    """Returns the pixels of the images at some places, by place, without those that it can't decode."""
    pixels = scaled_jpegs([several[place] for place in places], shape, scale)
    if pixels is not None:
        return dict(zip(places, pixels, strict=True))
    found: dict[int, Decoded] = {}
    if len(places) > 1:
        for place in places:
            found |= _decoded_together(several, [place], scale, shape)
    return found
