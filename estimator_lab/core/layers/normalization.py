"""Batch normalisation and instance normalisation."""

import dataclasses

from estimator_lab.core.layers.kernel_norm import network_variable
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


STATISTICS = 'estimator_lab/instance_statistics'
"""Collection of the means and variances, in the order of the layers; painting in tiles feeds them."""


@dataclasses.dataclass(frozen=True)
class InstanceNorm:
    """Normalises each map of each picture to mean 0 and variance 1, then applies its style's scale and shift.

    Instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016), with scales and shifts for several styles
    that share all kernels and can be mixed: conditional instance normalisation (Dumoulin, Shlens and Kudlur
    2017). The variables are NAME/scale and NAME/shift, [styles, maps], within the current scope.
    """

    name: str
    styles: int

    def __call__(self, maps: Tensor, mix: Tensor) -> Tensor:
        """Returns the normalised maps, of the same shape.

        Args:
          maps: float32 [batch, height, width, maps].
          mix: weights of the styles for each picture, float32 [batch, styles].
        """
        count = maps.shape.as_list()[3]
        with tf.variable_scope(self.name, reuse=tf.AUTO_REUSE):
            scale = tf.get_variable('scale', [self.styles, count], initializer=tf.ones_initializer())
            shift = tf.get_variable('shift', [self.styles, count], initializer=tf.zeros_initializer())
            mean, variance = tf.nn.moments(maps, [1, 2], keepdims=True)
            for statistic in (mean, variance):
                tf.add_to_collection(STATISTICS, statistic)
            factor = _of_each(mix, scale) * tf.rsqrt(variance + _EPSILON)
            # One multiplication and one addition per value, as maps are large.
            return maps * factor + (_of_each(mix, shift) - mean * factor)


def _of_each(mix: Tensor, values: Tensor) -> Tensor:
    """Returns the weighted mean over the styles for each picture, float32 [batch, 1, 1, maps]."""
    return tf.matmul(mix, values)[:, tf.newaxis, tf.newaxis, :]
