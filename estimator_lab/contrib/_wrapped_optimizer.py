"""The base class of optimizers of ``tf.contrib`` that change what another one does."""

from typing import Any

from estimator_lab.tf1 import tf


class WrappedOptimizer(tf.train.Optimizer):
    """An optimizer whose gradients, slots and variables are those of another one.

    Args:
      optimizer: the other one.
      name: name of the operations.
    """

    def __init__(self, optimizer: Any, name: str) -> None:
        super().__init__(use_locking=False, name=name)
        self._optimizer = optimizer

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """Computes gradients as the optimizer does."""
        return self._optimizer.compute_gradients(*args, **kwargs)

    def get_slot(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a slot of the optimizer."""
        return self._optimizer.get_slot(*args, **kwargs)

    def get_slot_names(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the names of the optimizer's slots."""
        return self._optimizer.get_slot_names(*args, **kwargs)

    def variables(self) -> Any:
        """Returns the variables of the optimizer."""
        return self._optimizer.variables()
