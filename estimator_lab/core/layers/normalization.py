"""Batch normalisation and instance normalisation."""

from estimator_lab.core.layers.kernel_norm import network_variable
from estimator_lab.tf1 import Tensor, Variable, tf

_EPSILON = 1e-5
_KEPT = 0.9  # of the moving averages, in each step

Update = tuple[Variable, Tensor]
"""A variable, and what it is to become."""


class BatchNorm:
    """Brings each unit or map of a batch to mean `beta` and deviation `gamma` (Ioffe and Szegedy 2015).

    `tf.layers.batch_normalization` leaves its updates to whoever thinks of tf.GraphKeys.UPDATE_OPS; a step
    of two players needs to say which of them changes what.

    Args:
      scope: of its variables, `gamma`, `beta`, `moving_mean` and `moving_variance`.
      trainable: whether `gamma` and `beta` learn.
    """

    def __init__(self, scope: str, trainable: bool = True) -> None:
        self._scope = scope
        self._trainable = trainable

    def __call__(self, values: Tensor, training: bool) -> tuple[Tensor, list[Update]]:
        """Returns the values by their own statistics in training, by the moving ones otherwise.

        Args:
          values: float32 [batch, height, width, maps] or [batch, units].
          training: whether the batch's statistics count; then there are updates of the moving ones.
        """
        units = values.shape.as_list()[-1]
        maps = values if values.shape.rank == 4 else tf.reshape(values, [-1, 1, 1, units])
        with tf.variable_scope(self._scope, reuse=tf.AUTO_REUSE):
            gamma = self._variable('gamma', units, 1.0, self._trainable)
            beta = self._variable('beta', units, 0.0, self._trainable)
            mean = self._variable('moving_mean', units, 0.0, False)
            variance = self._variable('moving_variance', units, 1.0, False)
            updates: list[Update] = []
            if training:
                found, *statistics = tf.nn.fused_batch_norm(maps, gamma, beta, epsilon=_EPSILON)
                for moving, now in zip((mean, variance), statistics, strict=True):
                    updates.append((moving, _KEPT * moving + (1 - _KEPT) * now))
            else:
                found, *_ = tf.nn.fused_batch_norm(
                    maps, gamma, beta, mean, variance, epsilon=_EPSILON, is_training=False
                )
            return tf.reshape(found, tf.shape(values)) if maps is not values else found, updates

    def _variable(self, name: str, units: int, value: float, trainable: bool) -> Variable:
        return network_variable(name, [units], tf.constant_initializer(value), trainable)


STATISTICS = 'estimator_lab/instance_statistics'
"""The graph's collection of means and variances, in the order of the layers; tiles are fed with them."""


class InstanceNorm:
    """Brings each map of each picture to mean 0 and variance 1, then to the scale and shift of its style.

    Its variables are NAME/scale and NAME/shift, [styles, maps]; they are made at its first use.

    Args:
      name: of its scope, within the current one.
      styles: how many.
    """

    def __init__(self, name: str, styles: int) -> None:
        self._name, self._styles = name, styles

    def __call__(self, maps: Tensor, mix: Tensor) -> Tensor:
        """Returns the maps, normalised.

        Args:
          maps: float32 [batch, height, width, maps].
          mix: how much of each style a picture gets, float32 [batch, styles].
        """
        count = maps.shape.as_list()[3]
        with tf.variable_scope(self._name, reuse=tf.AUTO_REUSE):
            scale = tf.get_variable('scale', [self._styles, count], initializer=tf.ones_initializer())
            shift = tf.get_variable('shift', [self._styles, count], initializer=tf.zeros_initializer())
            mean, variance = tf.nn.moments(maps, [1, 2], keepdims=True)
            for statistic in (mean, variance):
                tf.add_to_collection(STATISTICS, statistic)
            factor = _of_each(mix, scale) * tf.rsqrt(variance + _EPSILON)
            # One multiplication and one addition a value, since maps are large.
            return maps * factor + (_of_each(mix, shift) - mean * factor)


def _of_each(mix: Tensor, values: Tensor) -> Tensor:
    """Returns the mixed values of each picture, float32 [batch, 1, 1, maps]."""
    return tf.matmul(mix, values)[:, tf.newaxis, tf.newaxis, :]
