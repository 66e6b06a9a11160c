"""Corruption of images, from which a denoising autoencoder learns to undo it (Vincent et al. 2008)."""

from collections.abc import Callable
from typing import Any

from estimator_lab.core.features import keys_of
from estimator_lab.tf1 import tf

_KEY_HASHES = 2**62


def corrupt(images: Any, kind: str, level: float, seeds: Any) -> Any:
    """Returns the images, corrupted; the same ones for the same seeds.

    Args:
      images: float32 [batch, height, width, channels] in [0, 1].
      kind: one of `CORRUPTIONS`. 'masking' sets a share `level` of the values to 0, 'salt_and_pepper' to 0
        or 1 with equal chances; 'gaussian' adds noise of standard deviation `level`, so that values leave
        [0, 1]. Each value of each channel is drawn by itself.
      level: in [0, 1].
      seeds: int64 [2] for one draw over the whole batch; or [batch, 2], an image's own seed, which gives
        the image the same noise in whichever batch it comes.

    Returns:
      float32 of the images' shape.
    """
    with tf.name_scope('corruption'):
        return CORRUPTIONS[kind](images, level, seeds)


def fresh_seed(features: Any) -> Any:
    """Returns the seed of a training step's noise, int64 [2].

    It depends on the graph's seed, the global step and the batch's first key, so that a run that was
    stopped goes on with the noise that it would have had, and workers at the same step differ.
    """
    keys = keys_of(features)
    step = tf.cast(tf.train.get_or_create_global_step(), tf.int64)
    return tf.stack([_graph_seed() + (0 if keys is None else tf.reduce_sum(_hashes(keys[:1]))), step])


def fixed_seeds(features: Any, count: Any) -> Any:
    """Returns for each example a seed of its own, int64 [batch, 2], the same in each evaluation.

    It depends on the graph's seed and the example's key; on its place in the batch where there are no keys.

    Args:
      features: the model function's features.
      count: examples in the batch.
    """
    keys = keys_of(features)
    own = tf.range(tf.cast(count, tf.int64)) if keys is None else _hashes(keys)
    return tf.stack([tf.fill(tf.shape(own), _graph_seed()), own], axis=1)


def _graph_seed() -> Any:
    return tf.constant(tf.get_default_graph().seed or 0, tf.int64)


def _hashes(keys: Any) -> Any:
    return tf.strings.to_hash_bucket_fast(keys, _KEY_HASHES)


def _masked(images: Any, level: float, seeds: Any) -> Any:
    return tf.where(_uniform(images, seeds) < level, tf.zeros_like(images), images)


def _with_gaussian_noise(images: Any, level: float, seeds: Any) -> Any:
    return images + level * _drawn(tf.random.stateless_normal, images, seeds)


def _with_salt_and_pepper(images: Any, level: float, seeds: Any) -> Any:
    chance = _uniform(images, seeds)
    salted = tf.where(chance < level / 2, tf.ones_like(images), images)
    return tf.where(chance >= 1 - level / 2, tf.zeros_like(images), salted)


def _uniform(images: Any, seeds: Any) -> Any:
    return _drawn(tf.random.stateless_uniform, images, seeds)


def _drawn(draw: Callable[..., Any], images: Any, seeds: Any) -> Any:
    """Returns random numbers of the images' shape."""
    if seeds.shape.ndims == 1:
        return draw(tf.shape(images), seeds)
    numbers = tf.map_fn(lambda seed: draw(tf.shape(images)[1:], seed), seeds, tf.float32)
    return tf.reshape(numbers, tf.shape(images))


CORRUPTIONS: dict[str, Callable[[Any, float, Any], Any]] = {
    'none': lambda images, level, seeds: images,
    'masking': _masked,
    'gaussian': _with_gaussian_noise,
    'salt_and_pepper': _with_salt_and_pepper,
}
