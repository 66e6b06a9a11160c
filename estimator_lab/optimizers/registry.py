"""Optimizers and learning-rate schedules by name, and the hyper-parameters of second-order ones."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from estimator_lab.base.settings import setting, settings_of
from estimator_lab.optimizers.first_order import FanInAdam, ScheduledFtrl
from estimator_lab.optimizers.second_order.descent import ConjugateGradientOptimizer, LBFGSOptimizer
from estimator_lab.optimizers.second_order.hessian_free import HessianFreeOptimizer
from estimator_lab.optimizers.second_order.optimizer import SecondOrderOptimizer
from estimator_lab.tf1 import Optimizer, Tensor, tf


class FirstOrder(NamedTuple):
    """A first-order optimizer.

    Attributes:
      make: called with the learning rate, and with `momentum` if it has one.
      learning_rate: if none is given.
      clip_norm: the largest norm of the gradient, 0 for any, if no learning rate is given.
      has_momentum: whether it uses the momentum.
      has_warmup: whether it accepts the arguments of `FanInAdam`.
    """

    make: Callable[..., Any]
    learning_rate: float
    clip_norm: float = 0.0
    has_momentum: bool = False
    has_warmup: bool = False


_nesterov = partial(tf.train.MomentumOptimizer, use_nesterov=True)

FIRST_ORDER = {
    'adadelta': FirstOrder(tf.train.AdadeltaOptimizer, 2.0),
    'adagrad': FirstOrder(tf.train.AdagradOptimizer, 0.12, 1.0),
    'adam': FirstOrder(FanInAdam, 0.001, has_warmup=True),
    'ftrl': FirstOrder(ScheduledFtrl, 0.12, 1.0),
    'momentum': FirstOrder(tf.train.MomentumOptimizer, 0.05, 1.0, has_momentum=True),
    'nesterov': FirstOrder(_nesterov, 0.05, 1.0, has_momentum=True),
    'rmsprop': FirstOrder(tf.train.RMSPropOptimizer, 0.0003, has_momentum=True),
    'sgd': FirstOrder(tf.train.GradientDescentOptimizer, 0.4, 1.0),
}
"""First-order optimizers by name.

The rates are for classifiers, by the range test (examples/learning_rate.py) of `cnn` and `mlp` on digits of
8x8 pixels, MNIST and the built-in faces, and then by accuracy on them: `benchmarks/defaults.py`.

The steps of adadelta, adam and rmsprop do not depend on the scale of the gradient. The others' do,
and the gradient grows with the number of pixels: at 128x128, these rates end in NaN or dead units without
clipping."""

SECOND_ORDER: dict[str, Callable[..., SecondOrderOptimizer]] = {
    'conjugate_gradient': ConjugateGradientOptimizer,
    'hessian_free': HessianFreeOptimizer,
    'lbfgs': LBFGSOptimizer,
}
"""Second-order optimizers, which have no learning rate, by name."""


def _for(*optimizers: str) -> Callable[[Any], bool]:
    """Returns whether a model's hyper-parameters choose one of these optimizers."""
    return lambda params: params.optimizer in optimizers


@dataclasses.dataclass(frozen=True)
class SecondOrderParams:
    """The arguments of second-order optimizers that are hyper-parameters of models."""

    memory: int = setting(
        10,
        'pairs that lbfgs keeps',
        lower=1,
        upper=1000,
        structural=True,
        of_training=True,
        used_if=_for('lbfgs'),
    )
    iterations: int = setting(
        1,
        'iterations of lbfgs and conjugate_gradient on each batch',
        lower=1,
        used_if=_for('lbfgs', 'conjugate_gradient'),
    )
    cg_steps: int = setting(250, 'most inner steps of hessian_free', lower=1, used_if=_for('hessian_free'))
    curvature_share: float = setting(
        1.0,
        'share of the batch from which hessian_free takes curvature, a different one in each step',
        above=0,
        upper=1,
        used_if=_for('hessian_free'),
    )
    damping: float = setting(
        0.0,
        "the first lambda of hessian_free; 0 for a tenth of the loss's largest curvature",
        lower=0,
        used_if=_for('hessian_free'),
    )

    @property
    def second_order(self) -> dict[str, Any]:
        """The arguments of the chosen second-order optimizer, by name."""
        declared = settings_of(SecondOrderParams)
        return {n: getattr(self, n) for n, one in declared.items() if one.used_if and one.used_if(self)}


OPTIMIZERS: tuple[str, ...] = tuple(sorted([*FIRST_ORDER, *SECOND_ORDER]))
"""Names of all optimizers."""


def make_optimizer(name: str, learning_rate: Tensor, momentum: float = 0.9, **settings: Any) -> Optimizer:
    """Returns a new `tf.train.Optimizer`.

    Examples:
        >>> type(make_optimizer('adam', 0.001)).__name__
        'FanInAdam'
        >>> type(make_optimizer('lbfgs', 0.0)).__name__
        'LBFGSOptimizer'

    Args:
      name: one of `OPTIMIZERS`; the notes use 'sgd'.
      learning_rate: a positive float or scalar float tensor; ignored by `SECOND_ORDER`.
      momentum: in [0, 1), for optimizers that have one.
      **settings: arguments of adam's `FanInAdam`, or of one of `SECOND_ORDER`.
    """
    if name in SECOND_ORDER:
        return SECOND_ORDER[name](**settings)
    chosen = FIRST_ORDER[name]
    return chosen.make(learning_rate, **({'momentum': momentum} if chosen.has_momentum else {}), **settings)


_EXPONENTIAL_END = 0.01  # last rate of the exponential schedule, as a share of the initial rate
_LONGEST_WARMUP = 0.1  # share of the run

SCHEDULES: dict[str, Callable[[float, Tensor, int], Tensor]] = {
    'constant': lambda rate, step, steps: tf.constant(rate),
    'cosine': lambda rate, step, steps: tf.train.cosine_decay(rate, step, steps),
    'exponential': lambda rate, step, steps: tf.train.exponential_decay(rate, step, steps, _EXPONENTIAL_END),
    'linear': lambda rate, step, steps: tf.train.polynomial_decay(rate, step, steps, end_learning_rate=0.0),
}
"""Learning-rate schedules: name -> (initial rate, step, steps of the run) -> the rate, a float32 scalar."""


def warmup_length(warmup_steps: int, total_steps: int) -> float:
    """Returns the number of steps of the warm-up: those chosen, at most a tenth of the run."""
    return min(warmup_steps, total_steps * _LONGEST_WARMUP)


def learning_rate_at(
    schedule: str, initial_rate: float, step: Tensor, total_steps: int, warmup_steps: int = 0
) -> Tensor:
    """Returns the learning rate at a step, a scalar float32 tensor.

    Examples:
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     rates = [learning_rate_at('linear', 0.5, tf.constant(step), 100) for step in (0, 50, 100)]
        ...     [float(rate) for rate in session.run(rates)]
        [0.5, 0.25, 0.0]

    Args:
      schedule: one of `SCHEDULES`. 'cosine' (Loshchilov and Hutter 2017, eq. 5, without restarts) and
        'linear' end at 0, 'exponential' at a hundredth of the initial rate.
      initial_rate: the rate at step 0, without a warm-up.
      step: the global step, a scalar integer tensor.
      total_steps: steps of the whole run, at least 1.
      warmup_steps: steps in which the rate rises linearly to that of the schedule (gradual warm-up, Goyal et
        al. 2017, section 2.2), at most a tenth of the run; 0 for none.
    """
    rate = SCHEDULES[schedule](initial_rate, step, total_steps)
    steps = warmup_length(warmup_steps, total_steps)
    return rate if steps <= 1 else rate * tf.minimum((tf.cast(step, tf.float32) + 1) / steps, 1.0)
