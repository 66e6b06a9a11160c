"""Objectives of gradient ascent: one scalar for each image, computed from the activations of a layer."""

import numpy as np

from estimator_lab.tf1 import Tensor, tf


def energy(values: Tensor) -> Tensor:
    """Returns the mean square of all values, float32 [n]: it amplifies whatever the layer sees.

    Args:
      values: float32 [n, ..., channels].
    """
    return tf.reduce_mean(tf.square(values), axis=list(range(1, values.shape.rank)))


def of_channels(values: Tensor, channels: Tensor) -> Tensor:
    """Returns the mean of one channel of each image, float32 [n].

    Args:
      values: float32 [n, ..., channels].
      channels: int32 [n].
    """
    mask = tf.one_hot(channels, tf.shape(values)[-1])
    places = list(range(1, values.shape.rank - 1))
    means = tf.reduce_mean(values, axis=places) if places else values
    return tf.reduce_sum(means * mask, axis=1)


def log_odds(logits: Tensor, channels: Tensor) -> Tensor:
    """Returns log p / (1 - p), p being the probability of one class of each image, float32 [n].

    Unlike the logit alone (Simonyan et al. 2014), it penalizes evidence for other classes.

    Args:
      logits: float32 [n, classes].
      channels: the classes, int32 [n].
    """
    own = tf.one_hot(channels, tf.shape(logits)[-1], on_value=True, off_value=False)
    others = tf.reduce_logsumexp(tf.where(own, tf.fill(tf.shape(logits), -np.inf), logits), axis=1)
    return tf.reduce_sum(tf.where(own, logits, tf.zeros_like(logits)), axis=1) - others


def total_variation(images: Tensor) -> Tensor:
    """Returns the sum of the lengths of all pixels' gradients, a scalar (Rudin, Osher and Fatemi 1992).

    Args:
      images: float32 [n, height, width, channels].
    """
    down = images[:, 1:, :-1] - images[:, :-1, :-1]
    right = images[:, :-1, 1:] - images[:, :-1, :-1]
    return tf.reduce_sum(tf.sqrt(tf.square(down) + tf.square(right) + _FLAT))


def gaussian(deviation: float) -> np.ndarray:
    """Returns the weights of a one-dimensional Gaussian filter, float32 [odd].

    Args:
      deviation: standard deviation in pixels; 0 for the identity.
    """
    if not deviation:
        return np.ones(1, np.float32)
    radius = max(round(3 * deviation), 1)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
    return (weights / weights.sum()).astype(np.float32)


def filtered(images: Tensor, weights: Tensor) -> Tensor:
    """Returns images filtered along rows and columns, with zeros beyond the edges.

    Args:
      images: float32 [n, height, width, channels].
      weights: of the filter, float32 [odd].
    """
    channels = images.shape.as_list()[3]
    for shape in ([-1, 1, 1, 1], [1, -1, 1, 1]):
        kernel = tf.tile(tf.reshape(weights, shape), [1, 1, channels, 1])
        images = tf.nn.depthwise_conv2d(images, kernel, [1] * 4, 'SAME')
    return images


_FLAT = 1e-6  # the square of a thousandth of the range: smaller gradients count as 0
