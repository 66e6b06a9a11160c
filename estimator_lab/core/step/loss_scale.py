"""Loss scaling, which keeps small gradients from vanishing in float16."""

from collections.abc import Sequence
from typing import Any

from estimator_lab.core.model import keys
from estimator_lab.tf1 import Variable, create_slots, tf


class LossScaledOptimizer(tf.mixed_precision.MixedPrecisionLossScaleOptimizer):
    """An optimizer that multiplies the loss by a scale, and divides the gradients by it.

    See Micikevicius et al. 2018, 'Mixed precision training'. TensorFlow's dynamic loss scale begins at 2^15
    and doubles after 2,000 updates with finite gradients. An update with an infinite gradient is skipped, and
    halves it, down to 1. The scale, float32, and the number of updates since it last changed, int64, are
    variables, and so part of every checkpoint. The collection `keys.LOSS_SCALE` holds both for each optimizer
    of a graph, as float32 [2]; all replicas of a tf.distribute.Strategy share them, and add the first one's.

    Args:
      optimizer: a `tf.train.Optimizer`.
    """

    def __init__(self, optimizer: Any) -> None:
        with tf.name_scope(None), tf.name_scope(keys.LOSS_SCALE):
            loss_scale = tf.mixed_precision.DynamicLossScale()
            super().__init__(optimizer, loss_scale)
            scale, good_steps = loss_scale._current_loss_scale, loss_scale._num_good_steps
            state = tf.stack([scale.read_value(), tf.cast(good_steps.read_value(), tf.float32)])
        if not tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group):
            tf.add_to_collection(keys.LOSS_SCALE, state)
        with tf.name_scope(None):  # the name is the tag in TensorBoard
            tf.summary.scalar(keys.LOSS_SCALE, state[0])

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        create_slots(self._optimizer, var_list)
