"""Corruption of images, for denoising autoencoders (Vincent et al. 2008)."""

from collections.abc import Callable
from typing import Any

from estimator_lab.tf1 import Tensor, tf


def corrupt(images: Tensor, kind: str, level: float, seeds: Tensor) -> Tensor:
    """Returns the images, corrupted; the same ones for the same seeds.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      kind: 'masking' sets a share `level` of the values to 0, 'salt_and_pepper' to 0 or 1 with equal chances;
        'gaussian' adds noise of standard deviation `level`, so that values leave [0, 1].
      level: in [0, 1].
      seeds: int64 [2] for one draw over the whole batch; or [batch, 2], which gives an image the same noise
        in every batch.
    """
    with tf.name_scope('corruption'):
        return CORRUPTIONS[kind](images, level, seeds)


def _masked(images: Tensor, level: float, seeds: Tensor) -> Tensor:
    return tf.where(_uniform(images, seeds) < level, tf.zeros_like(images), images)


def _with_gaussian_noise(images: Tensor, level: float, seeds: Tensor) -> Tensor:
    return images + level * _drawn(tf.random.stateless_normal, images, seeds)


def _with_salt_and_pepper(images: Tensor, level: float, seeds: Tensor) -> Tensor:
    chance = _uniform(images, seeds)
    salted = tf.where(chance < level / 2, tf.ones_like(images), images)
    return tf.where(chance >= 1 - level / 2, tf.zeros_like(images), salted)


def _uniform(images: Tensor, seeds: Tensor) -> Tensor:
    return _drawn(tf.random.stateless_uniform, images, seeds)


def _drawn(draw: Callable[..., Any], images: Tensor, seeds: Tensor) -> Tensor:
    """Returns random numbers of the images' shape."""
    if seeds.shape.ndims == 1:
        return draw(tf.shape(images), seeds)
    numbers = tf.map_fn(lambda seed: draw(tf.shape(images)[1:], seed), seeds, tf.float32)
    return tf.reshape(numbers, tf.shape(images))


CORRUPTIONS: dict[str, Callable[[Tensor, float, Tensor], Tensor]] = {
    'none': lambda images, level, seeds: images,
    'masking': _masked,
    'gaussian': _with_gaussian_noise,
    'salt_and_pepper': _with_salt_and_pepper,
}
