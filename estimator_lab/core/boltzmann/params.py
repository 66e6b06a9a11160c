"""Hyper-parameters of a restricted Boltzmann machine, its training recipe and its optimizer."""

import dataclasses
from typing import Any

from estimator_lab.base.settings import setting
from estimator_lab.core import training as train_step
from estimator_lab.core.boltzmann.contrastive_divergence import Recipe
from estimator_lab.core.boltzmann.rbm import BERNOULLI, GAUSSIAN, UNITS
from estimator_lab.core.params import TrainingParams, structural
from estimator_lab.core.training import optimizer_and_rate, sequential_train_op
from estimator_lab.optimizers import FIRST_ORDER, SCHEDULES, WITH_MOMENTUM
from estimator_lab.tf1 import Operation, Tensor, Variable, tf

RATES = {BERNOULLI: 0.05, GAUSSIAN: 0.001}
"""Default learning rates by kind of units. Linear units are unbounded and need a rate that is one or two
orders of magnitude smaller (guide, section 13.2)."""


def _has_momentum(params: Any) -> bool:
    return params.optimizer in WITH_MOMENTUM


@dataclasses.dataclass(frozen=True)
class RbmParams(TrainingParams):
    """Parameters of one RBM; the defaults follow Hinton's practical guide (2012)."""

    # Contrastive divergence has no loss that a second-order optimizer could evaluate.
    optimizer: str = setting('momentum', 'kind', choices=tuple(FIRST_ORDER))
    learning_rate: float = setting(
        0.0, 'initial learning rate; 0 for the default, 0.05, or 0.001 with gaussian units', lower=0
    )
    learning_rate_schedule: str = setting('linear', 'kind', choices=tuple(SCHEDULES))
    initial_momentum: float = setting(
        0.5,
        'in the first steps, in [0, 1); then learning rate / (1 - momentum) stays the same',
        lower=0,
        below=1,
        used_if=lambda params: _has_momentum(params) and params.initial_momentum_steps > 0,
    )
    initial_momentum_steps: int = setting(
        3000, 'number of these steps, 0 or more', lower=0, used_if=_has_momentum
    )
    hidden_units: int = structural(500, 'hidden units, at least 1', lower=1)
    visible_units: str = structural(
        BERNOULLI,
        'bernoulli for pixels as probabilities; gaussian for photos, each normalised to mean 0, deviation 1',
        choices=tuple(UNITS),
    )
    binarize: bool = setting(
        True,
        'whether pixels are sampled as 0 or 1 (bernoulli only)',
        used_if=lambda params: params.visible_units == BERNOULLI,
    )
    cd_steps: int = setting(1, 'Gibbs steps in an update, k of CD-k, at least 1', lower=1)
    chains: int = structural(
        100, 'persistent chains, for better samples; 0 starts each chain at the data', lower=0
    )
    weight_decay: float = setting(0.0002, 'factor of the L2 penalty on weights, 0 or more', lower=0)
    sparsity_target: float = setting(
        0.1,
        'desired mean activation of hidden units',
        above=0,
        below=1,
        used_if=lambda params: params.sparsity_cost > 0,
    )
    sparsity_cost: float = setting(0.0, 'weight of the sparsity penalty, 0 for none', lower=0)
    dream_steps: int = setting(20, 'Gibbs steps of the samples in PREDICT, 0 or more', lower=0)
    dream_from: str = setting('data', 'start of these samples', choices=('data', 'noise'))
    ais_chains: int = setting(
        0, 'chains that estimate log Z in EVAL, 100 for about 0.1 nat; 0 for no estimate', lower=0
    )
    ais_steps: int = setting(
        14_500,
        'intermediate machines of each chain',
        lower=100,
        used_if=lambda params: params.ais_chains > 0,
    )

    @property
    def initial_rate(self) -> float:
        """The learning rate of the first step."""
        return self.learning_rate or RATES[self.visible_units]

    @property
    def rate_scale(self) -> float:
        """Factor of the learning rate after the first steps.

        In the long run, momentum m multiplies steps by 1 / (1 - m). Persistent chains follow the weights at a
        rate of 0.05 with m = 0.5; when m jumps to 0.9 at the same rate, the reconstruction error triples.
        """
        if not self.initial_momentum_steps or self.optimizer not in WITH_MOMENTUM:
            return 1.0
        return (1 - self.momentum) / (1 - self.initial_momentum)

    @property
    def recipe(self) -> Recipe:
        """How the machine is trained."""
        return Recipe(self.cd_steps, self.chains, self.weight_decay, self.sparsity_target, self.sparsity_cost)


def apply_gradients(
    params: RbmParams, pairs: list[tuple[Tensor, Variable]], weights: Tensor
) -> tuple[Operation, Tensor]:
    """Returns the operation that takes one step and counts it, and the learning rate, a float32 scalar.

    Args:
      params: the optimizer, its rate, and the momentum: low at first, then high (guide, section 9.1).
      pairs: gradients with their variables.
      weights: the weight of each example, float32 [batch] or a number.
    """
    with tf.name_scope('train'):
        step = tf.train.get_or_create_global_step() - params.first_step
        is_first = step < params.initial_momentum_steps
        momentum = tf.where(is_first, params.initial_momentum, params.momentum)
        scale = tf.where(is_first, 1.0, params.rate_scale)
        chosen = dataclasses.replace(params, learning_rate=params.initial_rate)
        optimizer, rate = optimizer_and_rate(chosen, momentum, scale)

        def update() -> Operation:
            return train_step.apply_gradients(optimizer, pairs, weights, params.accumulate)

        return sequential_train_op([update]), rate
