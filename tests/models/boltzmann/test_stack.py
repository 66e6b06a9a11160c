import numpy as np
import pytest

from estimator_lab.models.boltzmann.machine import GAUSSIAN, Rbm
from estimator_lab.models.boltzmann.stack import Stack
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.once


def test_standardised_units_are_shown_from_black_to_white_within_two_and_a_half_deviations(session):
    weights, bias = tf.zeros([3, 2]), tf.zeros([3])
    stack = Stack([Rbm(weights, bias, tf.zeros([2]), GAUSSIAN)], (1, 3, 1))
    found = session.run(stack.images(tf.constant([[-2.5, 0.0, 2.5]])))
    assert np.allclose(found, np.array([0, 0.5, 1]).reshape(1, 1, 3, 1), atol=1e-6)
