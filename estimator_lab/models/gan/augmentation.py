"""Differentiable augmentation of the discriminator's images.

Zhao et al. 2020, 'Differentiable augmentation for data-efficient GAN training': a discriminator memorises a
small training set unless it sees each image differently each time. Fakes are augmented in the same way, and
the generator's gradient passes through, so that it does not learn to draw augmented images.
"""

from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import Tensor, tf

_SHIFT = 1 / 8  # of the side, the largest shift in either direction
_HIDDEN = 1 / 2  # of the side, the side of the hidden square


def augmented(images: Tensor, noise: Noise) -> Tensor:
    """Returns the images, each with random colours, shifted at random and with a hidden square.

    They are float32 [n, height, width, channels], with a range centred on 0.
    """
    with tf.name_scope('augmentation'):
        return hidden(shifted(coloured(images, noise), noise), noise)


def coloured(images: Tensor, noise: Noise) -> Tensor:
    """Shifts brightness by up to a quarter of the range; scales saturation 0 to 2, contrast 0.5 to 1.5."""
    brightness, saturation, contrast = (_one_each(images, noise) for _ in range(3))
    images += brightness - 0.5
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + (images - grey) * 2 * saturation
    middle = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return middle + (images - middle) * (0.5 + contrast)


def shifted(images: Tensor, noise: Noise) -> Tensor:
    """Shifts an image by up to an eighth of its sides, padded with 0."""
    height, width = images.shape.as_list()[1:3]
    rows, columns = (_selection(images, side, noise) for side in (height, width))
    lines = tf.reshape(images, [-1, height, width * images.shape.as_list()[3]])
    moved = tf.reshape(tf.matmul(rows, lines), tf.shape(images))
    moved = tf.matmul(columns[:, tf.newaxis], moved)
    moved.set_shape(images.shape)
    return moved


def _selection(images: Tensor, side: int, noise: Noise) -> Tensor:
    """Returns matrices whose product with an image shifts it along a side, float32 [n, side, side].

    The gradient of a product is cheaper than that of gathering pixels.
    """
    most = max(round(side * _SHIFT), 1)
    by = tf.cast(tf.floor(_one_each(images, noise)[:, :, 0, 0] * (2 * most + 1)), tf.int32) - most
    # one_hot returns zeros for an index outside of the side.
    return tf.one_hot(tf.range(side) + by, side)


def hidden(images: Tensor, noise: Noise) -> Tensor:
    """Sets a square of half the sides to 0, centred anywhere in the image."""
    shown = []
    for side in images.shape.as_list()[1:3]:
        middle = _one_each(images, noise)[:, :, 0, 0] * side
        shown.append(tf.abs(tf.range(side, dtype=tf.float32) + 0.5 - middle) > side * _HIDDEN / 2)
    rows, columns = shown
    kept = tf.logical_or(rows[:, :, tf.newaxis], columns[:, tf.newaxis])
    return images * tf.cast(kept, tf.float32)[..., tf.newaxis]


def _one_each(images: Tensor, noise: Noise) -> Tensor:
    """Draws a random number for each image, float32 [n, 1, 1, 1] in [0, 1)."""
    return noise.uniform(tf.stack([tf.shape(images)[0], 1, 1, 1]))
