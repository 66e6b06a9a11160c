"""Optimizers of tf.contrib.opt; their figures are in test_golden."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf


@pytest.mark.parametrize('use_resource', [False, True])
def test_lars_takes_the_same_step_from_a_sparse_gradient(use_resource, session):
    start = tf.constant_initializer(np.arange(6.0).reshape(3, 2))
    dense, sparse = (
        tf.get_variable(name, [3, 2], initializer=start, use_resource=use_resource) for name in 'ab'
    )
    loss = tf.reduce_sum(tf.square(dense[1])) + tf.reduce_sum(tf.square(tf.gather(sparse, [1])))
    train = tf.contrib.opt.LARSOptimizer(0.5, eeta=0.2).minimize(loss)
    session.run(tf.global_variables_initializer())
    session.run(train)
    found = session.run([dense, sparse])
    assert not np.allclose(found[0], np.arange(6.0).reshape(3, 2))
    np.testing.assert_allclose(*found)


@pytest.mark.parametrize('use_resource', [False, True])
def test_a_row_that_a_batch_has_twice_decays_once(use_resource, session):
    rows = tf.get_variable(
        'rows', [3, 2], initializer=tf.constant_initializer(8.0), use_resource=use_resource
    )
    loss = tf.reduce_sum(tf.gather(rows, [1, 1, 2]))
    train = tf.contrib.opt.AdamWOptimizer(0.25, learning_rate=0.0).minimize(loss)
    session.run(tf.global_variables_initializer())
    session.run(train)
    assert session.run(rows).tolist() == [[8, 8], [6, 6], [6, 6]]
