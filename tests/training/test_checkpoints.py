"""Checkpoints are synced to the disk when they are saved, and never without a record."""

import os
from pathlib import Path

import pytest
from tensorflow.python.training import session_manager

from estimator_lab.base.errors import DataError
from estimator_lab.runs.record import InputRecord, Record, read_record
from estimator_lab.runs.safe_paths import newest_checkpoint
from estimator_lab.tf1 import tf
from estimator_lab.training.hooks import CheckpointListener
from estimator_lab.training.position import PositionHook

pytestmark = [pytest.mark.both, pytest.mark.trains]


def input_fn():
    return tf.data.Dataset.from_tensors(0).repeat()


def model_fn(features, labels, mode):
    loss = tf.square(tf.get_variable('w', []))
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train)


def test_each_file_of_a_checkpoint_is_synced_and_then_the_list_and_the_folder(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def record(descriptor):
        synced.append(Path(f'/proc/self/fd/{descriptor}').resolve())
        fsync(descriptor)

    run = tf.estimator.RunConfig(save_checkpoints_steps=2)
    estimator = tf.estimator.Estimator(model_fn, str(tmp_path), run)
    listener = CheckpointListener(tmp_path, Record('cnn', (8, 8, 1), (), {}, {}))
    monkeypatch.setattr(os, 'fsync', record)
    estimator.train(input_fn, max_steps=2, saving_listeners=[listener])
    assert read_record(tmp_path).model == 'cnn'
    last = synced[-5:]
    files = {tmp_path / f'model.ckpt-2.{part}' for part in ('index', 'meta', 'data-00000-of-00001')}
    assert set(last[:3]) == files and last[3:] == [tmp_path / 'checkpoint', tmp_path]


@pytest.fixture(params=[False, True], ids=['alone', 'mirrored'])
def train(request, tmp_path):
    """Trains in `tmp_path` from one step to another, under a strategy as well."""
    strategy = tf.distribute.MirroredStrategy() if request.param else None
    run = tf.estimator.RunConfig(save_checkpoints_steps=2, keep_checkpoint_max=1, train_distribute=strategy)
    estimator = tf.estimator.Estimator(model_fn, str(tmp_path), run)

    def train(start, steps):
        hook = PositionHook(tmp_path, InputRecord(), 1, sets=True, start=start)
        estimator.train(input_fn, max_steps=steps, hooks=[hook])

    return train


@pytest.mark.slow
def test_a_list_that_cannot_be_read_once_does_not_begin_a_run_anew(tmp_path, monkeypatch, train):
    """TensorFlow takes it for none; the checkpoints that are there must survive."""
    train(0, 4)
    before = {path.name: path.read_bytes() for path in tmp_path.glob('[cm]*')}
    monkeypatch.setattr(session_manager.checkpoint_management, 'get_checkpoint_state', lambda *names: None)
    with pytest.raises(DataError, match='the checkpoint of step 4 was not restored: start again'):
        train(4, 6)
    assert {path.name: path.read_bytes() for path in tmp_path.glob('[cm]*')} == before


@pytest.mark.slow
def test_the_checkpoint_that_was_restored_is_not_written_again(tmp_path, monkeypatch, train):
    """TensorFlow writes in place: a full disk would leave half an index, and no checkpoint to go on from."""
    train(0, 4)
    before = {path.name for path in tmp_path.glob('model.ckpt-*')}
    save, saved = tf.train.Saver.save, []
    monkeypatch.setattr(tf.train.Saver, 'save', lambda *args, **more: saved.append(save(*args, **more)))
    train(4, 6)
    assert {path.name.replace('-6', '-4') for path in tmp_path.glob('model.ckpt-*')} == before
    assert [Path(path).name for path in saved] == ['model.ckpt-6']


def test_a_list_that_cannot_be_read_is_not_none(tmp_path):
    assert newest_checkpoint(tmp_path) == ''
    (tmp_path / 'checkpoint').mkdir()
    with pytest.raises(DataError, match="the list of the folder's checkpoints, cannot be used"):
        newest_checkpoint(tmp_path)
