import math

import numpy as np
import pytest

from estimator_lab.core.noise import Noise
from estimator_lab.models.boltzmann.machine import GAUSSIAN, Rbm
from estimator_lab.tf1 import tf
from tests.support.exact_rbm import ExactRbm, states
from tests.support.graphs import evaluate as run

pytestmark = pytest.mark.both


def rbm_of(exact, **units):
    return Rbm(*(tf.constant(values, tf.float32) for values in exact), **units)


def noise():
    return Noise(tf.constant([1, 0], tf.int64))


def test_free_energy_sums_over_all_hidden_states():
    exact = ExactRbm.drawn(6, 4)
    energy = run(lambda: rbm_of(exact).free_energy(tf.constant(states(6), tf.float32)))
    assert np.allclose(-energy, np.log(np.exp(-exact.energies()).sum(axis=1)), atol=1e-5)


def test_gaussian_units_have_linear_means_and_quadratic_energies():
    exact = ExactRbm.drawn(3, 2, seed=4)
    v, h = np.array([[0.5, -1.0, 2.0]]), np.array([[1.0, -0.5]])

    def build():
        rbm = rbm_of(exact, visible_units=GAUSSIAN, hidden_units=GAUSSIAN)
        return (
            rbm.hidden_mean(tf.constant(v, tf.float32)),
            rbm.visible_mean(tf.constant(h, tf.float32)),
            rbm.free_energy(tf.constant(v, tf.float32)),
        )

    hidden, visible, energy = run(build)
    assert np.allclose(hidden, v @ exact.weights + exact.hidden_bias, atol=1e-6)
    assert np.allclose(visible, h @ exact.weights.T + exact.visible_bias, atol=1e-6)
    # The integral over h of exp(-E), on a grid; its constant log(2 pi) / 2 a unit is left out.
    grid = np.linspace(-12, 12, 481)
    exponent = -((v - exact.visible_bias) ** 2).sum() / 2
    for unit in range(2):
        inner = -((grid - exact.hidden_bias[unit]) ** 2) / 2 + grid * (v @ exact.weights)[0, unit]
        exponent += np.log(np.exp(inner).sum() * (grid[1] - grid[0])) - math.log(2 * math.pi) / 2
    assert energy[0] == pytest.approx(-exponent, abs=1e-4)


def test_gibbs_chains_reach_the_model_s_distribution():
    exact, count = ExactRbm.drawn(4, 3, seed=5), 20_000
    drawn = run(lambda: rbm_of(exact).gibbs(tf.zeros([count, 4]), 60, noise()))
    places = (drawn @ [8, 4, 2, 1]).astype(int)
    shares = np.bincount(places, minlength=16) / count
    assert np.allclose(shares, exact.visible_probabilities(), atol=2.5 / math.sqrt(count))
