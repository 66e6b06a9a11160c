"""Metrics of a generator's samples, each with its value for real images as a reference."""

import json
import math
from typing import Any, NamedTuple

from estimator_lab.core import keys
from estimator_lab.core.adversarial.sample_quality import (
    classifier_score,
    coverage,
    frechet_distance,
    sliced_wasserstein,
    spread,
    streaming_moments,
)
from estimator_lab.core.metrics import Sample, kept_rows, running_sum
from estimator_lab.tf1 import Tensor, tf

Metrics = dict[str, tuple[Any, Any]]
"""(value, update op) by name, as an EstimatorSpec takes them."""

COLLECTION = 'estimator_lab/samples'
"""The graph's collection of what EVAL has sampled; a line of JSON, which a MetaGraph can hold."""

_MOST_IMAGES = 1024
_MOST_PIXELS = 10_000_000
_MOST_VECTORS = 4096


class Samples(NamedTuple):
    """Fakes, and as many real images.

    Attributes:
      real: float32 [batch, height, width, channels] in [0, 1].
      fake: of the same shape.
      classes: class ids of both, int64 [batch]; None if the generator is not conditional.
      order: float32 [batch] in [0, 1), random numbers that decide which rows are sampled.
    """

    real: Tensor
    fake: Tensor
    classes: Tensor | None
    order: Tensor

    def publish(self) -> None:
        """Adds them to a collection of their graph, for `published_samples`."""
        names = {name: tensor.name for name, tensor in self._asdict().items() if tensor is not None}
        tf.add_to_collection(COLLECTION, json.dumps(names))


def published_samples(graph: Any) -> Samples:
    """Returns the samples that were published in a graph."""
    (line,) = graph.get_collection(COLLECTION)
    found = {name: graph.get_tensor_by_name(tensor) for name, tensor in json.loads(line).items()}
    return Samples(**{'classes': None, **found})


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


def sample_metrics(samples: Samples, one_hot: Tensor | None) -> Metrics:
    """Returns the metrics that need no reference classifier: diversity, and the sliced Wasserstein distance.

    That distance is between a random half of the fakes and the other half of the images; as a reference, also
    between those two halves of the images. Up to 1,024 images are used in all.

    Args:
      samples: of a batch.
      one_hot: float32 [batch, classes] of both; None without labels.
    """
    fake, fake_on = running_sum('fake_spread', spread(samples.fake, one_hot))
    real, real_on = running_sum('real_spread', spread(samples.real, one_hot))
    shape = samples.real.shape.as_list()[1:]
    most = max(min(_MOST_IMAGES, _MOST_PIXELS // math.prod(shape)), 2)
    both = tf.concat([samples.real, samples.fake], axis=3)
    kept, keep = kept_rows('samples', both, samples.order, most)

    def distance_of(part: int) -> Tensor:
        half = kept.count // 2
        others = tf.split(kept.rows[half : 2 * half], 2, axis=3)[0]
        return sliced_wasserstein(others, tf.split(kept.rows[:half], 2, axis=3)[part])

    return {
        keys.DIVERSITY: (tf.div_no_nan(fake, real), tf.group(fake_on, real_on)),
        keys.SLICED_WASSERSTEIN: (distance_of(1), keep),
        keys.SLICED_WASSERSTEIN_REAL: (distance_of(0), tf.no_op()),
    }


def reference_metrics(real: Classified, fake: Classified, samples: Samples) -> Metrics:
    """Returns the metrics by a reference classifier, from its outputs for the real images and for the fakes.

    The classifier score and, for a conditional generator, the accuracy are computed on all samples and on all
    images. The Frechet distance is between all samples and all images; its reference is between two halves of
    the images, and with so few it is larger than a perfect generator's. Precision and recall compare a random
    half of the samples with the other half of the images; their references compare the two halves of the
    images. Up to 4,096 are used in all.
    """
    metrics = {
        keys.CLASSIFIER_SCORE: classifier_score('fake_score', fake.probabilities),
        keys.CLASSIFIER_SCORE_REAL: classifier_score('real_score', real.probabilities),
        **_frechet_metrics(real, fake, samples.order),
        **_manifold_metrics(real, fake, samples.order),
    }
    if samples.classes is not None:
        for name, found in ((keys.REFERENCE_ACCURACY, fake), (keys.REFERENCE_ACCURACY_REAL, real)):
            metrics[name] = tf.metrics.accuracy(samples.classes, tf.argmax(found.probabilities, axis=1))
    return metrics


def _frechet_metrics(real: Classified, fake: Classified, order: Tensor) -> Metrics:
    first = tf.cast(order < 0.5, tf.float32)
    fakes, fakes_on = streaming_moments('fake_moments', fake.hidden, tf.ones_like(order))
    half, half_on = streaming_moments('real_moments', real.hidden, first)
    other, other_on = streaming_moments('other_moments', real.hidden, 1.0 - first)
    update = tf.group(fakes_on, half_on, other_on)
    return {
        keys.FRECHET_DISTANCE: (frechet_distance(half + other, fakes), update),
        keys.FRECHET_DISTANCE_REAL: (frechet_distance(half, other), tf.no_op()),
    }


def _manifold_metrics(real: Classified, fake: Classified, order: Tensor) -> Metrics:
    units = real.hidden.shape.as_list()[1]
    kept, keep = kept_rows('hidden', tf.concat([real.hidden, fake.hidden], axis=1), order, _MOST_VECTORS)
    half, there = _alternate(kept, 0)
    other, others_there = _alternate(kept, 1)
    reals, fakes, others = half[:, :units], half[:, units:], other[:, :units]
    updates = iter([keep, *(tf.no_op() for _ in range(3))])
    return {
        name: (coverage(*sets), next(updates))
        for name, sets in {
            keys.PRECISION: (fakes, others, there, others_there),
            keys.RECALL: (others, fakes, others_there, there),
            keys.PRECISION_REAL: (reals, others, there, others_there),
            keys.RECALL_REAL: (others, reals, others_there, there),
        }.items()
    }


def _alternate(sample: Sample, first: int) -> tuple[Tensor, Tensor]:
    """Returns every second row of a sample, and which of these are filled."""
    most = sample.rows.shape.as_list()[0]
    return sample.rows[first::2], (tf.range(most) < sample.count)[first::2]
