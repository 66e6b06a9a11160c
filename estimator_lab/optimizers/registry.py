"""The one list of optimizers."""

from collections.abc import Callable
from typing import Any

from estimator_lab.errors import FlagError
from estimator_lab.optimizers.second_order.conjugate_gradient import ConjugateGradientOptimizer
from estimator_lab.optimizers.second_order.hessian_free import HessianFreeOptimizer
from estimator_lab.optimizers.second_order.lbfgs import LBFGSOptimizer
from estimator_lab.optimizers.second_order.optimizer import SecondOrderOptimizer
from estimator_lab.tf1 import Tensor, tf

FIRST_ORDER: dict[str, Callable[[Any, float], Any]] = {
    'adadelta': lambda rate, _: tf.train.AdadeltaOptimizer(rate),
    'adagrad': lambda rate, _: tf.train.AdagradOptimizer(rate),
    'adam': lambda rate, _: tf.train.AdamOptimizer(rate),
    'ftrl': lambda rate, _: tf.train.FtrlOptimizer(rate),
    'momentum': lambda rate, momentum: tf.train.MomentumOptimizer(rate, momentum),
    'nesterov': lambda rate, momentum: tf.train.MomentumOptimizer(rate, momentum, use_nesterov=True),
    'rmsprop': lambda rate, momentum: tf.train.RMSPropOptimizer(rate, momentum=momentum),
    'sgd': lambda rate, _: tf.train.GradientDescentOptimizer(rate),
}
"""Those that step by a learning rate; each entry takes (learning rate, momentum), some leave the momentum."""

SECOND_ORDER: dict[str, type[SecondOrderOptimizer]] = {
    'conjugate_gradient': ConjugateGradientOptimizer,
    'hessian_free': HessianFreeOptimizer,
    'lbfgs': LBFGSOptimizer,
}
"""Those that find the length of their steps themselves; each takes an instance of its class's `Knobs`."""

OPTIMIZERS: tuple[str, ...] = tuple(sorted([*FIRST_ORDER, *SECOND_ORDER]))
"""Names of all optimizers."""


def make_optimizer(name: str, learning_rate: Tensor, momentum: float = 0.9, knobs: Any = None) -> Any:
    """Returns a new `tf.train.Optimizer`.

    Args:
      name: one of `OPTIMIZERS`; 'sgd' is the document's.
      learning_rate: a positive float or scalar float tensor; not used by `SECOND_ORDER`.
      momentum: in [0, 1); used by 'momentum', 'nesterov' and 'rmsprop'.
      knobs: settings of one of `SECOND_ORDER`, an instance of its `Knobs`; None for the defaults.

    Raises:
      FlagError: if the name is unknown; it lists the known ones.
    """
    if name in SECOND_ORDER:
        return SECOND_ORDER[name](knobs)
    if name not in FIRST_ORDER:
        raise FlagError(f'Unknown optimizer {name!r}; known are: {", ".join(OPTIMIZERS)}.')
    return FIRST_ORDER[name](learning_rate, momentum)
