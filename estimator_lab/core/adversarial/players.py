"""The two networks of a GAN, their averages, and samples of the averaged generator."""

from typing import NamedTuple

from estimator_lab.core.adversarial.discriminator import Discriminator
from estimator_lab.core.adversarial.generator import Generator
from estimator_lab.core.adversarial.params import AdversarialParams
from estimator_lab.core.features import class_ids
from estimator_lab.tf1 import Operation, Tensor, Variable, tf

GENERATOR, AVERAGE = 'generator', 'generator_average'
DISCRIMINATOR, DISCRIMINATOR_AVERAGE = 'discriminator', 'discriminator_average'
"""Scopes of the networks' variables; an average has the same names within its scope."""

_OF_NETWORKS = ('kernel', 'bias', 'gamma', 'beta', 'moving_mean', 'moving_variance', 'direction')


class Players(NamedTuple):
    """The networks of a GAN.

    Attributes:
      generator: the generator that is trained.
      average: the same network with averaged weights.
      discriminator: the discriminator that is trained.
      discriminator_average: the same with averaged weights, if it classifies; else None.
    """

    generator: Generator
    average: Generator
    discriminator: Discriminator
    discriminator_average: Discriminator | None = None


def averaged(scope: str, average_scope: str, decay: float) -> list[Operation]:
    """Returns the operations that move a network's average towards it.

    Early in a run the average covers a tenth of the steps only, as in
    `tf.train.ExponentialMovingAverage` with `num_updates`: at step t it keeps min(decay, (1 + t) / (10 + t)).

    Args:
      scope: the network's scope.
      average_scope: the scope of its average, whose variables exist.
      decay: share of the average that a step keeps, in [0, 1).
    """
    step = tf.cast(tf.train.get_or_create_global_step(), tf.float32)
    kept = tf.minimum(decay, (1.0 + step) / (10.0 + step))
    averages = _variables_of(average_scope)
    return [
        tf.assign(averages[name], kept * averages[name] + (1.0 - kept) * variable)
        for name, variable in _variables_of(scope).items()
    ]


def _variables_of(scope: str) -> dict[str, Variable]:
    """Returns the variables of a network that has been called, also its statistics, by name in the scope."""
    found = {v.op.name.removeprefix(scope): v for v in tf.global_variables(f'{scope}/')}
    return {name: v for name, v in found.items() if name.rpartition('/')[2] in _OF_NETWORKS}


class Sampler:
    """The average of a trained generator: latent vectors -> images; its variables are made at its first use.

    Attributes:
      latent_size: numbers in a latent vector.
      conditional: whether it is conditioned on labels.
      scope: of its variables.
    """

    def __init__(self, network: Generator, params: AdversarialParams) -> None:
        self._params = params
        self._network = network
        self.latent_size = params.latent_size
        self.conditional = params.conditional
        self.scope = AVERAGE

    def __call__(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Returns images, float32 [n, height, width, channels] in [0, 1].

        Args:
          latent: float32 [n, latent_size].
          labels: label texts, string [n], for a conditional generator.
        """
        classes = one_hot_labels(labels, self._params) if self.conditional else None
        return to_unit_range(self._network(latent, classes).images)


def to_unit_range(images: Tensor) -> Tensor:
    """Scales images from [-1, 1], the range of both networks, to [0, 1]."""
    with tf.name_scope('to_unit_range'):
        return 0.5 * (images + 1.0)


def to_networks(images: Tensor) -> Tensor:
    """Scales images from [0, 1] to [-1, 1], the range of both networks."""
    with tf.name_scope('to_networks'):
        return 2.0 * images - 1.0


def one_hot_labels(texts: Tensor, params: AdversarialParams) -> Tensor:
    """Returns labels as a conditional generator accepts them, float32 [n, classes]."""
    return tf.one_hot(class_ids(texts, params.vocabulary), params.classes)
