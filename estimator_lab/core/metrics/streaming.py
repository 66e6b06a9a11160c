"""Metrics that ``tf.metrics`` lacks or counts otherwise than a reader expects."""

from typing import Any

from estimator_lab.core import keys
from estimator_lab.tf1 import Tensor, tf


def mean_per_class_accuracy(
    labels: Tensor, predictions: Tensor, num_classes: int, weights: Tensor
) -> tuple[Any, Any]:
    """Streams the mean, over the classes that occur, of each class's accuracy.

    `tf.metrics.mean_per_class_accuracy` counts a class that never occurs as 0, so that a perfect model
    falls short of 1 on data without all classes. This is scikit-learn's `balanced_accuracy_score`.

    Args:
      labels: int64 [batch], each in [0, num_classes).
      predictions: int64 [batch].
      num_classes: classes in the vocabulary.
      weights: float32 [batch]; 0 leaves an example out.

    Returns:
      (value, update op), scalar float32; 0 before any example.
    """
    classes = tf.one_hot(labels, num_classes)
    correct = tf.cast(tf.equal(labels, predictions), tf.float32)
    right, update_right = running_sum(
        'right', tf.reduce_sum(classes * tf.expand_dims(correct * weights, 1), axis=0)
    )
    seen, update_seen = running_sum('seen', tf.reduce_sum(classes * tf.expand_dims(weights, 1), axis=0))
    return _mean_of_ratios(right, seen), _mean_of_ratios(update_right, update_seen)


def count(flags: Tensor, name: str) -> tuple[Any, Any]:
    """Streams the number of true values in a bool tensor: (value, update op), scalar float32."""
    return running_sum(name, tf.reduce_sum(tf.cast(flags, tf.float32)))


def evaluated_images(values: Tensor) -> tuple[Any, Any]:
    """Streams over how many examples the metrics are: (value, update op), scalar float32.

    Args:
      values: one for each example, [batch].
    """
    return count(tf.ones_like(values, tf.bool), keys.EVALUATED_IMAGES)


def running_sum(name: str, amount: Tensor) -> tuple[Any, Any]:
    """Streams the sum of a tensor over an evaluation: (value, update op), of its type and shape."""
    total = tf.get_variable(
        f'metric_{name}',
        shape=amount.shape,
        dtype=amount.dtype,
        initializer=tf.zeros_initializer(),
        trainable=False,
        collections=[tf.GraphKeys.LOCAL_VARIABLES, tf.GraphKeys.METRIC_VARIABLES],
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )
    return total.read_value(), tf.assign_add(total, amount)


def _mean_of_ratios(right: Tensor, seen: Tensor) -> Tensor:
    occurring = tf.reduce_sum(tf.cast(seen > 0, tf.float32))
    return tf.div_no_nan(tf.reduce_sum(tf.div_no_nan(right, seen)), occurring)
