"""Optimizers of tf.contrib.opt; their figures are in test_golden."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both


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


@pytest.mark.parametrize('use_resource', [False, True])
def test_lars_trusts_a_gradient_in_proportion_to_the_weights(use_resource, session):
    """A trust of 0.2 * 5 / 1 in the first step and 0.2 * 4.5 / 1 in the second, and a momentum of 0.9."""
    w = tf.get_variable('w', initializer=[3.0, 4.0], use_resource=use_resource)
    rule = tf.contrib.opt.LARSOptimizer(0.5, weight_decay=0.0, eeta=0.2)
    train = rule.minimize(tf.reduce_sum(w * [0.6, 0.8]))
    session.run(tf.global_variables_initializer())
    session.run(train)
    assert session.run(w) == pytest.approx([3 - 0.3, 4 - 0.4])
    session.run(train)
    assert session.run(w) == pytest.approx([2.7 - 0.27 - 0.27, 3.6 - 0.36 - 0.36])


@pytest.mark.parametrize('use_resource', [False, True])
def test_lazy_adam_keeps_moments_of_each_row(use_resource, session):
    """Row 0 moves as Adam's in each step, row 2 as in its first one only, and row 1 not at all."""
    start = tf.constant_initializer(np.arange(6.0).reshape(3, 2))
    lazy, whole = (
        tf.get_variable(name, [3, 2], initializer=start, use_resource=use_resource) for name in 'ab'
    )
    rows = tf.placeholder(tf.int32, [None])
    trains = [
        tf.contrib.opt.LazyAdamOptimizer(0.1).minimize(tf.reduce_sum(tf.gather(lazy, rows) ** 2)),
        tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(whole**2)),
    ]
    session.run(tf.global_variables_initializer())
    after = []
    for step in ([0, 2], [0], [0]):
        session.run(trains, {rows: step})
        after.append(session.run([lazy, whole]))
    (_, first), _, (found, last) = after
    np.testing.assert_allclose(found, [last[0], [2, 3], first[2]], rtol=1e-5)
