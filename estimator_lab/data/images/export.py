"""Encoded image bytes -> pixels in a TensorFlow graph, for an export that runs without Pillow."""

from collections.abc import Callable, Mapping
from typing import Any

import PIL

from estimator_lab.base.keys import IMAGE, PIXELS, UINT8_MAX
from estimator_lab.data.images.decode import BACKGROUNDS, ImageShape
from estimator_lab.data.images.options import ImageOptions
from estimator_lab.tf1 import Tensor, tf

# Pillow's weights of red, green and blue for ITU-R 601 grey, in 1/65,536; they add up to that.
_GREY_WEIGHTS = (19_595, 38_470, 7_471)
_PNG_START = b'\x89PNG'

HEIGHT_MAY_COME_FIRST = int(PIL.__version__.partition('.')[0]) >= 13
"""Whether this Pillow resizes the height before the width, where that is less work."""

IMAGE_BYTES = 'image_bytes'
"""Input of a signature for encoded images; TensorFlow Serving recognises bytes by this ending."""


def image_receiver(
    options: ImageOptions, keeps_size: bool, more: Callable[[], Mapping[str, Mapping[str, Tensor]]]
) -> Callable[[], Any]:
    """Returns the receiver of an export: encoded images, decoded and scaled as in training, or pixels.

    Args:
      options: of the images that the network accepts.
      keeps_size: whether images keep their size, which must then be the same for all n.
      more: returns further receivers by name, each with its tensors by feature; the last one counts.

    Returns:
      A function that builds a `ServingInputReceiver` for `image_bytes`, string [n]: JPEG, PNG, BMP or GIF
      files; with the alternative 'pixels' for `image`, float32 [n, height, width, channels] in [0, 1], and
      those of `more`.
    """

    def receiver() -> Any:
        encoded = tf.placeholder(tf.string, [None], name=IMAGE_BYTES)
        decoded = decode_batch(encoded, options.shape, keeps_size, options.background)
        # The same division as in training's input; feeding its result leaves the decoder out.
        pixels = tf.divide(decoded, float(UINT8_MAX), name=IMAGE)
        others = more()
        features = {IMAGE: pixels}
        for inputs in others.values():
            features |= inputs
        return tf.estimator.export.ServingInputReceiver(
            features, {IMAGE_BYTES: encoded}, {PIXELS: {IMAGE: pixels}, **others}
        )

    return receiver


def decode_batch(
    encoded: Tensor, shape: ImageShape, keeps_size: bool = False, background: str = BACKGROUNDS[0]
) -> Tensor:
    """Decodes a batch as `decode.decode_image` does: the same steps, in TensorFlow's operations.

    Of 2,000 photographs at 128x128, 99.993 % of the pixels equal Pillow's; the others differ by one level.

    Args:
      encoded: string [n], JPEG, PNG, BMP or GIF files (of an animation, the first frame).
      shape: to which the images are scaled.
      keeps_size: whether images are not scaled; only the channels of `shape` count then.
      background: of PNG files with transparency, one of `BACKGROUNDS`.

    Returns:
      float32 [n, height, width, channels], whole numbers in [0, 255]. Running it raises InvalidArgumentError
      for bytes that are not an image, and for images of several sizes that are to be kept.
    """

    def decode(one: Tensor) -> Any:
        image = tf.cast(_colours(one, background), tf.float32)
        if not keeps_size:  # Pillow scales one side after the other, and rounds to bytes in between
            image = _resize(image, _size_in_between(tf.shape(image), shape))
            image = _resize(image, (shape.height, shape.width))
        return _grey(image) if shape.channels == 1 else image

    with tf.name_scope('decode'):
        images = tf.map_fn(decode, encoded, dtype=tf.float32)
        images.set_shape([None, *((None, None) if keeps_size else shape[:2]), shape.channels])
        return images


def _size_in_between(size: Tensor, shape: ImageShape) -> Tensor:
    """Returns (height, width) after the first of two passes, int32 [2], in the order of this Pillow."""
    height, width = size[0], size[1]
    width_first = tf.stack([height, shape.width])
    if not HEIGHT_MAY_COME_FIRST:
        return width_first
    rows_less, columns_less = height - shape.height, width - shape.width
    height_is_first = tf.logical_and(rows_less > 0, rows_less > 2 * columns_less)
    return tf.cond(height_is_first, lambda: tf.stack([shape.height, width]), lambda: width_first)


def _colours(encoded: Tensor, background: str) -> Tensor:
    """Returns uint8 [rows, columns, 3] in the image's own size; grey is the same in all three."""

    def jpeg() -> Tensor:
        # Pillow's DCT; TensorFlow's default is faster and less accurate.
        return tf.image.decode_jpeg(encoded, channels=3, dct_method='INTEGER_ACCURATE')

    def png() -> Tensor:
        return _on(background, tf.image.decode_png(encoded))

    def other() -> Tensor:
        return tf.image.decode_image(encoded, channels=3, expand_animations=False)

    is_png = tf.equal(tf.strings.substr(encoded, 0, len(_PNG_START)), _PNG_START)
    return tf.cond(tf.io.is_jpeg(encoded), jpeg, lambda: tf.cond(is_png, png, other))


def _on(background: str, image: Tensor) -> Tensor:
    """Composes an image on a background, rounding as Pillow does.

    Args:
      background: one of `BACKGROUNDS`.
      image: uint8 [rows, columns, 1 to 4]: grey or RGB, with or without an alpha channel.

    Returns:
      uint8 [rows, columns, 3].
    """
    image = tf.cast(image, tf.int32)
    channels = tf.shape(image)[2]
    has_alpha = 1 - channels % 2
    colours = image[:, :, : channels - has_alpha]
    alpha = tf.cond(has_alpha > 0, lambda: image[:, :, -1:], lambda: tf.constant([[[UINT8_MAX]]]))
    below = UINT8_MAX * BACKGROUNDS.index(background)
    product = colours * alpha + below * (UINT8_MAX - alpha) + 128
    laid = (product // 256 + product) // 256
    return tf.cast(laid + tf.zeros([1, 1, 3], tf.int32), tf.uint8)


def _resize(image: Tensor, size: Tensor) -> Tensor:
    """Scales float32 [rows, columns, channels] by Lanczos' filter and rounds to whole numbers in [0, 255]."""
    # TF1's own tf.image.resize has no such filter.
    scaled = tf.compat.v2.image.resize(image, size, 'lanczos3', antialias=True)
    return tf.clip_by_value(tf.floor(scaled + 0.5), 0.0, float(UINT8_MAX))


def _grey(image: Tensor) -> Tensor:
    """Returns the ITU-R 601 luminance [rows, columns, 1] of [rows, columns, 3], as Pillow rounds it."""
    weighted = tf.cast(image, tf.int32) * _GREY_WEIGHTS
    return tf.cast((tf.reduce_sum(weighted, axis=2, keepdims=True) + 32_768) // 65_536, tf.float32)
