"""``replicate_model_fn`` and ``TowerOptimizer`` of ``tf.contrib.estimator``, on one device.

In 1.15 they split each batch among the GPUs of a machine and combine the gradients of the parts. Here the
whole batch is on one device, as in 1.15 with one GPU or none: losses and gradients are the same, apart from
batch normalization, which saw a part of the batch.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from estimator_lab.contrib._wrapped_optimizer import WrappedOptimizer
from estimator_lab.tf1 import tf


def replicate_model_fn(
    model_fn: Callable[..., Any],
    loss_reduction: str = tf.losses.Reduction.SUM_BY_NONZERO_WEIGHTS,
    devices: Sequence[str] | None = None,
) -> Callable[..., Any]:
    """Returns a model_fn that runs `model_fn` on the first device; with several GPUs, it logs a warning.

    Args:
      model_fn: a model_fn, whose optimizer is a TowerOptimizer.
      loss_reduction: one of tf.losses.Reduction, except NONE; has no effect on one device.
      devices: names of devices, such as '/gpu:0'; all GPUs by default.

    Raises:
      ValueError: if the reduction is NONE.
    """
    if loss_reduction == tf.losses.Reduction.NONE:
        raise ValueError(f'Tower losses need to be reduced in some way, yet {loss_reduction} is specified.')

    def on_one_device(features: Any, labels: Any, mode: str, params: Any = None, config: Any = None) -> Any:
        count = len(devices or tf.config.list_physical_devices('GPU'))
        if count > 1:
            tf.logging.warning(
                'replicate_model_fn uses one of %d devices. To use all, pass the model_fn itself to an '
                'Estimator whose RunConfig has train_distribute=tf.distribute.MirroredStrategy().',
                count,
            )
        available = {'labels': labels, 'mode': mode, 'params': params, 'config': config}
        accepted = inspect.signature(model_fn).parameters
        with tf.device(devices[0] if devices else None):
            return model_fn(features, **{name: available[name] for name in available if name in accepted})

    return on_one_device


class TowerOptimizer(WrappedOptimizer):
    """The optimizer that it wraps, or that a function without arguments returns."""

    _used = 'tower_optimizer_used'

    def __init__(self, optimizer_or_optimizer_fn: Any) -> None:
        given = optimizer_or_optimizer_fn
        optimizer = given if isinstance(given, tf.train.Optimizer) else given()
        super().__init__(optimizer, optimizer.get_name())
        tf.get_default_graph().get_collection_ref(self._used)[:] = [True]

    @classmethod
    def has_been_used(cls) -> bool:
        """Returns whether the graph has one."""
        return bool(tf.get_collection(cls._used))

    def apply_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """Applies gradients as the optimizer does."""
        return self._optimizer.apply_gradients(*args, **kwargs)
