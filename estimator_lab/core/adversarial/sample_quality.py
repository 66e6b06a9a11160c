"""Quality of generated samples: classifier score, diversity, and distances from real images."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from estimator_lab.core.metrics import running_sum
from estimator_lab.tf1 import Tensor, tf

_TINY = 1e-30


def classifier_score(name: str, probabilities: Tensor) -> tuple[Any, Any]:
    """Streams exp(E KL(p(y|x) || p(y))) over all samples, the Inception score of Salimans et al. (2016).

    It is between 1 and the number of classes: high if a classifier is sure of each sample and finds all
    classes.

    Args:
      name: prefix of its local variables.
      probabilities: float32 [batch, classes], each row with sum 1.

    Returns:
      (value, update op), float32 scalars; 1 before any sample.
    """
    values = tf.cast(probabilities, tf.float64)
    count, count_on = running_sum(f'{name}_count', tf.cast(tf.shape(values)[0], tf.float64))
    classes, classes_on = running_sum(f'{name}_classes', tf.reduce_sum(values, axis=0))
    information, information_on = running_sum(f'{name}_information', tf.reduce_sum(_x_log_x(values)))

    def score(count: Tensor, classes: Tensor, information: Tensor) -> Tensor:
        mean = tf.div_no_nan(classes, count)
        gain = tf.div_no_nan(information, count) - tf.reduce_sum(_x_log_x(mean))
        return tf.cast(tf.exp(gain), tf.float32)

    return score(count, classes, information), score(count_on, classes_on, information_on)


def _x_log_x(values: Tensor) -> Tensor:
    return values * tf.log(tf.maximum(values, _TINY))


def spread(images: Tensor, classes: Tensor | None = None) -> Tensor:
    """Returns the sum of squared distances over all pairs of different images, a float32 scalar.

    Args:
      images: float32 [batch, height, width, channels].
      classes: float32 [batch, classes], one-hot; if given, only pairs of one class count.
    """
    flat = tf.layers.flatten(images)
    lengths = tf.reduce_sum(tf.square(flat), axis=1)
    products = tf.matmul(flat, flat, transpose_b=True)
    squares = lengths[:, tf.newaxis] + lengths[tf.newaxis, :] - 2.0 * products
    others = 1.0 - tf.eye(tf.shape(flat)[0])
    if classes is not None:
        others *= tf.matmul(classes, classes, transpose_b=True)
    return tf.reduce_sum(tf.maximum(squares, 0.0) * others)


class Moments(NamedTuple):
    """Sums over a set of vectors, for its mean and covariance.

    They are float64, as the Frechet distance has roots of many eigenvalues near 0.

    Attributes:
      count: number of vectors, float64 scalar.
      total: their sum, float64 [size].
      products: the sum of their outer products, float64 [size, size].
    """

    count: Tensor
    total: Tensor
    products: Tensor

    def __add__(self, other: 'Moments') -> 'Moments':  # type: ignore[override]
        """Returns the moments of the union of both sets."""
        return Moments(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def mean(self) -> Tensor:
        """The mean, float64 [size]."""
        return tf.div_no_nan(self.total, self.count)

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance, float64 [size, size]; 0 for a single vector."""
        mean = self.mean
        scatter = self.products - self.count * mean[:, tf.newaxis] * mean[tf.newaxis, :]
        return tf.div_no_nan(scatter, tf.maximum(self.count - 1.0, 0.0))


def streaming_moments(name: str, vectors: Tensor, weights: Tensor) -> tuple[Moments, Any]:
    """Streams the moments of a set of vectors; memory is the square of their size.

    Args:
      name: prefix of its local variables.
      vectors: float32 [batch, size].
      weights: float32 [batch], 1 for vectors of the set, 0 for others.

    Returns:
      (moments, update op).
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
    """Returns the Frechet distance of two normal distributions (Heusel et al. 2017), a float32 scalar >= 0.

    |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)), for means m, m' and covariances C, C'. The trace of the root of
    C C' is the same as that of the root of C^(1/2) C' C^(1/2), which is symmetric.
    """
    covariance, other = first.covariance, second.covariance
    values, vectors = tf.linalg.eigh(covariance)
    root = tf.matmul(vectors * tf.sqrt(tf.maximum(values, 0.0)), vectors, transpose_b=True)
    squares = tf.linalg.eigvalsh(tf.matmul(tf.matmul(root, other), root))
    shared = tf.reduce_sum(tf.sqrt(tf.maximum(squares, 0.0)))
    apart = tf.reduce_sum(tf.squared_difference(first.mean, second.mean))
    distance = apart + tf.linalg.trace(covariance) + tf.linalg.trace(other) - 2.0 * shared
    return tf.cast(tf.maximum(distance, 0.0), tf.float32)


_NEIGHBOURS = 3
_BLOCK = 256  # rows whose distances are computed at once


def coverage(vectors: Tensor, centres: Tensor, vectors_there: Tensor, centres_there: Tensor) -> Tensor:
    """Returns the share of vectors in the manifold of others (Kynkaanniemi et al. 2019, equations 1 and 2).

    The manifold is a ball around each centre, with the distance to its third nearest centre as radius.
    Precision is the coverage of fakes by images, recall the coverage of images by fakes.

    Args:
      vectors: float32 [n, size].
      centres: float32 [m, size].
      vectors_there: bool [n], which vectors count.
      centres_there: bool [m], which centres count.

    Returns:
      A float32 scalar in [0, 1]; 0 without vectors.
    """
    _, nearest = _distances(centres, centres, centres_there, _NEIGHBOURS + 1)  # the nearest is itself
    radii = tf.where(centres_there, nearest, tf.fill(tf.shape(nearest), -1.0))
    inside, _ = _distances(vectors, centres, centres_there, 1, radii)
    there = tf.cast(vectors_there, tf.float32)
    return tf.div_no_nan(tf.reduce_sum(tf.cast(inside, tf.float32) * there), tf.reduce_sum(there))


def _distances(
    vectors: Tensor, centres: Tensor, there: Tensor, rank: int, radii: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Returns whether each vector is in a ball, and its squared distance to the centre of the given rank.

    Args:
      vectors: float32 [n, size].
      centres: float32 [m, size].
      there: bool [m], which centres count.
      rank: 1 for the nearest centre.
      radii: squared radii of the balls, float32 [m]; None for no balls.
    """
    count = vectors.shape.as_list()[0]
    blocks = -(-count // _BLOCK)
    padded = tf.pad(vectors, [[0, blocks * _BLOCK - count], [0, 0]])
    lengths = tf.reduce_sum(tf.square(centres), axis=1)
    far = tf.where(there, tf.zeros_like(lengths), tf.fill(tf.shape(lengths), float('inf')))
    limits = tf.fill(tf.shape(lengths), -1.0) if radii is None else radii

    def of_block(block: Tensor) -> tuple[Tensor, Tensor]:
        own = tf.reduce_sum(tf.square(block), axis=1, keepdims=True)
        squares = own + lengths - 2.0 * tf.matmul(block, centres, transpose_b=True)
        squares = tf.maximum(squares, 0.0) + far
        return tf.reduce_any(squares <= limits, axis=1), -tf.nn.top_k(-squares, rank).values[:, -1]

    inside, nearest = tf.map_fn(
        of_block,
        tf.reshape(padded, [blocks, _BLOCK, vectors.shape.as_list()[1]]),
        dtype=(tf.bool, tf.float32),
        parallel_iterations=1,
    )
    return tf.reshape(inside, [-1])[:count], tf.reshape(nearest, [-1])[:count]


_PATCH = 7
_ACROSS = 6  # least patches in a row
_DIRECTIONS = 128
_SMALLEST = 8  # pixels of the coarsest level's sides
_SEED = (1, 2)


def sliced_wasserstein(images: Tensor, others: Tensor) -> Tensor:
    """Returns the sliced Wasserstein distance of two sets of images (Karras et al. 2018, section 5).

    The patches of each level of the Laplacian pyramids are projected on 128 fixed random directions; for each
    direction, the sorted values of both sets are compared. The distance is the mean over the levels, in units
    of the standard deviation of the level in `images`. It needs no classifier. Distances are comparable only
    for sets of the same size.

    Args:
      images: float32 [n, height, width, channels], the real images.
      others: the other images, of the same shape.

    Returns:
      A float32 scalar, 0 for equal sets.
    """
    distances = [
        _distance(level, other)
        for level, other in zip(laplacian_pyramid(images), laplacian_pyramid(others), strict=True)
    ]
    return tf.reduce_mean(tf.stack(distances))


def laplacian_pyramid(images: Tensor) -> list[Tensor]:
    """Returns the levels of the Laplacian pyramid of images, finest first.

    Each level is the difference from the enlarged next smaller images; the last is the smallest images.

    Args:
      images: float32 [n, height, width, channels]. Sides are halved, rounded up, down to 8 pixels.
    """
    levels = []
    while min(images.shape.as_list()[1:3]) >= 2 * _SMALLEST:
        smaller = tf.nn.avg_pool(images, 2, 2, 'SAME')
        levels.append(images - tf.image.resize_bilinear(smaller, images.shape.as_list()[1:3]))
        images = smaller
    return [*levels, images]


def patches(images: Tensor) -> Tensor:
    """Returns patches of 7x7 pixels in a grid of at least 6x6, float32 [patches, values].

    Args:
      images: float32 [n, height, width, channels].
    """
    sides = images.shape.as_list()[1:3]
    sizes = [min(_PATCH, side) for side in sides]
    strides = [max((side - size) // (_ACROSS - 1), 1) for side, size in zip(sides, sizes, strict=True)]
    found = tf.image.extract_image_patches(images, _four(sizes), _four(strides), _four((1, 1)), 'VALID')
    return tf.reshape(found, [-1, found.shape.as_list()[3]])


def _four(two: Sequence[int]) -> list[int]:
    return [1, *two, 1]


def _distance(level: Tensor, other: Tensor) -> Tensor:
    size = patches(level).shape.as_list()[1]
    directions = tf.nn.l2_normalize(tf.random.stateless_normal([size, _DIRECTIONS], _SEED), axis=0)
    mean, variance = tf.nn.moments(level, axes=[0, 1, 2, 3])
    unit = tf.maximum(tf.sqrt(variance), 1e-6)
    sorted_values = [
        tf.sort(tf.transpose(tf.matmul(patches((one - mean) / unit), directions)), axis=1)
        for one in (level, other)
    ]
    return tf.reduce_mean(tf.abs(sorted_values[0] - sorted_values[1]))
