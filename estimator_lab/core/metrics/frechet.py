"""The Frechet distance of two sets of vectors, each taken for a normal distribution (Heusel et al. 2017)."""

from typing import Any, NamedTuple

from estimator_lab.core.metrics.streaming import running_sum
from estimator_lab.tf1 import Tensor, tf


class Moments(NamedTuple):
    """Sums over a set of vectors, from which mean and covariance follow.

    In float64: a distance takes roots of eigenvalues that are near 0 for most of the directions.

    Attributes:
      count: how many vectors, float64 scalar.
      total: their sum, float64 [size].
      products: the sum of their outer products, float64 [size, size].
    """

    count: Tensor
    total: Tensor
    products: Tensor

    def __add__(self, other: 'Moments') -> 'Moments':  # type: ignore[override]
        """Returns those of both sets together."""
        return Moments(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def mean(self) -> Tensor:
        """The mean, float64 [size]."""
        return tf.div_no_nan(self.total, self.count)

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance, float64 [size, size]; 0 of a single vector."""
        mean = self.mean
        scatter = self.products - self.count * mean[:, tf.newaxis] * mean[tf.newaxis, :]
        return tf.div_no_nan(scatter, tf.maximum(self.count - 1.0, 0.0))


def streaming_moments(name: str, vectors: Tensor, weights: Tensor) -> tuple[Moments, Any]:
    """Streams the moments of a set of vectors, with memory for the square of their size, however many come.

    Args:
      name: of its local variables.
      vectors: float32 [batch, size].
      weights: float32 [batch], 1 for those that belong to the set, 0 for others.

    Returns:
      (their moments, update op).
    """
    values, counted = tf.cast(vectors, tf.float64), tf.cast(weights, tf.float64)
    weighted = values * counted[:, tf.newaxis]
    sums = [
        running_sum(f'{name}_count', tf.reduce_sum(counted)),
        running_sum(f'{name}_total', tf.reduce_sum(weighted, axis=0)),
        running_sum(f'{name}_products', tf.matmul(weighted, values, transpose_a=True)),
    ]
    return Moments(*(value for value, _ in sums)), tf.group(*(update for _, update in sums))


def frechet_distance(first: Moments, second: Moments) -> Tensor:
    """Returns |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)), a float32 scalar, 0 or more.

    The trace of the root of C C' is that of the root of C^(1/2) C' C^(1/2), which is symmetric.

    Args:
      first: m and C.
      second: m' and C'.
    """
    covariance, other = first.covariance, second.covariance
    values, vectors = tf.linalg.eigh(covariance)
    root = tf.matmul(vectors * tf.sqrt(tf.maximum(values, 0.0)), vectors, transpose_b=True)
    squares = tf.linalg.eigvalsh(tf.matmul(tf.matmul(root, other), root))
    shared = tf.reduce_sum(tf.sqrt(tf.maximum(squares, 0.0)))
    apart = tf.reduce_sum(tf.squared_difference(first.mean, second.mean))
    distance = apart + tf.linalg.trace(covariance) + tf.linalg.trace(other) - 2.0 * shared
    return tf.cast(tf.maximum(distance, 0.0), tf.float32)
