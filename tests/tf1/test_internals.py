"""Slots of optimizers through TensorFlow's internals."""

import pytest

from estimator_lab.tf1 import create_slots, tf


@pytest.mark.parametrize('optimizer', [tf.train.AdamOptimizer(0.1), tf.train.MomentumOptimizer(0.1, 0.9)])
def test_slots_made_ahead_of_a_branch_keep_their_names(optimizer, graph):
    weight = tf.get_variable('weight', [], initializer=tf.ones_initializer(), use_resource=True)
    pairs = optimizer.compute_gradients(weight**2, [weight])
    create_slots(optimizer, [weight])

    def update():
        with tf.control_dependencies([optimizer.apply_gradients(pairs)]):
            return tf.constant(True)

    with tf.name_scope('branch'):
        tf.cond(tf.constant(True), update, lambda: tf.constant(False))
    slots = [optimizer.get_slot(weight, name).op.name for name in optimizer.get_slot_names()]
    assert slots and all(name.startswith(f'weight/{optimizer.get_name()}') for name in slots)
