"""Losses of a GAN per example, and gradient penalties."""

from collections.abc import Callable
from typing import NamedTuple

from estimator_lab.tf1 import Tensor, tf

PerExample = Callable[[Tensor], Tensor]


class Loss(NamedTuple):
    """Losses as functions of the discriminator's logits, float32 [batch] -> float32 [batch].

    Attributes:
      real: the discriminator's, of real images.
      fake: the discriminator's, of fakes.
      generator: the generator's, of its fakes.
      boundary: the logit above which an image counts as real; None for a critic, whose values are only
        meaningful relative to each other.
    """

    real: PerExample
    fake: PerExample
    generator: PerExample
    boundary: float | None = 0.0


def _rises(logits: Tensor) -> Tensor:
    """Returns -log of the probability of 'real'."""
    return tf.nn.softplus(-logits)


_NON_SATURATING = Loss(_rises, tf.nn.softplus, _rises)

LOSSES = {
    'non_saturating': _NON_SATURATING,
    'wasserstein': Loss(tf.negative, tf.identity, tf.negative, None),
    'least_squares': Loss(
        lambda logits: 0.5 * tf.square(logits - 1.0),
        lambda logits: 0.5 * tf.square(logits),
        lambda logits: 0.5 * tf.square(logits - 1.0),
        0.5,
    ),
    # The generator's loss is not per example: see `feature_distance`.
    'feature_matching': _NON_SATURATING,
}
"""By name: Goodfellow et al. 2014, section 3; Arjovsky et al. 2017; Mao et al. 2017, eq. 9; Salimans et al.
2016, section 3.1."""


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Returns the weighted mean of values, with weights of the same shape; 0 if all weights are 0."""
    return tf.div_no_nan(tf.reduce_sum(values * weights), tf.reduce_sum(weights))


def feature_distance(real: Tensor, fake: Tensor, weights: Tensor) -> Tensor:
    """Returns the mean squared difference of two mean vectors (Salimans et al. 2016, section 3.1).

    Args:
      real: float32 [batch, units], hidden values of real images.
      fake: the same for fakes.
      weights: the weight of each example, float32 [batch].
    """
    shares = tf.expand_dims(tf.div_no_nan(weights, tf.reduce_sum(weights)), 1)
    return tf.reduce_mean(tf.square(tf.reduce_sum(shares * (real - fake), axis=0)))


def squared_gradient(realness: Tensor, images: Tensor) -> Tensor:
    """Returns the squared length of each logit's gradient with respect to its image, float32 [batch].

    Args:
      realness: float32 [batch], each computed from its own image alone.
      images: float32 [batch, height, width, channels] in [-1, 1].
    """
    (gradient,) = tf.gradients(realness, images)
    return tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3])


def gradient_penalty(realness: Tensor, images: Tensor) -> Tensor:
    """Returns (|gradient| - 1)^2 of each image, float32 [batch] (Gulrajani et al. 2017, eq. 3).

    Args:
      realness: float32 [batch], the critic's values of `images`.
      images: float32 [batch, height, width, channels], between real ones and fakes.
    """
    # The square root has no gradient at 0, where a flat critic would never learn.
    return tf.square(tf.sqrt(squared_gradient(realness, images) + 1e-12) - 1.0)
