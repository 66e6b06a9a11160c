"""Optimizers of ``tf.contrib.opt``: decoupled weight decay, and Adam for sparse gradients."""

import functools
from collections.abc import Callable
from typing import Any

from estimator_lab.tf1 import tf


class DecoupledWeightDecayExtension:
    """Mix-in that precedes an optimizer: each step also subtracts `weight_decay` times each variable.

    Loshchilov and Hutter (2019), algorithms 1 and 2. The decay is not multiplied by the learning rate, and
    precedes the step of the optimizer.

    Args:
      weight_decay: a number, a scalar tensor, or a function that returns one.
      *args: arguments of the optimizer.
      **kwargs: arguments of the optimizer.
    """

    def __init__(self, weight_decay: Any, *args: Any, **kwargs: Any) -> None:
        self._decayed: list[Any] | None = None
        self._weight_decay = weight_decay
        super().__init__(*args, **kwargs)

    def minimize(self, loss: Any, *args: Any, decay_var_list: Any = None, **kwargs: Any) -> Any:
        """Minimizes as the optimizer does; if `decay_var_list` is given, only its variables decay."""
        self._decayed = list(decay_var_list) if decay_var_list else None
        return super().minimize(loss, *args, **kwargs)  # type: ignore[misc]

    def apply_gradients(
        self, grads_and_vars: Any, *args: Any, decay_var_list: Any = None, **kwargs: Any
    ) -> Any:
        """Applies gradients as the optimizer does; if `decay_var_list` is given, only its variables decay."""
        if decay_var_list:
            self._decayed = list(decay_var_list)
        return super().apply_gradients(grads_and_vars, *args, **kwargs)  # type: ignore[misc]

    def _prepare(self) -> None:
        value = self._weight_decay() if callable(self._weight_decay) else self._weight_decay
        self._decay = tf.convert_to_tensor(value, name='weight_decay')
        super()._prepare()  # type: ignore[misc]

    def _after_decay(self, gradient: Any, variable: Any, step: Callable[[], Any], rows: Any = None) -> Any:
        """Returns the optimizer's step, which follows the decay of the variable, or of its `rows` only."""
        if self._decayed is not None and not any(variable is each for each in self._decayed):
            return step()
        share = tf.cast(self._decay, variable.dtype.base_dtype)
        # The gradient is computed first, from the weights before the decay.
        with tf.control_dependencies([gradient]):
            if rows is None:
                decay = tf.assign_sub(variable, share * variable)
            else:
                rows, _ = tf.unique(rows)
                decay = tf.scatter_sub(variable, rows, share * tf.gather(variable, rows))
        with tf.control_dependencies([decay]):
            return step()

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        step = super()._apply_dense  # type: ignore[misc]
        return self._after_decay(grad, var, functools.partial(step, grad, var))

    def _resource_apply_dense(self, grad: Any, var: Any) -> Any:
        step = super()._resource_apply_dense  # type: ignore[misc]
        return self._after_decay(grad, var, functools.partial(step, grad, var))

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        step = super()._apply_sparse  # type: ignore[misc]
        return self._after_decay(grad.values, var, functools.partial(step, grad, var), grad.indices)

    def _resource_apply_sparse(self, grad: Any, var: Any, indices: Any) -> Any:
        step = super()._resource_apply_sparse  # type: ignore[misc]
        return self._after_decay(grad, var, functools.partial(step, grad, var, indices), indices)


def extend_with_decoupled_weight_decay(base_optimizer: type) -> type:
    """Returns the class with decoupled weight decay; its first argument is `weight_decay`."""
    return type(f'{base_optimizer.__name__}WithDecay', (DecoupledWeightDecayExtension, base_optimizer), {})


class AdamWOptimizer(DecoupledWeightDecayExtension, tf.train.AdamOptimizer):
    """Adam with decoupled weight decay: AdamWOptimizer(weight_decay, learning_rate=0.001, ...)."""

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = 'AdamW',
    ) -> None:
        super().__init__(weight_decay, learning_rate, beta1, beta2, epsilon, use_locking, name)


class MomentumWOptimizer(DecoupledWeightDecayExtension, tf.train.MomentumOptimizer):
    """Momentum with decoupled weight decay: MomentumWOptimizer(weight_decay, learning_rate, momentum)."""

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = 'MomentumW',
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(weight_decay, learning_rate, momentum, use_locking, name, use_nesterov)


class LazyAdamOptimizer(tf.train.AdamOptimizer):
    """Adam that updates variables and moments only in the rows of a sparse gradient."""

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        return self._resource_apply_sparse(grad.values, var, grad.indices)

    def _resource_apply_sparse(self, grad: Any, var: Any, indices: Any) -> Any:
        dtype = var.dtype.base_dtype
        rate, beta1, beta2, epsilon = (
            tf.cast(each, dtype) for each in (self._lr_t, self._beta1_t, self._beta2_t, self._epsilon_t)
        )
        power1, power2 = (tf.cast(each, dtype) for each in self._get_beta_accumulators())
        rate = rate * tf.sqrt(1 - power2) / (1 - power1)
        m, v = self.get_slot(var, 'm'), self.get_slot(var, 'v')
        new_m = beta1 * tf.gather(m, indices) + (1 - beta1) * grad
        new_v = beta2 * tf.gather(v, indices) + (1 - beta2) * tf.square(grad)
        return tf.group(
            tf.scatter_update(m, indices, new_m),
            tf.scatter_update(v, indices, new_v),
            tf.scatter_sub(var, indices, rate * new_m / (tf.sqrt(new_v) + epsilon)),
        )
