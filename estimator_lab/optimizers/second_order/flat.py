"""Several tensors as one vector, and operations on vectors."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from estimator_lab.tf1 import tf


class Layout:
    """Several tensors stored one after the other, row by row, in one vector.

    Args:
      shapes: the tensors' shapes, fully defined.

    Attributes:
      shapes: as tuples.
      size: length of the vector.
    """

    def __init__(self, shapes: Sequence[Sequence[int]]) -> None:
        self.shapes = [tuple(shape) for shape in shapes]
        self._sizes = [math.prod(shape) for shape in self.shapes]
        self.size = sum(self._sizes)

    def flatten(self, tensors: Sequence[Any]) -> Any:
        """Returns tensors of these shapes as one vector [size]."""
        return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)

    def unflatten(self, vector: Any) -> list[Any]:
        """Returns the tensors in a vector [size]."""
        parts = tf.split(vector, self._sizes)
        return [tf.reshape(part, shape) for part, shape in zip(parts, self.shapes, strict=True)]


def dot(one: Any, other: Any) -> Any:
    """Returns the inner product of two vectors, a scalar."""
    return tf.reduce_sum(one * other)


def norm(vector: Any) -> Any:
    """Returns the Euclidean length of a vector, a scalar."""
    return tf.sqrt(dot(vector, vector))


def epsilon(dtype: Any) -> float:
    """Returns the distance from 1 to the next number of a dtype: 1.2e-7 for float32."""
    return float(np.finfo(tf.as_dtype(dtype).as_numpy_dtype).eps)
