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
