"""Batch normalisation whose updates a step of two networks can apply apart."""

import dataclasses

from estimator_lab.core.layers import network_variable
from estimator_lab.tf1 import Tensor, Variable, tf

_EPSILON = 1e-5
_DECAY = 0.9  # of the moving averages, per step

Update = tuple[Variable, Tensor]
"""A variable and its new value."""


@dataclasses.dataclass(frozen=True)
class BatchNorm:
    """Normalises each unit or map of a batch to mean `beta` and deviation `gamma` (Ioffe and Szegedy 2015).

    It returns the updates of the moving averages, so that a step of two networks can apply those of one.
    `tf.layers.batch_normalization` adds all of them to tf.GraphKeys.UPDATE_OPS.

    Args:
      scope: scope of its variables `gamma`, `beta`, `moving_mean` and `moving_variance`.
      trainable: whether `gamma` and `beta` are trained.
    """

    scope: str
    trainable: bool = True

    def __call__(self, values: Tensor, training: bool) -> tuple[Tensor, list[Update]]:
        """Returns the normalised values, of the same shape, and the updates of the moving averages.

        Args:
          values: float32 [batch, height, width, maps] or [batch, units].
          training: whether to use the batch's statistics, with two updates; otherwise the moving averages,
            without updates.
        """
        units = values.shape.as_list()[-1]
        maps = values if values.shape.rank == 4 else tf.reshape(values, [-1, 1, 1, units])
        with tf.variable_scope(self.scope, reuse=tf.AUTO_REUSE):
            gamma = self._variable('gamma', units, 1.0, self.trainable)
            beta = self._variable('beta', units, 0.0, self.trainable)
            mean = self._variable('moving_mean', units, 0.0, False)
            variance = self._variable('moving_variance', units, 1.0, False)
            updates: list[Update] = []
            if training:
                found, *statistics = tf.nn.fused_batch_norm(maps, gamma, beta, epsilon=_EPSILON)
                for moving, now in zip((mean, variance), statistics, strict=True):
                    updates.append((moving, _DECAY * moving + (1 - _DECAY) * now))
            else:
                found, *_ = tf.nn.fused_batch_norm(
                    maps, gamma, beta, mean, variance, epsilon=_EPSILON, is_training=False
                )
            return tf.reshape(found, tf.shape(values)) if maps is not values else found, updates

    def _variable(self, name: str, units: int, value: float, trainable: bool) -> Variable:
        return network_variable(name, [units], tf.constant_initializer(value), trainable)
