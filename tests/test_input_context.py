"""`api.input_fn` in a cluster: two workers divide the images, in training and in evaluation."""

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace

import pytest

from estimator_lab.api import input_fn
from estimator_lab.base.errors import FlagError
from estimator_lab.tf1 import tf
from tests.support.cluster import free_ports
from tests.support.places import ROOT

# A user's program: each worker prints the keys of the images in its steps.
PROGRAM = """
import sys
from estimator_lab import api
from estimator_lab.tf1 import tf

data, folder = sys.argv[1:]
seen = []


class Keys(tf.train.SessionRunHook):
    def before_run(self, run_context):
        return tf.train.SessionRunArgs(seen[-1])

    def after_run(self, run_context, run_values):
        print(mode, *(key.decode() for key in run_values.results), flush=True)


def model_fn(features, labels, mode):
    seen.append(features['key'])
    logits = tf.layers.dense(tf.layers.flatten(features['image']), 4)
    loss = tf.losses.sparse_softmax_cross_entropy(tf.maximum(labels, 0), logits, features['weight'])
    train_op = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


mode = 'train'
with tf.Graph().as_default():  # a strategy made under eager execution starts a server of its own
    strategy = tf.distribute.experimental.MultiWorkerMirroredStrategy()
    config = tf.estimator.RunConfig(train_distribute=strategy, eval_distribute=strategy)
    estimator = tf.estimator.Estimator(model_fn, folder, config)
    train = api.input_fn(data, (4, 4, 1), 5, shuffle=True, epochs=2)
    tf.estimator.train_and_evaluate(
        estimator,
        tf.estimator.TrainSpec(train, max_steps=100, hooks=[Keys()]),
        tf.estimator.EvalSpec(api.input_fn(data, (4, 4, 1), 5), steps=None),
    )
"""


def read_by(archive, count, **settings):
    """Returns the keys of each batch of each of some workers."""
    found = []
    for number in range(count):
        context = SimpleNamespace(
            num_input_pipelines=count, input_pipeline_id=number, num_replicas_in_sync=2 * count
        )
        with tf.Graph().as_default(), tf.Session() as session:
            features, _ = (
                input_fn(archive, (4, 4, 1), 3, **settings)(context).make_one_shot_iterator().get_next()
            )
            found.append([])
            with contextlib.suppress(tf.errors.OutOfRangeError):
                while True:
                    keys, weights = session.run([features['key'], features['weight']])
                    found[-1].append([key for key, weight in zip(keys, weights, strict=True) if weight])
    return found


@pytest.mark.parametrize('epochs', [1, 2])
@pytest.mark.parametrize('count', [2, 3, 5])
def test_workers_divide_each_epoch_and_get_equally_many_batches(archive, count, epochs):
    """Of 24 images; each worker has two replicas, with batches of 3."""
    found = read_by(archive, count, shuffle=True, epochs=epochs)
    assert set(Counter(key for worker in found for batch in worker for key in batch).values()) == {epochs}
    assert len({len(worker) for worker in found}) == 1
    assert max(len(batch) for worker in found for batch in worker) == 3


def test_a_pipe_is_not_divided():
    context = SimpleNamespace(num_input_pipelines=2, input_pipeline_id=0, num_replicas_in_sync=2)
    with pytest.raises(FlagError, match='can be read only once, and not by several workers'):
        input_fn('-', (4, 4, 1), 3, vocabulary=['a', 'b'])(context)


def test_a_worker_without_an_input_context_is_told(archive, monkeypatch, caplog):
    config = {'cluster': {'chief': ['a:1'], 'worker': ['b:1']}, 'task': {'type': 'worker', 'index': 0}}
    read = input_fn(archive, (4, 4, 1), 3)
    for task, is_told in (('worker', True), ('evaluator', False)):
        caplog.clear()
        monkeypatch.setenv('TF_CONFIG', json.dumps({**config, 'task': {'type': task, 'index': 0}}))
        with tf.Graph().as_default():
            read()
        assert ('each of the workers in TF_CONFIG reads all images' in caplog.text) == is_told


@pytest.mark.slow
def test_two_processes_train_on_each_image_once(archive, tmp_path):
    chief, worker = (f'127.0.0.1:{port}' for port in free_ports(2))
    cluster = {'chief': [chief], 'worker': [worker]}
    processes = []
    for task in ('chief', 'worker'):
        config = {'cluster': cluster, 'task': {'type': task, 'index': 0}}
        environment = {**os.environ, 'TF_CONFIG': json.dumps(config)}
        words = [sys.executable, '-c', PROGRAM, str(archive), str(tmp_path / 'model')]
        processes.append(
            subprocess.Popen(
                words, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    lines = [
        [line.split()[1:] for line in out.splitlines() if line.startswith('train')] for out, _ in outputs
    ]
    assert [len(each) for each in lines] == [5, 5]
    assert set(Counter(key for each in lines for line in each for key in line).values()) == {2}
    assert 'reads all images' not in outputs[0][1] + outputs[1][1]
