"""Transformations of ``tf.contrib.data`` that tf.data has by another name: functions Dataset -> Dataset."""

from collections.abc import Callable
from typing import Any

from estimator_lab.tf1 import tf

Transformation = Callable[[Any], Any]


def batch_and_drop_remainder(batch_size: int) -> Transformation:
    """Batches, and leaves out what is left at the end."""
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def padded_batch_and_drop_remainder(
    batch_size: int, padded_shapes: Any, padding_values: Any = None
) -> Transformation:
    """Batches elements of different shapes, and leaves out what is left at the end."""
    return lambda dataset: dataset.padded_batch(
        batch_size, padded_shapes, padding_values, drop_remainder=True
    )


def sloppy_interleave(
    map_func: Callable[..., Any], cycle_length: int, block_length: int = 1
) -> Transformation:
    """Interleaves datasets in whatever order their elements come."""
    return tf.data.experimental.parallel_interleave(map_func, cycle_length, block_length, sloppy=True)
