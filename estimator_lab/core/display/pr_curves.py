"""Precision-recall curves of a classifier, for TensorBoard's PR CURVES page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.core.display.drawing import write_values
from estimator_lab.core.metrics.streaming import running_sum
from estimator_lab.tf1 import Tensor, tf

MICRO_AVERAGE = 'micro_average'

_MOST_CLASSES = 10  # with a curve for each
_THRESHOLDS = 201  # 0, 1/200, ..., 1: TensorBoard's default


class PrCurvesHook(tf.train.SessionRunHook):
    """Writes the curves of an evaluation.

    With up to ten classes, `pr_curves/LABEL` is the curve of each class against the rest.
    `pr_curves/micro_average` pools all pairs of an example and a class.

    Args:
      probabilities: float32 [batch, classes] in [0, 1].
      ids: int64 [batch], the true classes.
      weights: float32 [batch]; examples of weight 0 do not count.
      labels: texts of the classes.
      folder: where the evaluation's summaries go.
    """

    def __init__(
        self, probabilities: Tensor, ids: Tensor, weights: Tensor, labels: Sequence[str], folder: Path
    ) -> None:
        self._labels = labels if len(labels) <= _MOST_CLASSES else ()
        self._folder = folder
        self._values, self._update = _count(probabilities, ids, weights, bool(self._labels))

    def before_run(self, run_context: Any) -> Any:
        """Adds the batch to the counts."""
        return tf.train.SessionRunArgs(self._update)

    def end(self, session: Any) -> None:
        """Writes the curves."""
        negative, positive = session.run(self._values)
        curves = list(zip(self._labels, positive, negative, strict=False))
        curves.append((MICRO_AVERAGE, positive.sum(axis=0), negative.sum(axis=0)))
        write_values(session, self._folder, [value for curve in curves for value in _summary(*curve).value])


def _count(probabilities: Tensor, ids: Tensor, weights: Tensor, each_class: bool) -> tuple[Any, Any]:
    """Streams the number of probabilities between each two thresholds.

    Args:
      probabilities: float32 [batch, classes].
      ids: int64 [batch].
      weights: float32 [batch].
      each_class: whether to count each class separately.

    Returns:
      (value, update op), float32 [2, classes or 1, thresholds]: entry n counts the probabilities in [n / 200,
      (n + 1) / 200), of wrong classes at [0], of the true class at [1].
    """
    with tf.name_scope('pr_curves'):
        classes = probabilities.shape.as_list()[1]
        counts = (_of_each_class if each_class else _of_all_classes)(probabilities, ids, weights, classes)
        return running_sum('pr_curves', counts)


def _of_each_class(probabilities: Tensor, ids: Tensor, weights: Tensor, classes: int) -> Tensor:
    rows = tf.one_hot(ids, classes, dtype=tf.int32) * classes + tf.range(classes)
    amounts = tf.broadcast_to(tf.expand_dims(weights, 1), tf.shape(probabilities))
    places = rows * _THRESHOLDS + _columns(probabilities)
    counts = tf.math.unsorted_segment_sum(amounts, places, 2 * classes * _THRESHOLDS)
    return tf.reshape(counts, [2, classes, _THRESHOLDS])


def _of_all_classes(probabilities: Tensor, ids: Tensor, weights: Tensor, classes: int) -> Tensor:
    """Looks up only the probabilities of 1/200 and more: at most 200 of an example, whose sum is 1."""
    right = tf.gather(probabilities, ids, batch_dims=1)
    positive = tf.math.unsorted_segment_sum(weights, _columns(right), _THRESHOLDS)
    places = tf.where(probabilities * (_THRESHOLDS - 1) >= 1)
    columns, amounts = _columns(tf.gather_nd(probabilities, places)), tf.gather(weights, places[:, 0])
    found = tf.math.unsorted_segment_sum(amounts, columns, _THRESHOLDS)
    others = (tf.reduce_sum(weights) * classes - tf.reduce_sum(amounts)) * tf.one_hot(0, _THRESHOLDS)
    return tf.expand_dims(tf.stack([found + others - positive, positive]), 1)


def _columns(probabilities: Tensor) -> Tensor:
    return tf.cast(tf.floor(probabilities * (_THRESHOLDS - 1)), tf.int32)


def _summary(label: str, positive: np.ndarray, negative: np.ndarray) -> Any:
    """Returns a curve as a tf.Summary.

    Args:
      label: name of the curve.
      positive: number of probabilities of the true class, float [thresholds], as `_count` counts them.
      negative: the same for wrong classes.
    """
    from tensorboard.plugins.pr_curve import summary

    true_positives, false_positives = (_at_or_above(counts) for counts in (positive, negative))
    found = true_positives + false_positives
    return summary.raw_data_pb(
        f'pr_curves/{label}',
        true_positives,
        false_positives,
        negative.sum() - false_positives,
        positive.sum() - true_positives,
        np.divide(true_positives, found, out=np.zeros_like(found), where=found > 0),
        true_positives / max(positive.sum(), 1),
        num_thresholds=_THRESHOLDS,
    )


def _at_or_above(counts: np.ndarray) -> np.ndarray:
    """Returns the number of probabilities at or above each threshold."""
    return counts[::-1].cumsum()[::-1]
