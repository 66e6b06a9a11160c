"""FTRL for deep networks, whose weights do not start at 0."""

from typing import Any

from estimator_lab.tf1 import Tensor, Variable, tf

_FIRST_SQUARES = 0.1  # TensorFlow's default


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

    def _apply_dense(self, grad: Tensor, var: Variable) -> Any:
        squares, sums = self.get_slot(var, 'accum'), self.get_slot(var, 'linear')
        n, z, w = (tf.identity(value) for value in (squares, sums, var))
        # Not set when the slot is created, as a warm start may still replace the weights.
        z = tf.where(tf.equal(n, _FIRST_SQUARES), -tf.sqrt(n) * w, z)
        new_n = n + tf.square(grad)
        new_z = z + self._learning_rate_tensor * grad - (tf.sqrt(new_n) - tf.sqrt(n)) * w
        with tf.control_dependencies([new_n, new_z]):
            values = ((squares, new_n), (sums, new_z), (var, -new_z / tf.sqrt(new_n)))
            return tf.group(*(tf.assign(variable, value) for variable, value in values))

    def _resource_apply_dense(self, grad: Tensor, var: Variable) -> Any:
        return self._apply_dense(grad, var)

    def _resource_apply_sparse(self, grad: Tensor, var: Variable, indices: Tensor) -> Any:
        return self._apply_dense(tf.scatter_nd(indices[:, tf.newaxis], grad, tf.shape(var)), var)

    def _apply_sparse(self, grad: Any, var: Variable) -> Any:
        return self._resource_apply_sparse(grad.values, var, grad.indices)
