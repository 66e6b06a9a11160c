"""The one list of optimizers."""

from collections.abc import Callable
from typing import Any

from estimator_lab.errors import FlagError
from estimator_lab.tf1 import Tensor, tf

# Each entry takes (learning rate, momentum); those without a momentum leave it.
OPTIMIZERS: dict[str, Callable[[Any, float], Any]] = {
    'adadelta': lambda rate, _: tf.train.AdadeltaOptimizer(rate),
    'adagrad': lambda rate, _: tf.train.AdagradOptimizer(rate),
    'adam': lambda rate, _: tf.train.AdamOptimizer(rate),
    'ftrl': lambda rate, _: tf.train.FtrlOptimizer(rate),
    'momentum': lambda rate, momentum: tf.train.MomentumOptimizer(rate, momentum),
    'nesterov': lambda rate, momentum: tf.train.MomentumOptimizer(rate, momentum, use_nesterov=True),
    'rmsprop': lambda rate, momentum: tf.train.RMSPropOptimizer(rate, momentum=momentum),
    'sgd': lambda rate, _: tf.train.GradientDescentOptimizer(rate),
}


def make_optimizer(name: str, learning_rate: Tensor, momentum: float = 0.9) -> Any:
    """Returns a new `tf.train.Optimizer`.

    Args:
      name: one of `OPTIMIZERS`; 'sgd' is the document's.
      learning_rate: a positive float or scalar float tensor.
      momentum: in [0, 1); used by 'momentum', 'nesterov' and 'rmsprop'.

    Raises:
      FlagError: if the name is unknown; it lists the known ones.
    """
    if name not in OPTIMIZERS:
        raise FlagError(f'Unknown optimizer {name!r}; known are: {", ".join(sorted(OPTIMIZERS))}.')
    return OPTIMIZERS[name](learning_rate, momentum)
