"""Optimizers of ``tf.contrib.opt``, and one of ``tf.contrib.estimator`` that clips gradients."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from estimator_lab.tf1 import Operation, Optimizer, Tensor, Variable, tf

_Mixin: Any = object  # whose super() is an optimizer


class _Around(tf.train.Optimizer):
    """An optimizer with the gradients, slots and variables of another one."""

    def __init__(self, optimizer: Optimizer, name: str) -> None:
        super().__init__(use_locking=False, name=name)
        self._optimizer = optimizer

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        return self._optimizer.compute_gradients(*args, **kwargs)

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        return self._optimizer.get_slot(*args, **kwargs)

    def get_slot_names(self, *args: Any, **kwargs: Any) -> Any:
        return self._optimizer.get_slot_names(*args, **kwargs)

    def variables(self) -> list[Variable]:
        return self._optimizer.variables()


class _Clipped(_Around):
    def __init__(self, optimizer: Optimizer, clip_norm: float) -> None:
        super().__init__(optimizer, f'ClipByNorm{optimizer.get_name()}')
        self._clip_norm = clip_norm

    def apply_gradients(
        self, grads_and_vars: Iterable[tuple[Tensor, Variable]], *args: Any, **kwargs: Any
    ) -> Operation:
        gradients, variables = zip(*grads_and_vars, strict=True)
        clipped, _ = tf.clip_by_global_norm(gradients, self._clip_norm)
        return self._optimizer.apply_gradients(zip(clipped, variables, strict=True), *args, **kwargs)


def clip_gradients_by_norm(optimizer: Optimizer, clip_norm: float) -> Optimizer:
    """Returns an optimizer that first scales all gradients to a global norm of at most `clip_norm`."""
    return _Clipped(optimizer, clip_norm)


class DecoupledWeightDecayExtension(_Mixin):
    """Mix-in that precedes an optimizer: each step also subtracts `weight_decay` times each variable.

    Loshchilov and Hutter (2019), algorithms 1 and 2. The decay is not multiplied by the learning rate, and
    precedes the step of the optimizer.
    """

    def __init__(self, weight_decay: Tensor, *args: Any, **kwargs: Any) -> None:
        self._decayed: list[Variable] | None = None
        self._weight_decay = weight_decay
        super().__init__(*args, **kwargs)

    def minimize(
        self, loss: Tensor, *args: Any, decay_var_list: Iterable[Variable] | None = None, **kwargs: Any
    ) -> Operation:
        """Minimizes as the optimizer does; if `decay_var_list` is given, only its variables decay."""
        self._decayed = list(decay_var_list) if decay_var_list else None
        return super().minimize(loss, *args, **kwargs)

    def apply_gradients(
        self,
        grads_and_vars: Iterable[tuple[Tensor, Variable]],
        *args: Any,
        decay_var_list: Iterable[Variable] | None = None,
        **kwargs: Any,
    ) -> Operation:
        """Applies gradients as the optimizer does; if `decay_var_list` is given, only its variables decay."""
        if decay_var_list:
            self._decayed = list(decay_var_list)
        return super().apply_gradients(grads_and_vars, *args, **kwargs)

    def _prepare(self) -> None:
        value = self._weight_decay() if callable(self._weight_decay) else self._weight_decay
        self._decay = tf.convert_to_tensor(value, name='weight_decay')
        super()._prepare()

    def _after_decay(
        self, gradient: Tensor, variable: Variable, step: Callable[[], Operation], rows: Tensor = None
    ) -> Operation:
        """Returns the optimizer's step, which follows the decay of the variable, or of its `rows` only."""
        if self._decayed is not None and not any(variable is each for each in self._decayed):
            return step()
        share = tf.cast(self._decay, variable.dtype.base_dtype)
        # The gradient is computed first, from the weights before the decay.
        with tf.control_dependencies([gradient]):
            if rows is None:
                decay = tf.assign_sub(variable, share * variable)
            else:
                decay = tf.scatter_sub(variable, rows, share * tf.gather(variable, rows))
        with tf.control_dependencies([decay]):
            return step()

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        return self._after_decay(grad, var, functools.partial(super()._apply_dense, grad, var))

    def _resource_apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        return self._after_decay(grad, var, functools.partial(super()._resource_apply_dense, grad, var))

    def _apply_sparse(self, grad: Tensor, var: Variable) -> Operation:
        step = functools.partial(super()._apply_sparse, grad, var)
        return self._after_decay(grad.values, var, step, grad.indices)

    def _resource_apply_sparse(self, grad: Tensor, var: Variable, indices: Tensor) -> Operation:
        step = functools.partial(super()._resource_apply_sparse, grad, var, indices)
        return self._after_decay(grad, var, step, indices)


def extend_with_decoupled_weight_decay(base_optimizer: type) -> type:
    """Returns the class with decoupled weight decay; its first argument is `weight_decay`."""
    return type(f'{base_optimizer.__name__}WithDecay', (DecoupledWeightDecayExtension, base_optimizer), {})


class AdamWOptimizer(DecoupledWeightDecayExtension, tf.train.AdamOptimizer):
    """Adam with decoupled weight decay: AdamWOptimizer(weight_decay, learning_rate=0.001, ...)."""

    def __init__(self, weight_decay: Tensor, *args: Any, name: str = 'AdamW', **kwargs: Any) -> None:
        super().__init__(weight_decay, *args, name=name, **kwargs)


class MomentumWOptimizer(DecoupledWeightDecayExtension, tf.train.MomentumOptimizer):
    """Momentum with decoupled weight decay: MomentumWOptimizer(weight_decay, learning_rate, momentum)."""

    def __init__(self, weight_decay: Tensor, *args: Any, name: str = 'MomentumW', **kwargs: Any) -> None:
        super().__init__(weight_decay, *args, name=name, **kwargs)


class LazyAdamOptimizer(tf.train.AdamOptimizer):
    """Adam that updates variables and moments only in the rows of a sparse gradient."""

    def _apply_sparse(self, grad: Tensor, var: Variable) -> Operation:
        return self._resource_apply_sparse(grad.values, var, grad.indices)

    def _resource_apply_sparse(self, grad: Tensor, var: Variable, indices: Tensor) -> Operation:
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


class LARSOptimizer(tf.train.MomentumOptimizer):
    """Momentum with a learning rate for each variable: You, Gitman and Ginsburg (2017), algorithm 1."""

    def __init__(
        self,
        learning_rate: Tensor,
        momentum: float = 0.9,
        weight_decay: float = 0.0001,
        eeta: float = 0.001,
        epsilon: float = 0.0,
        name: str = 'LARSOptimizer',
        skip_list: Sequence[str] | None = None,
        use_nesterov: bool = False,
    ) -> None:
        # The rates are in the gradients, as the momentum of the algorithm sums scaled gradients.
        super().__init__(1.0, momentum, name=name, use_nesterov=use_nesterov)
        self._lars_rate = learning_rate
        self._weight_decay = weight_decay
        self._eeta = eeta
        self._epsilon = epsilon
        self._skip_list = skip_list or []

    def _scaled(self, grad: Tensor, var: Variable) -> Tensor:
        rate = tf.cast(self._lars_rate() if callable(self._lars_rate) else self._lars_rate, grad.dtype)
        if any(part in var.name for part in self._skip_list):
            return rate * grad
        weight, gradient = tf.norm(var), tf.norm(grad)
        ratio = self._eeta * weight / (gradient + self._weight_decay * weight + self._epsilon)
        trust = tf.where((weight > 0) & (gradient > 0), ratio, tf.ones_like(weight))
        return rate * trust * (grad + self._weight_decay * var)

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        return super()._apply_dense(self._scaled(grad, var), var)

    def _resource_apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        return super()._resource_apply_dense(self._scaled(grad, var), var)

    def _apply_sparse(self, grad: Tensor, var: Variable) -> Operation:
        return self._apply_dense(tf.convert_to_tensor(grad), var)

    def _resource_apply_sparse(self, grad: Tensor, var: Variable, indices: Tensor) -> Operation:
        return self._resource_apply_dense(
            tf.convert_to_tensor(tf.IndexedSlices(grad, indices, var.shape)), var
        )


class MovingAverageOptimizer(_Around):
    """Wraps an optimizer and keeps a moving average of each variable.

    `swapping_saver` saves the averages under the names of the variables, for evaluation.
    """

    def __init__(
        self,
        opt: Optimizer,
        average_decay: float = 0.9999,
        num_updates: Tensor = None,
        sequential_update: bool = True,
    ) -> None:
        super().__init__(opt, opt.get_name())
        self._ema = tf.train.ExponentialMovingAverage(average_decay, num_updates=num_updates)
        self._sequential = sequential_update
        self._swapped: dict[str, str] = {}

    def apply_gradients(
        self,
        grads_and_vars: Iterable[tuple[Tensor, Variable]],
        global_step: Tensor = None,
        name: str | None = None,
    ) -> Operation:
        """Applies gradients as the optimizer does, then updates the averages."""
        pairs = list(grads_and_vars)
        train = self._optimizer.apply_gradients(pairs, global_step, name)
        variables = [variable for gradient, variable in pairs if gradient is not None]
        with tf.control_dependencies([train] if self._sequential else []):
            update = self._ema.apply(variables)
        for variable in variables:
            names = variable.op.name, self._ema.average(variable).op.name
            self._swapped.update([names, names[::-1]])
        return tf.group(train, update, name='train_with_avg')

    def swapping_saver(self, var_list: Any = None, name: str = 'swapping_saver', **kwargs: Any) -> Any:
        """Returns a tf.train.Saver that saves averages as variables, and variables as averages."""
        variables = tf.global_variables() if var_list is None else var_list
        if not isinstance(variables, dict):
            variables = {variable.op.name: variable for variable in variables}
        by_name = {variable.op.name: variable for variable in variables.values()}
        swapped = {
            key: by_name[self._swapped.get(variable.op.name, variable.op.name)]
            for key, variable in variables.items()
        }
        return tf.train.Saver(swapped, name=name, **kwargs)
