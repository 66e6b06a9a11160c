"""Slots of optimizers and Savers through TensorFlow's internals."""

import pytest
from tensorflow.python.framework import config

from estimator_lab.tf1 import close_event_files, create_slots, deterministic_operations, save_by, tf

pytestmark = pytest.mark.both


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


def test_a_saver_saves_by_another_function_until_that_calls_it(tmp_path, graph):
    tf.get_variable('weight', [], initializer=tf.ones_initializer())
    saver, asked = tf.train.Saver(), []
    tf.add_to_collection(tf.GraphKeys.SAVERS, saver)
    save = save_by(lambda session, path: asked.append(path))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        saver.save(session, str(tmp_path / 'model'))
        assert asked == [str(tmp_path / 'model')] and not list(tmp_path.iterdir())
        assert save(session, asked[0]) == asked[0] and (tmp_path / 'model.index').exists()


@pytest.mark.parametrize('before', [False, True])
def test_operations_are_deterministic_in_the_block_and_then_as_before(before):
    try:
        if before:
            config.enable_op_determinism()
        with deterministic_operations():
            assert config.is_op_determinism_enabled()
        assert config.is_op_determinism_enabled() == before
    finally:
        config.disable_op_determinism()


def test_event_files_of_a_folder_are_closed_and_those_of_others_stay_open(tmp_path, graph):
    cache = tf.summary.FileWriterCache
    names = 'run', 'run/eval', 'run2'
    before = {name: cache.get(str(tmp_path / name)) for name in names}
    close_event_files(tmp_path / 'run')
    assert [cache.get(str(tmp_path / name)) is before[name] for name in names] == [False, False, True]
    close_event_files(tmp_path)
    assert not [path for path in cache._cache if path.startswith(str(tmp_path))]
