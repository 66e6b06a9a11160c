"""Checkpoints are synced to the disk when they are saved, and never without a record."""

import os
from pathlib import Path

from estimator_lab.runs.record import Record, read_record
from estimator_lab.tf1 import tf
from estimator_lab.training.checkpoints import CheckpointListener


def model_fn(features, labels, mode):
    loss = tf.square(tf.get_variable('w', []))
    train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train)


def test_each_file_of_a_checkpoint_is_synced_and_then_the_list_and_the_folder(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def record(descriptor):
        synced.append(Path(f'/proc/self/fd/{descriptor}').resolve())
        fsync(descriptor)

    estimator = tf.estimator.Estimator(
        model_fn, str(tmp_path), tf.estimator.RunConfig(save_checkpoints_steps=2)
    )
    monkeypatch.setattr(os, 'fsync', record)
    estimator.train(
        lambda: tf.data.Dataset.from_tensors(0).repeat(),
        max_steps=2,
        saving_listeners=[CheckpointListener(tmp_path, Record('cnn', (8, 8, 1), (), {}, {}))],
    )
    assert read_record(tmp_path).model == 'cnn'
    last = synced[-5:]
    files = {tmp_path / f'model.ckpt-2.{part}' for part in ('index', 'meta', 'data-00000-of-00001')}
    assert set(last[:3]) == files and last[3:] == [tmp_path / 'checkpoint', tmp_path]
