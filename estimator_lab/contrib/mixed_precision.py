"""``tf.contrib.mixed_precision``: an optimizer that scales the loss, for float16 gradients."""

from typing import Any

from estimator_lab.tf1 import tf


class LossScaleManager:
    """Decides the scale of the loss."""

    def get_loss_scale(self) -> Any:
        """Returns the scale, a scalar float32."""
        raise NotImplementedError

    def update_loss_scale(self, finite_grads: Any) -> Any:
        """Returns the operation that updates the scale, given whether all gradients were finite."""
        raise NotImplementedError


class FixedLossScaleManager(LossScaleManager):
    """A constant scale, 1 or more."""

    def __init__(self, loss_scale: float) -> None:
        if loss_scale < 1:
            raise ValueError('loss scale must be at least 1.')
        self._loss_scale = tf.convert_to_tensor(loss_scale, dtype=tf.float32)

    def get_loss_scale(self) -> Any:
        """Returns the scale."""
        return self._loss_scale

    def update_loss_scale(self, finite_grads: Any) -> Any:
        """Returns an operation without effect."""
        return tf.no_op()


class ExponentialUpdateLossScaleManager(LossScaleManager):
    """A scale that rises while gradients are finite, and falls when they are not.

    Args:
      init_loss_scale: the first scale.
      incr_every_n_steps: finite steps in a row after which it rises.
      decr_every_n_nan_or_inf: infinite steps, in total since the last change, after which it falls.
      incr_ratio: factor by which it rises.
      decr_ratio: factor by which it falls, not below 1.
    """

    def __init__(
        self,
        init_loss_scale: float,
        incr_every_n_steps: int,
        decr_every_n_nan_or_inf: int = 2,
        incr_ratio: float = 2,
        decr_ratio: float = 0.8,
    ) -> None:
        self._incr_every_n_steps = incr_every_n_steps
        self._decr_every_n_nan_or_inf = decr_every_n_nan_or_inf
        self._incr_ratio = incr_ratio
        self._decr_ratio = decr_ratio
        self._loss_scale = _variable('loss_scale', tf.float32, init_loss_scale)
        self._good = _variable('good_steps', tf.int32, 0)
        self._bad = _variable('bad_steps', tf.int32, 0)

    def get_loss_scale(self) -> Any:
        """Returns the scale."""
        return self._loss_scale

    def update_loss_scale(self, finite_grads: Any) -> Any:
        """Returns the operation that counts a step and changes the scale when it is time."""
        scale, good, bad = (tf.identity(each) for each in (self._loss_scale, self._good, self._bad))
        with tf.control_dependencies([scale, good, bad]):
            return tf.cond(finite_grads, lambda: self._rise(scale, good), lambda: self._fall(scale, bad))

    def _rise(self, scale: Any, good: Any) -> Any:
        is_time = good + 1 >= self._incr_every_n_steps
        larger = scale * self._incr_ratio
        larger = tf.where(tf.is_finite(larger), larger, scale)
        return tf.group(
            tf.assign(self._loss_scale, tf.where(is_time, larger, scale)),
            tf.assign(self._good, tf.where(is_time, 0, good + 1)),
            tf.assign(self._bad, tf.where(is_time, 0, tf.identity(self._bad))),
        )

    def _fall(self, scale: Any, bad: Any) -> Any:
        is_time = bad + 1 >= self._decr_every_n_nan_or_inf
        return tf.group(
            tf.assign(self._loss_scale, tf.where(is_time, tf.maximum(1.0, scale * self._decr_ratio), scale)),
            tf.assign(self._good, 0),
            tf.assign(self._bad, tf.where(is_time, 0, bad + 1)),
        )


def _variable(name: str, dtype: Any, value: float) -> Any:
    return tf.get_variable(name, [], dtype, tf.constant_initializer(value), trainable=False)


class LossScaleOptimizer(tf.train.Optimizer):
    """Multiplies the loss by a scale and divides the gradients by it; skips steps that are not finite.

    Args:
      opt: the optimizer.
      loss_scale_manager: a LossScaleManager.
    """

    def __init__(self, opt: Any, loss_scale_manager: LossScaleManager) -> None:
        super().__init__(use_locking=False, name='LossScaleOptimizer')
        self._optimizer = opt
        self._manager = loss_scale_manager

    def compute_gradients(self, loss: Any, *args: Any, **kwargs: Any) -> list[Any]:
        """Returns the gradients of the loss, computed at its scale, and their variables."""
        scale = self._manager.get_loss_scale()
        scaled = (
            (lambda: loss() * tf.cast(scale, loss().dtype.base_dtype))
            if callable(loss)
            else loss * tf.cast(scale, loss.dtype.base_dtype)
        )
        found = self._optimizer.compute_gradients(scaled, *args, **kwargs)
        return [(self._unscaled(gradient, scale), variable) for gradient, variable in found]

    @staticmethod
    def _unscaled(gradient: Any, scale: Any) -> Any:
        if gradient is None:
            return None
        if isinstance(gradient, tf.IndexedSlices):
            values = gradient.values * tf.cast(1.0 / scale, gradient.values.dtype)
            return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
        return gradient * tf.cast(1.0 / scale, gradient.dtype)

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Applies the gradients if all are finite, and updates the scale."""
        pairs = list(grads_and_vars)
        values = [
            gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
            for gradient, _ in pairs
            if gradient is not None
        ]
        is_finite = tf.reduce_all([tf.reduce_all(tf.is_finite(value)) for value in values])
        # Slots have the name of the branch otherwise.
        self._optimizer._create_slots([variable for gradient, variable in pairs if gradient is not None])

        def step() -> Any:
            return self._optimizer.apply_gradients(pairs, global_step, name)

        applied = tf.cond(is_finite, step, tf.no_op)
        return tf.group(applied, self._manager.update_loss_scale(is_finite))
