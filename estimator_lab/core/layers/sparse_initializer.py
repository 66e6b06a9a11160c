"""Sparse initial weights: each unit listens to a few inputs only."""

from collections.abc import Sequence
from typing import Any

from estimator_lab.tf1 import tf


class SparseInitializer:
    """Draws a few incoming weights of each unit from N(0, 1); all others are 0 (Martens 2010, section 5).

    However many inputs a unit has, what it receives stays as large, and its units differ more than those that
    listen to all. For kernels [inputs, units]; the graph's seed decides the draws.

    Args:
      incoming: weights of a unit that are not 0, at least 1; all of them where there are fewer inputs.
    """

    def __init__(self, incoming: int = 15) -> None:
        self._incoming = incoming

    def __call__(self, shape: Sequence[int], dtype: Any = tf.float32, partition_info: Any = None) -> Any:
        """Returns a kernel, `dtype` [inputs, units]."""
        del partition_info
        inputs, units = (int(size) for size in shape)
        # Per unit, the places of the largest of as many random numbers as there are inputs.
        places = tf.nn.top_k(tf.random_uniform([units, inputs]), min(self._incoming, inputs)).indices
        chosen = tf.reduce_sum(tf.one_hot(places, inputs, dtype=dtype), axis=1)
        return tf.transpose(chosen) * tf.random_normal([inputs, units], dtype=dtype)
