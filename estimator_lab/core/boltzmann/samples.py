"""Samples of a restricted Boltzmann machine: Gibbs chains that begin at data or at noise."""

import itertools
from typing import Any

from estimator_lab.core.boltzmann.rbm import Rbm
from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import Tensor, tf

FILM_STEPS = (0, 1, 10, 100)
"""Numbers of Gibbs steps after which a film shows a chain."""


def gibbs_samples(rbm: Rbm, start: Tensor, steps: int, noise: Noise, clamped: bool = False) -> Tensor:
    """Returns the means of the visible units after Gibbs sampling, float32 [n, visible].

    Args:
      rbm: the machine.
      start: float32 [n, visible], the start of the chains.
      steps: number of steps, at least 0; the means are those of the next step.
      noise: the random numbers.
      clamped: whether the label stays fixed.
    """
    with tf.name_scope('gibbs_samples'):
        sampled = rbm.gibbs(start, steps, noise, clamped) if steps else start
        return rbm.visible_mean(rbm.sample_hidden(sampled, noise))


def gibbs_film(rbm: Rbm, start: Tensor, noise: Noise) -> list[Any]:
    """Returns the start of the chains, and the means of their visible units after some steps.

    The start and the results, one for each of FILM_STEPS, are float32 [n, visible].
    """
    pictures, state = [start], start
    with tf.name_scope('gibbs_film'):
        for before, after in itertools.pairwise(FILM_STEPS):
            state = rbm.gibbs(state, after - before, noise)
            pictures.append(rbm.visible_mean(rbm.sample_hidden(state, noise)))
    return pictures
