"""Streaming metrics that `tf.metrics` lacks or counts differently."""

from typing import Any, NamedTuple

from estimator_lab.core.model import keys
from estimator_lab.core.model.endpoints import Endpoints
from estimator_lab.core.model.keys import DEAD_UNITS
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


def dead_units(endpoints: Endpoints, weights: Tensor) -> dict[str, tuple[Any, Any]]:
    """Streams the share of a layer's units that are never active, for each endpoint with weights.

    A unit is a map of a convolution, or a unit of a dense layer; it is active where its output is above 0. A
    ReLU that never is has no gradient, and stays so (Maas et al. 2013, section 2).

    Args:
      endpoints: of the network.
      weights: float32 [batch]; 0 leaves an example out.

    Returns:
      (value, update op) by `DEAD_UNITS/NAME`, scalar float32 in [0, 1].
    """
    return {
        f'{DEAD_UNITS}/{name}': _dead_share(endpoint.values, weights, name)
        for name, endpoint in endpoints.items()
        if endpoint.kernel is not None
    }


def _dead_share(values: Tensor, weights: Tensor, name: str) -> tuple[Any, Any]:
    """Streams the share for values float32 [batch, ..., units]."""
    between = list(range(1, values.shape.rank - 1))
    active = tf.cast(tf.reduce_max(values, axis=between) > 0, tf.float32)
    seen, update = running_sum(f'active_{name}', tf.reduce_sum(active * tf.expand_dims(weights, 1), axis=0))
    return _share_of_zeros(seen), _share_of_zeros(update)


def _share_of_zeros(counts: Tensor) -> Tensor:
    return tf.reduce_mean(tf.cast(tf.equal(counts, 0), tf.float32))


class Sample(NamedTuple):
    """A sample of rows, in a random order.

    Attributes:
      rows: float32 [most, ...]; behind the rows that are there stand zeros.
      count: how many are there, int32.
    """

    rows: Tensor
    count: Tensor


def kept_rows(name: str, rows: Tensor, order: Tensor, most: int) -> tuple[Sample, Any]:
    """Streams a sample of rows: those that come first in a random order of all.

    Args:
      name: of its local variables.
      rows: float32 [batch, ...].
      order: float32 [batch], random numbers, by which rows of all batches are ranked.
      most: rows to keep; all of fewer.

    Returns:
      (the sample, update op).
    """
    shape = [most, *rows.shape.as_list()[1:]]
    kept = _local(f'{name}_rows', shape, 0.0)
    ranks = _local(f'{name}_ranks', [most], float('inf'))
    both = tf.concat([ranks, order], axis=0)
    # Sorted, so that the sample's first half is as random as all of it.
    _, places = tf.nn.top_k(-both, most)
    with tf.control_dependencies([places]):
        new_rows = tf.gather(tf.concat([kept, rows], axis=0), places)
        new_ranks = tf.gather(both, places)
    with tf.control_dependencies([new_rows, new_ranks]):
        update = tf.group(tf.assign(kept, new_rows), tf.assign(ranks, new_ranks))
    count = tf.reduce_sum(tf.cast(tf.is_finite(ranks), tf.int32))
    return Sample(kept.read_value(), count), update


def _local(name: str, shape: list[int], value: float) -> Any:
    return tf.get_variable(
        f'metric_{name}',
        shape,
        initializer=tf.constant_initializer(value),
        trainable=False,
        collections=[tf.GraphKeys.LOCAL_VARIABLES, tf.GraphKeys.METRIC_VARIABLES],
    )
