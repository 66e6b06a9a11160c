"""A random sample of the rows of an evaluation, for figures that no running sum can hold."""

from typing import Any, NamedTuple

from estimator_lab.tf1 import Tensor, tf


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
