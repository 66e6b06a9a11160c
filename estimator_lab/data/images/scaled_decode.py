"""Encoded image bytes -> uint8 pixels, JPEGs scaled while Pillow decodes them. Thread-safe, no TensorFlow."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from estimator_lab.data.budget import DECODED
from estimator_lab.data.images.decode import MODES, check_shape, decode_image, is_too_large
from estimator_lab.data.images.jpeg import (
    bytes_to_decode,
    decode_frame,
    frame_of,
    has_too_many_scans,
    scale_for,
)

_SLACK = 1.5  # of the requested size, below which the scaled image is visibly softer than the exact one


def decode_image_scaled(data: bytes, height: int, width: int, channels: int = 1) -> npt.NDArray[np.uint8]:
    """Decodes as `decode_image` does, JPEGs in a fraction of the time and with slightly different pixels.

    The inverse DCT scales a JPEG down by 2, 4 or 8, to at least one and a half times the requested size; grey
    is the stored luminance; a bilinear filter does the rest. Damaged JPEGs and other formats are decoded
    exactly.

    Args, returns and raises as `decode_image`.
    """
    check_shape(height, width, channels)
    image = _scaled(data, height, width, channels)
    if image is None:
        return decode_image(data, height, width, channels)
    return np.array(image.convert(MODES[channels])).reshape(height, width, channels)


def _scaled(data: bytes, height: int, width: int, channels: int) -> Image.Image | None:
    """Returns an ordinary, undamaged JPEG in the requested size; None for others."""
    frame = frame_of(data)
    if frame is None or is_too_large(frame.width, frame.height):
        return None
    if not frame.in_one_pass and has_too_many_scans(data, frame.width, frame.height):
        return None
    scale = scale_for(frame, height, width, _SLACK)
    with DECODED.share() as share:
        share.hold(bytes_to_decode(frame, scale))
        try:
            image = decode_frame(data, frame, scale, is_grey=channels == 1)
        except ValueError:
            return None
        return image.resize((width, height), Image.Resampling.BILINEAR)
