"""The two networks of a game, and the average of one of them."""

from collections.abc import Callable
from typing import NamedTuple

from estimator_lab.core.layers.discriminator import Discriminator
from estimator_lab.core.layers.generator import Generator
from estimator_lab.tf1 import Operation, Variable, tf

GENERATOR, AVERAGE, DISCRIMINATOR = 'generator', 'generator_average', 'discriminator'
"""Scopes of the networks' variables; those of an average bear the same names below it."""

DISCRIMINATOR_AVERAGE = 'discriminator_average'


class Players(NamedTuple):
    """The networks of a game.

    Attributes:
      generator: that learns.
      average: the same network, with the average of its weights.
      discriminator: that learns.
      discriminator_average: the same with averaged weights, where classes are told by it; None elsewhere.
    """

    generator: Generator
    average: Generator
    discriminator: Discriminator
    discriminator_average: Discriminator | None = None


def make_players(
    generator: Callable[[str, bool], Generator],
    discriminator: Callable[[str, bool], Discriminator],
    averages_both: bool,
) -> Players:
    """Returns the networks.

    Args:
      generator: makes one of a scope; whether it learns.
      discriminator: the same.
      averages_both: whether the discriminator has an average, too.
    """
    return Players(
        generator(GENERATOR, True),
        generator(AVERAGE, False),
        discriminator(DISCRIMINATOR, True),
        discriminator(DISCRIMINATOR_AVERAGE, False) if averages_both else None,
    )


def variables_of(scope: str) -> list[Variable]:
    """Returns the variables of a network that has been used: those that learn, and its statistics."""
    return [
        variable
        for variable in tf.global_variables(f'{scope}/')
        if variable.op.name.rpartition('/')[2] in _OF_NETWORKS
    ]


_OF_NETWORKS = ('kernel', 'bias', 'gamma', 'beta', 'moving_mean', 'moving_variance', 'direction')


def averaged(scope: str, average_scope: str, decay: float) -> list[Operation]:
    """Returns the operations that move a network's average towards it.

    Early in a run the average looks back over a tenth of the steps only, as that of
    `tf.train.ExponentialMovingAverage` with `num_updates`: at step t it keeps min(decay, (1 + t) / (10 + t)).

    Args:
      scope: of the network.
      average_scope: of its average, whose variables are there.
      decay: what the average keeps in a step, in [0, 1).
    """
    step = tf.cast(tf.train.get_or_create_global_step(), tf.float32)
    kept = tf.minimum(decay, (1.0 + step) / (10.0 + step))
    found = {variable.op.name: variable for variable in variables_of(average_scope)}
    return [
        tf.assign(average, kept * average + (1.0 - kept) * variable)
        for variable in variables_of(scope)
        for average in [found[average_scope + variable.op.name.removeprefix(scope)]]
    ]
