"""Slots and summary writers through TensorFlow's internals."""

import pytest

from estimator_lab.tf1 import create_slots, redirected_writers, tf


@pytest.mark.parametrize('optimizer', [tf.train.AdamOptimizer(0.1), tf.train.MomentumOptimizer(0.1, 0.9)])
def test_slots_made_ahead_of_a_branch_keep_their_names(optimizer):
    with tf.Graph().as_default():
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


def test_writers_are_redirected_until_the_context_ends(tmp_path):
    cache, folder, writer = tf.summary.FileWriterCache, str(tmp_path), object()
    with tf.Graph().as_default():
        with redirected_writers({folder: writer}):
            assert cache.get(folder) is writer
        assert isinstance(cache.get(folder), tf.summary.FileWriter)
        with redirected_writers({folder: cache.get(folder)}):
            cache.clear()


def test_a_writer_that_was_open_before_is_used_again(tmp_path):
    cache, folder = tf.summary.FileWriterCache, str(tmp_path)
    with tf.Graph().as_default():
        before = cache.get(folder)
        with redirected_writers({folder: object()}):
            pass
        assert cache.get(folder) is before
        cache.clear()
