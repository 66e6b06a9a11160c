"""Samples of a restricted Boltzmann machine: Gibbs chains that begin at data or at noise."""

import itertools
from typing import Any

from estimator_lab.core.boltzmann.rbm import Rbm
from estimator_lab.core.step.noise import Noise
from estimator_lab.tf1 import Tensor, tf

FILM_STEPS = (0, 1, 10, 100)
"""After how many Gibbs steps a film shows a chain."""


def gibbs_samples(rbm: Rbm, start: Tensor, steps: int, noise: Noise, clamped: bool = False) -> Tensor:
    """Returns the means of the visible units after so many Gibbs steps, float32 [n, visible].

    Args:
      rbm: the machine.
      start: float32 [n, visible], where the chains begin.
      steps: at least 0; the means are those of one more step.
      noise: what the samples are drawn with.
      clamped: whether a label stays as it is.
    """
    with tf.name_scope('gibbs_samples'):
        sampled = rbm.gibbs(start, steps, noise, clamped) if steps else start
        return rbm.visible_mean(rbm.sample_hidden(sampled, noise))


def gibbs_film(rbm: Rbm, start: Tensor, noise: Noise) -> list[Any]:
    """Returns where the chains begin, and the means of their visible units on the way.

    Args:
      rbm: the machine.
      start: float32 [n, visible].
      noise: what the samples are drawn with.

    Returns:
      One float32 [n, visible] for each of FILM_STEPS.
    """
    pictures, state = [start], start
    with tf.name_scope('gibbs_film'):
        for before, after in itertools.pairwise(FILM_STEPS):
            state = rbm.gibbs(state, after - before, noise)
            pictures.append(rbm.visible_mean(rbm.sample_hidden(state, noise)))
    return pictures
