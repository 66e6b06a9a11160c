"""Cells of tf.contrib.rnn where a figure of 1.15 cannot show it: random initial values."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both


def test_an_embedding_without_an_initializer_is_uniform_with_variance_1(session):
    """As in 1.15: between -sqrt(3) and sqrt(3)."""
    cell = tf.contrib.rnn.EmbeddingWrapper(tf.nn.rnn_cell.GRUCell(2), 200, 50)
    cell(tf.zeros([4], tf.int32), tf.zeros([4, 2]))
    (table,) = [each for each in tf.global_variables() if each.op.name.endswith('embedding')]
    session.run(tf.global_variables_initializer())
    values = session.run(table)
    assert 1.72 < np.abs(values).max() < 3**0.5
    assert abs(values.var() - 1) < 0.05
