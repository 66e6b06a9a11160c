"""Contrastive divergence: how a restricted Boltzmann machine learns.

The gradient of the log likelihood with respect to W is <v h> over the data minus <v h> over the model
(Hinton 2012, 'A practical guide to training restricted Boltzmann machines', eq. 4; 'guide' below). CD-k takes
the second from k Gibbs steps that start at the data (Hinton 2002); persistent CD from chains that are never
restarted (Tieleman 2008).
"""

import dataclasses
from typing import Any, NamedTuple

from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import setting
from estimator_lab.core import training
from estimator_lab.core.float32 import in_float32
from estimator_lab.core.noise import Noise
from estimator_lab.core.params import PixelParams, TrainingParams, other_default, share, structural
from estimator_lab.models.boltzmann.machine import BERNOULLI, GAUSSIAN, UNITS, GibbsStep, Rbm
from estimator_lab.tf1 import Operation, Tensor, Variable, tf

RATES = {BERNOULLI: 0.05, GAUSSIAN: 0.001}
"""Default learning rates by kind of units. Linear units are unbounded and need a rate that is one or two
orders of magnitude smaller (guide, section 13.2)."""

_RATE_FROM_DATA = 0.1  # of binary units, without persistent chains
_FIRST_MOMENTUM, _FIRST_STEPS = 0.5, 3000  # guide, section 9.1
_SHORT = 3000  # steps of a training, at most, in which the noise of samples costs more than it brings
_RECONSTRUCTED = 32  # examples, with persistent chains: all would take a tenth of the step


@dataclasses.dataclass(frozen=True)
class RbmParams(PixelParams, TrainingParams):
    """Parameters of one RBM; the defaults follow the guide.

    Attributes:
      of_units: whether the data are probabilities of the units of a machine below.
    """

    of_units: bool = False

    # Contrastive divergence has no loss that a second-order optimizer could evaluate.
    optimizer: str = other_default(TrainingParams, 'optimizer', 'momentum')
    learning_rate: float = setting(
        0.0,
        'initial learning rate; 0 for the default: 0.05, 0.1 without persistent chains, or 0.001 with '
        'gaussian units',
        lower=0,
    )
    learning_rate_schedule: str = other_default(TrainingParams, 'learning_rate_schedule', 'linear')
    momentum: float = share(
        0.9,
        f'momentum after {_FIRST_STEPS:,} steps at {_FIRST_MOMENTUM}, at which persistent chains stay',
        used_if=lambda params: params.chains == 0,
    )
    hidden_units: int = structural(500, 'hidden units', lower=1)
    visible_units: str = structural(
        BERNOULLI,
        'bernoulli for pixels as probabilities; gaussian for photos, each normalised to mean 0, deviation 1',
        choices=UNITS,
    )
    binarize: bool = setting(
        True,
        'whether pixels are sampled as 0 or 1 (bernoulli only)',
        used_if=lambda params: params.visible_units == BERNOULLI,
    )
    cd_steps: int = setting(1, 'Gibbs steps in an update, k of CD-k', lower=1)
    chains: int = structural(
        100, 'persistent chains, for better samples; 0 starts each chain at the data', lower=0
    )
    weight_decay: float = setting(0.0002, 'factor of the L2 penalty on weights', lower=0)
    ais_chains: int = setting(
        0, 'chains that estimate log Z in EVAL, 100 for about 0.1 nat; 0 for no estimate', lower=0
    )
    ais_steps: int = setting(
        14_500, 'intermediate machines of each chain', lower=100, used_if=lambda params: params.ais_chains > 0
    )

    def check(self) -> None:
        """Raises FlagError for hyper-parameters that cannot be combined."""
        if self.ais_chains and self.visible_units != BERNOULLI:
            raise FlagError(
                f'Hyper-parameter ais_chains={self.ais_chains} needs visible_units={BERNOULLI}: log Z is '
                'estimated for binary units only.'
            )
        if self.ais_chains == 1:
            raise FlagError('Hyper-parameter ais_chains=1 gives no error bar: give at least 2.')


class Divergence(NamedTuple):
    """The results of contrastive divergence on a batch.

    Attributes:
      gradients: of the weights, the visible and the hidden bias; descending them increases the likelihood.
      reconstruction: float32 [m, visible], means of the visible units for the first m examples: after the
        first Gibbs step of chains that start at the data, or else after one mean-field pass.
      chains: the variable of the persistent chains, or None.
      moved: the chains after this update, float32 [chains, visible].
    """

    gradients: tuple[Tensor, Tensor, Tensor]
    reconstruction: Tensor
    chains: Variable | None
    moved: Tensor

    def keep(self) -> Operation:
        """Returns the operation that stores the chains."""
        return tf.no_op() if self.chains is None else tf.assign(self.chains, self.moved).op


def contrastive_divergence(rbm: Rbm, v_data: Tensor, params: RbmParams, noise: Noise) -> Divergence:
    """Computes the gradients from a batch of data, float32 [batch, visible]."""
    with tf.name_scope('contrastive_divergence'):
        rbm = rbm.read_once()
        h_data = rbm.hidden_mean(v_data)
        chains = _chains(v_data, params.chains) if params.chains else None
        # The first step is outside of the loop, so that E[h | data] is computed only once.
        first = rbm.gibbs_step(v_data if chains is None else chains, noise.fork(tf.constant(0)))
        v_model = _end_of_chain(rbm, first, params, noise)
        h_model = rbm.hidden_mean(v_model)
        # One product for both means: dividing and subtracting its factors touches fewer values.
        visible = tf.concat([v_model, v_data], axis=0)
        hidden = tf.concat([_share(h_model), -_share(h_data)], axis=0)
        w_gradient = in_float32(tf.matmul(visible, hidden, transpose_a=True))
        gradients = (
            w_gradient + params.weight_decay * rbm.weights,
            tf.reduce_mean(v_model, axis=0) - tf.reduce_mean(v_data, axis=0),
            tf.reduce_sum(hidden, axis=0),
        )
        seen = first.mean if chains is None else rbm.visible_mean(h_data[:_RECONSTRUCTED])
        return Divergence(gradients, seen, chains, v_model)


def _end_of_chain(rbm: Rbm, first: GibbsStep, params: RbmParams, noise: Noise) -> Tensor:
    """Returns the visible units after all Gibbs steps, float32 [n, visible].

    In a short training, pixels that are probabilities are compared with probabilities, as in the code of
    Hinton and Salakhutdinov 2006: samples have a variance that the data do not have, and the weights stay
    small. In a longer one, samples keep the weights from fitting so closely that a classifier learns less
    from them: on MNIST, 1.28 % of errors instead of 1.23. So it is with the units of a machine below.
    """
    more = params.cd_steps - 1
    if params.binarize or params.chains or params.of_units or params.train_steps > _SHORT:
        return rbm.gibbs(first.sample, more, noise) if more else first.sample
    return rbm.gibbs_means(first.sample, more - 1, noise) if more else first.mean


def _share(values: Tensor) -> Tensor:
    """Divides float32 [n, units] by n."""
    return values / tf.cast(tf.shape(values)[0], tf.float32)


def _chains(visible: Tensor, count: int) -> Variable:
    """Returns the variable with the persistent chains, float32 [count, visible]."""
    shape = [count, visible.shape.as_list()[1]]
    return tf.get_variable(
        'chains', shape, initializer=tf.random_uniform_initializer(0.0, 1.0), trainable=False
    )


def _momentum(params: RbmParams) -> Any:
    """Returns the momentum of the current step, a float32 scalar.

    Persistent chains do not follow weights that move faster: with a momentum of 0.9, the error on MNIST rises
    from 7.3 to 9.1, even at a fifth of the learning rate.
    """
    if params.chains:
        return _FIRST_MOMENTUM
    step = tf.train.get_or_create_global_step() - params.first_step
    return tf.where(step < _FIRST_STEPS, tf.constant(_FIRST_MOMENTUM), tf.constant(params.momentum))


def initial_rate(params: RbmParams) -> float:
    """Returns the learning rate of the first step: the one that was given, or the default.

    On MNIST without persistent chains, 0.1 instead of 0.05 gives a log probability of -108.0 nats instead of
    -112.6 after 50 epochs of CD-1, and one that is as good after 60 epochs of CD-25.
    """
    from_data = params.visible_units == BERNOULLI and not params.chains
    return params.learning_rate or (_RATE_FROM_DATA if from_data else RATES[params.visible_units])


def apply_gradients(
    params: RbmParams, pairs: list[tuple[Tensor, Variable]], weights: Tensor
) -> tuple[Operation, Tensor]:
    """Returns the operation that takes one step and counts it, and the learning rate, a float32 scalar."""
    with tf.name_scope('train'):
        chosen = dataclasses.replace(params, learning_rate=initial_rate(params), momentum=_momentum(params))
        new_optimizer, now = training.optimizer_and_rate(chosen)
        return training.counted(training.apply_gradients(new_optimizer(), pairs, weights)), now
