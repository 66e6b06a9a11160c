"""Optimizers and learning-rate schedules by name; second-order optimizers."""

from estimator_lab.optimizers.first_order import FanInAdam
from estimator_lab.optimizers.registry import (
    FIRST_ORDER,
    OPTIMIZERS,
    SCHEDULES,
    SECOND_ORDER,
    SecondOrderParams,
    learning_rate_at,
    make_optimizer,
)
from estimator_lab.optimizers.second_order.descent import ConjugateGradientOptimizer, LBFGSOptimizer
from estimator_lab.optimizers.second_order.hessian_free import HessianFreeOptimizer
from estimator_lab.optimizers.second_order.optimizer import SecondOrderOptimizer

__all__ = [
    'FIRST_ORDER',
    'OPTIMIZERS',
    'SCHEDULES',
    'SECOND_ORDER',
    'ConjugateGradientOptimizer',
    'FanInAdam',
    'HessianFreeOptimizer',
    'LBFGSOptimizer',
    'SecondOrderOptimizer',
    'SecondOrderParams',
    'learning_rate_at',
    'make_optimizer',
]
