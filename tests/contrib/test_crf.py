"""tf.contrib.crf with unknown shapes; test_golden.py has its numbers."""

import numpy as np
import pytest

from estimator_lab.contrib import crf
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both

BATCH, TAGS = 5, 3


@pytest.mark.parametrize('steps', [1, None])
def test_sequences_of_one_step_and_of_unknown_shape(steps, session):
    random = np.random.default_rng(0)
    potentials = random.standard_normal([BATCH, 1, TAGS])
    transitions = random.standard_normal([TAGS, TAGS])
    ones = [1] * BATCH
    inputs = tf.placeholder_with_default(potentials, [None, steps, TAGS])
    tags, _ = crf.crf_decode(inputs, transitions, ones)
    likelihood, _ = crf.crf_log_likelihood(inputs, tags, ones, tf.constant(transitions))
    found, value = session.run([tags, likelihood])
    assert found[:, 0].tolist() == potentials[:, 0].argmax(1).tolist()
    assert session.run(crf.crf_decode(inputs, transitions, [0] * BATCH)[0]).tolist() == found.tolist()
    softmax = np.exp(potentials[:, 0]) / np.exp(potentials[:, 0]).sum(1, keepdims=True)
    np.testing.assert_allclose(value, np.log(softmax.max(1)))
