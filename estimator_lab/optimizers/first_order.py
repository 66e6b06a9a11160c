"""Adam with a longer warm-up for units with many inputs, and FTRL for deep networks and schedules."""

import math
from typing import Any

from estimator_lab.tf1 import Operation, Tensor, Variable, tf

_FIRST_SQUARES = 0.1  # TensorFlow's default


class FanInAdam(tf.train.AdamOptimizer):
    """Adam whose learning rate rises more slowly for kernels with many inputs per unit.

    Adam moves every weight by about the learning rate, however small its gradient. The inputs of a layer
    after ReLU and pooling are all positive, so that at first the moves of all weights into a unit add up:
    with 32,768 of them, one step at the full rate shifts the unit's input by dozens of standard deviations,
    and units that become negative for all images never recover. Rates in inverse proportion to the inputs
    prevent that (Yang et al. 2022, 'Tensor Programs V', table 3). They are needed only until the gradients of
    different batches differ, so that here the warm-up is longer instead, in proportion to the inputs.

    Args:
      learning_rate: a scalar float tensor, which includes the warm-up of all variables.
      step: a scalar integer tensor, the steps taken before this one.
      warmup_steps: steps of that warm-up.
      warmup_inputs: inputs per unit for which it is long enough. With n inputs, more than that, the rate is
        multiplied by a second factor, which rises linearly to 1 within warmup_steps * n / warmup_inputs
        steps. 0 for the same warm-up everywhere.
      **options: other arguments of `tf.train.AdamOptimizer`.
    """

    def __init__(
        self,
        learning_rate: Tensor,
        step: Tensor = 0,
        warmup_steps: int = 0,
        warmup_inputs: int = 0,
        **options: float,
    ) -> None:
        super().__init__(learning_rate, **options)
        self._lr_t: Tensor = None  # set before the updates
        self._step = step
        self._warmup_steps = warmup_steps
        self._warmup_inputs = warmup_inputs

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        return self._warmed_up(super()._apply_dense, grad, var)

    def _resource_apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        return self._warmed_up(super()._resource_apply_dense, grad, var)

    def _warmed_up(self, apply: Any, grad: Tensor, var: Variable) -> Operation:
        inputs = math.prod(var.shape.as_list()[:-1])
        if not 0 < self._warmup_inputs < inputs or not self._warmup_steps:
            return apply(grad, var)
        steps = self._warmup_steps * inputs / self._warmup_inputs
        rate = self._lr_t
        self._lr_t = rate * tf.minimum((tf.cast(self._step, tf.float32) + 1) / steps, 1.0)
        try:
            return apply(grad, var)
        finally:
            self._lr_t = rate


class ScheduledFtrl(tf.train.FtrlOptimizer):
    """FTRL-Proximal (McMahan et al. 2013) that keeps initial weights and can follow a schedule.

    TensorFlow's computes each weight anew from a sum z of gradients, as -rate * z / sqrt(n), with the sum n
    of their squares. A weight that has seen small gradients only is then close to 0, whatever its initial
    value, and all weights become 0 with the rate at the end of a schedule. Here, z starts at the value that
    gives the initial weight, and each gradient is multiplied by the rate of its own step:

        z += rate * g - (sqrt(n + g^2) - sqrt(n)) * w;  n += g^2;  w = -z / sqrt(n)
    """

    def __init__(self, learning_rate: Tensor) -> None:
        super().__init__(learning_rate, initial_accumulator_value=_FIRST_SQUARES)

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        squares, sums = self.get_slot(var, 'accum'), self.get_slot(var, 'linear')
        n, z, w = (tf.identity(value) for value in (squares, sums, var))
        # Not set when the slot is created, as a warm start may still replace the weights.
        z = tf.where(tf.equal(n, _FIRST_SQUARES), -tf.sqrt(n) * w, z)
        new_n = n + tf.square(grad)
        new_z = z + self._learning_rate_tensor * grad - (tf.sqrt(new_n) - tf.sqrt(n)) * w
        with tf.control_dependencies([new_n, new_z]):
            values = ((squares, new_n), (sums, new_z), (var, -new_z / tf.sqrt(new_n)))
            return tf.group(*(tf.assign(variable, value) for variable, value in values))

    def _resource_apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        return self._apply_dense(grad, var)

    def _resource_apply_sparse(self, grad: Tensor, var: Variable, indices: Tensor) -> Operation:
        return self._apply_dense(tf.scatter_nd(indices[:, tf.newaxis], grad, tf.shape(var)), var)

    def _apply_sparse(self, grad: Tensor, var: Variable) -> Operation:
        return self._resource_apply_sparse(grad.values, var, grad.indices)
