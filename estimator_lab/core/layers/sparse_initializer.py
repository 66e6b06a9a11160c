"""Initial weights of dense layers; sparse ones let each unit listen to a few inputs only."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from estimator_lab.core.hparams import hparam
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


@dataclasses.dataclass(frozen=True)
class DenseParams:
    """Parameters of a network of dense layers."""

    sparse_initialization: int = hparam(
        0,
        'weights of each unit that are not 0 at first, 15 in Martens (2010), for dense layers; 0 for '
        'small ones everywhere (Glorot and Bengio 2010)',
        lambda v: v >= 0,
    )

    def dense_initializer(self) -> Any:
        """Returns the initializer of a dense layer's kernel.

        It is named in each layer, since Keras 2 below tf.layers would draw a seed of its own.
        """
        incoming = self.sparse_initialization
        return SparseInitializer(incoming) if incoming else tf.glorot_uniform_initializer()
