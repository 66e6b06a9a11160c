"""Name -> ``tf.train.Optimizer``, and the learning-rate schedules that go with them."""

from estimator_lab.optimizers.registry import (
    FIRST_ORDER,
    OPTIMIZERS,
    SCHEDULES,
    SECOND_ORDER,
    learning_rate_at,
    make_optimizer,
)
from estimator_lab.optimizers.second_order.conjugate_gradient import (
    ConjugateGradientKnobs,
    ConjugateGradientOptimizer,
)
from estimator_lab.optimizers.second_order.hessian_free import HessianFreeKnobs, HessianFreeOptimizer
from estimator_lab.optimizers.second_order.lbfgs import LBFGSKnobs, LBFGSOptimizer

__all__ = [
    'FIRST_ORDER',
    'OPTIMIZERS',
    'SCHEDULES',
    'SECOND_ORDER',
    'ConjugateGradientKnobs',
    'ConjugateGradientOptimizer',
    'HessianFreeKnobs',
    'HessianFreeOptimizer',
    'LBFGSKnobs',
    'LBFGSOptimizer',
    'learning_rate_at',
    'make_optimizer',
]
