"""Optimizers and learning-rate schedules by name; second-order optimizers."""

from estimator_lab.optimizers.adam import FanInAdam
from estimator_lab.optimizers.registry import (
    FIRST_ORDER,
    OPTIMIZERS,
    SCHEDULES,
    SECOND_ORDER,
    WITH_MOMENTUM,
    learning_rate_at,
    make_optimizer,
)
from estimator_lab.optimizers.second_order.conjugate_gradient import (
    ConjugateGradientOptimizer,
    ConjugateGradientSettings,
)
from estimator_lab.optimizers.second_order.hessian_free import HessianFreeOptimizer, HessianFreeSettings
from estimator_lab.optimizers.second_order.lbfgs import LBFGSOptimizer, LBFGSSettings
from estimator_lab.optimizers.second_order.optimizer import SecondOrderOptimizer, SecondOrderParams

# Former names.
ConjugateGradientKnobs, HessianFreeKnobs, LBFGSKnobs = (
    ConjugateGradientSettings,
    HessianFreeSettings,
    LBFGSSettings,
)

__all__ = [
    'FIRST_ORDER',
    'OPTIMIZERS',
    'SCHEDULES',
    'SECOND_ORDER',
    'WITH_MOMENTUM',
    'ConjugateGradientOptimizer',
    'ConjugateGradientSettings',
    'FanInAdam',
    'HessianFreeOptimizer',
    'HessianFreeSettings',
    'LBFGSOptimizer',
    'LBFGSSettings',
    'SecondOrderOptimizer',
    'SecondOrderParams',
    'learning_rate_at',
    'make_optimizer',
]
