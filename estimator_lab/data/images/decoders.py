"""The ways to decode images: --decode."""

from collections.abc import Sequence

from estimator_lab.data.images.decode import decode_image
from estimator_lab.data.images.fast_decode import (
    Decode,
    Decoded,
    decode_image_fast,
    decode_images_fast,
    pixels_or_why,
)
from estimator_lab.data.images.shape import ImageShape

DECODERS: dict[str, Decode] = {'exact': decode_image, 'fast': decode_image_fast}
"""By value of --decode."""


def decode_several(decode: Decode, several: Sequence[bytes], shape: ImageShape) -> list[Decoded]:
    """Decodes images.

    Args:
      decode: how, one of `DECODERS` or any other.
      several: encoded images.
      shape: to which they are scaled.

    Returns:
      For each image its pixels, or why there are none.
    """
    if decode is decode_image_fast:
        return decode_images_fast(several, *shape)
    return [pixels_or_why(decode, data, shape) for data in several]
