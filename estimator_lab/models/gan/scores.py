"""Scores of a generator's samples: diversity and, by a trained classifier, its score and distance.

Each has its value for real images as a reference. All are streamed, in memory that does not depend on the
number of images.
"""

from typing import Any, NamedTuple

from estimator_lab.core import keys
from estimator_lab.core.metrics import running_sum
from estimator_lab.tf1 import Metric, Tensor, tf

Metrics = dict[str, Metric]
"""(value, update op) by name, as an EstimatorSpec takes them."""

_TINY = 1e-30


class ImagesAndFakes(NamedTuple):
    """Real images, float32 [batch, height, width, channels] in [0, 1], and as many fakes.

    If the generator is conditional, both have class ids, int64 [batch].
    """

    real: Tensor
    fake: Tensor
    classes: Tensor | None = None


class Classified(NamedTuple):
    """The outputs of a classifier for images.

    Attributes:
      probabilities: float32 [batch, classes].
      hidden: float32 [batch, units], the last layer before them.
    """

    probabilities: Tensor
    hidden: Tensor

    def halves(self) -> 'tuple[Classified, Classified]':
        """Returns the outputs for the first half of the batch, and for the second."""
        return tuple(map(Classified, *(tf.split(values, 2) for values in self)))  # type: ignore[return-value]


def diversity(samples: ImagesAndFakes, one_hot: Tensor | None) -> Metric:
    """Streams the spread of the fakes relative to that of the images; 0 if all fakes are the same.

    With classes, float32 [batch, classes] of both, only pairs of one class count.
    """
    fake, fake_on = running_sum('fake_spread', spread(samples.fake, one_hot))
    real, real_on = running_sum('real_spread', spread(samples.real, one_hot))
    return tf.div_no_nan(fake, real), tf.group(fake_on, real_on)


def spread(images: Tensor, classes: Tensor | None = None) -> Tensor:
    """Returns the sum of squared distances over all pairs of different images, a float32 scalar.

    With classes, one-hot float32 [batch, classes], only pairs of one class count.
    """
    flat = tf.layers.flatten(images)
    lengths = tf.reduce_sum(tf.square(flat), axis=1)
    products = tf.matmul(flat, flat, transpose_b=True)
    squares = lengths[:, tf.newaxis] + lengths[tf.newaxis, :] - 2.0 * products
    others = 1.0 - tf.eye(tf.shape(flat)[0])
    if classes is not None:
        others *= tf.matmul(classes, classes, transpose_b=True)
    return tf.reduce_sum(tf.maximum(squares, 0.0) * others)


def judge_metrics(real: Classified, fake: Classified, samples: ImagesAndFakes) -> Metrics:
    """Returns the metrics by a judge, from its outputs for the real images and for the fakes.

    The Frechet distance is between all samples and all images; its reference is between every second image
    and the others, and with so few it is larger than a perfect generator's.
    """
    fakes, fakes_on = streaming_moments('fake_moments', fake.hidden)
    half, half_on = streaming_moments('real_moments', real.hidden[::2])
    other, other_on = streaming_moments('other_moments', real.hidden[1::2])
    metrics = {
        keys.CLASSIFIER_SCORE: classifier_score('fake_score', fake.probabilities),
        keys.CLASSIFIER_SCORE_REAL: classifier_score('real_score', real.probabilities),
        keys.FRECHET_DISTANCE: (frechet_distance(half + other, fakes), tf.group(fakes_on, half_on, other_on)),
        keys.FRECHET_DISTANCE_REAL: (frechet_distance(half, other), tf.no_op()),
    }
    if samples.classes is not None:
        for name, found in ((keys.JUDGE_ACCURACY, fake), (keys.JUDGE_ACCURACY_REAL, real)):
            metrics[name] = tf.metrics.accuracy(samples.classes, tf.argmax(found.probabilities, axis=1))
    return metrics


def classifier_score(name: str, probabilities: Tensor) -> Metric:
    """Streams exp(E KL(p(y|x) || p(y))) over all samples, the Inception score of Salimans et al. (2016).

    It is between 1 and the number of classes: high if a classifier is sure of each sample and finds all
    classes. The probabilities are float32 [batch, classes]; the name is that of the local variables.
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


class Moments(NamedTuple):
    """The number of some vectors, their sum [size], and that of their outer products [size, size].

    They are float64, as the Frechet distance has roots of many eigenvalues near 0.
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


def streaming_moments(name: str, vectors: Tensor) -> tuple[Moments, Any]:
    """Streams the moments of vectors, float32 [batch, size]: (moments, update op), in size^2 memory."""
    values = tf.cast(vectors, tf.float64)
    sums = [
        running_sum(f'{name}_count', tf.cast(tf.shape(values)[0], tf.float64)),
        running_sum(f'{name}_total', tf.reduce_sum(values, axis=0)),
        running_sum(f'{name}_products', tf.matmul(values, values, transpose_a=True)),
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
