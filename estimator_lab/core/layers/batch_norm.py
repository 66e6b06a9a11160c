"""Batch normalisation whose moving averages are assigned by the step that trains, not by a collection."""

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
        initial = tf.constant_initializer(value)
        mean = tf.VariableAggregation.MEAN  # of what replicas assign
        return tf.get_variable(name, [units], initializer=initial, trainable=trainable, aggregation=mean)
