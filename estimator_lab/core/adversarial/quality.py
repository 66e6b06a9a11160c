"""How good a generator's samples are: metrics of an evaluation, each beside the same of real images."""

import json
import math
from typing import Any, NamedTuple

from estimator_lab.core.metrics.sample_quality import (
    classifier_score,
    coverage,
    frechet_distance,
    sliced_wasserstein,
    spread,
    streaming_moments,
)
from estimator_lab.core.metrics.streaming import Sample, kept_rows, running_sum
from estimator_lab.core.model import keys
from estimator_lab.tf1 import Tensor, tf

Metrics = dict[str, tuple[Any, Any]]
"""(value, update op) by name, as an EstimatorSpec takes them."""

COLLECTION = 'estimator_lab/samples'
"""The graph's collection of what EVAL has sampled; a line of JSON, which a MetaGraph can hold."""

_MOST_IMAGES = 1024
_MOST_PIXELS = 10_000_000
_MOST_VECTORS = 4096


class Samples(NamedTuple):
    """Fakes beside as many real images.

    Attributes:
      real: float32 [batch, height, width, channels] in [0, 1].
      fake: of the same shape.
      classes: class ids of both, int64 [batch]; None where the generator is told none.
      order: float32 [batch] in [0, 1), random numbers, by which samples of the evaluation are drawn.
    """

    real: Tensor
    fake: Tensor
    classes: Tensor | None
    order: Tensor

    def publish(self) -> None:
        """Notes them in their graph, for `published_samples`."""
        names = {name: tensor.name for name, tensor in self._asdict().items() if tensor is not None}
        tf.add_to_collection(COLLECTION, json.dumps(names))


def published_samples(graph: Any) -> Samples:
    """Returns the samples that were published in a graph."""
    (line,) = graph.get_collection(COLLECTION)
    found = {name: graph.get_tensor_by_name(tensor) for name, tensor in json.loads(line).items()}
    return Samples(**{'classes': None, **found})


class Verdict(NamedTuple):
    """What a classifier makes of images.

    Attributes:
      probabilities: float32 [batch, classes].
      hidden: float32 [batch, units], its last layer before them.
    """

    probabilities: Tensor
    hidden: Tensor

    def halves(self) -> 'tuple[Verdict, Verdict]':
        """Returns what it makes of the first half of the batch, and of the second."""
        return tuple(map(Verdict, *(tf.split(values, 2) for values in self)))  # type: ignore[return-value]


def sample_metrics(samples: Samples, one_hot: Tensor | None) -> Metrics:
    """Returns the metrics that need no reference classifier: diversity, and the sliced Wasserstein distance.

    That distance is taken between a random half of the fakes and the other half of the images, and beside it
    between those two halves of the images: of up to 1,024 images in all.

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


def reference_metrics(real: Verdict, fake: Verdict, samples: Samples) -> Metrics:
    """Returns the metrics by a reference classifier.

    The classifier score and, for a conditional generator, the accuracy are computed on all samples and on all
    images. The Frechet distance is that of all samples from all images; beside it stands that of
    one half of the images from the other, which fewer images make larger than a perfect generator's.
    Precision and recall are those of a random half of the samples against the other half of the images, and
    of those halves of the images, of up to 4,096 in all.

    Args:
      real: what it makes of the real images.
      fake: what it makes of the fakes.
      samples: the same images and fakes.
    """
    metrics = {
        keys.CLASSIFIER_SCORE: classifier_score('fake_score', fake.probabilities),
        keys.CLASSIFIER_SCORE_REAL: classifier_score('real_score', real.probabilities),
        **_frechet_metrics(real, fake, samples.order),
        **_manifold_metrics(real, fake, samples.order),
    }
    if samples.classes is not None:
        for name, said in ((keys.REFERENCE_ACCURACY, fake), (keys.REFERENCE_ACCURACY_REAL, real)):
            metrics[name] = tf.metrics.accuracy(samples.classes, tf.argmax(said.probabilities, axis=1))
    return metrics


def _frechet_metrics(real: Verdict, fake: Verdict, order: Tensor) -> Metrics:
    first = tf.cast(order < 0.5, tf.float32)
    fakes, fakes_on = streaming_moments('fake_moments', fake.hidden, tf.ones_like(order))
    half, half_on = streaming_moments('real_moments', real.hidden, first)
    other, other_on = streaming_moments('other_moments', real.hidden, 1.0 - first)
    update = tf.group(fakes_on, half_on, other_on)
    return {
        keys.FRECHET_DISTANCE: (frechet_distance(half + other, fakes), update),
        keys.FRECHET_DISTANCE_REAL: (frechet_distance(half, other), tf.no_op()),
    }


def _manifold_metrics(real: Verdict, fake: Verdict, order: Tensor) -> Metrics:
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
    """Returns every second row of a sample, and which of these are there."""
    most = sample.rows.shape.as_list()[0]
    return sample.rows[first::2], (tf.range(most) < sample.count)[first::2]
