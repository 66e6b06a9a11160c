import numpy as np
import pytest

from estimator_lab.core.noise import Noise
from estimator_lab.models.boltzmann.machine import GAUSSIAN, Rbm
from estimator_lab.models.boltzmann.stack import Stack
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both


def test_standardised_units_are_shown_from_black_to_white_within_two_and_a_half_deviations(session):
    weights, bias = tf.zeros([3, 2]), tf.zeros([3])
    stack = Stack([Rbm(weights, bias, tf.zeros([2]), GAUSSIAN)], (1, 3, 1))
    found = session.run(stack.images(tf.constant([[-2.5, 0.0, 2.5]])))
    assert np.allclose(found, np.array([0, 0.5, 1]).reshape(1, 1, 3, 1), atol=1e-6)


def test_units_between_are_sampled_so_that_uncertain_strokes_are_not_faint(session):
    bottom = Rbm(40 * tf.eye(400), tf.fill([400], -20.0), tf.zeros([400]))
    top = Rbm(tf.zeros([400, 2]), tf.zeros([400]), tf.zeros([2]))
    stack, uncertain = Stack([bottom, top], (20, 20, 1)), tf.fill([1, 400], 0.5)
    noise = Noise(tf.constant([1, 2], tf.int64))
    means, samples = session.run([stack.images(uncertain), stack.images(uncertain, noise=noise)])
    assert np.allclose(means, 0.5) and np.allclose(samples, samples > 0.5) and 0.4 < samples.mean() < 0.6
