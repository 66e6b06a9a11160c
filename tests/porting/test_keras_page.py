"""docs/keras.md: its code for model functions, and its table of weights."""

import importlib
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.places import ROOT

pytestmark = [pytest.mark.once, pytest.mark.slow]
X = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)


def test_weights_are_copied_by_name(tmp_path):
    def model_fn(features, labels, mode):
        output = tf.layers.dense(tf.layers.dense(features['x'], 4, tf.nn.relu), 1)
        if mode == tf.estimator.ModeKeys.PREDICT:
            return tf.estimator.EstimatorSpec(mode, {'y': output})
        loss = tf.losses.mean_squared_error(labels, output)
        train_op = tf.train.AdamOptimizer(0.1).minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    def data():
        return tf.data.Dataset.from_tensors(({'x': X}, X[:, :1]))

    model = tf.estimator.Estimator(model_fn, str(tmp_path / 'model_dir'))
    model.train(data, steps=3)
    wanted = [row['y'] for row in model.predict(data)]
    page = (ROOT / 'docs' / 'keras.md').read_text(encoding='utf-8')
    (code,) = (
        block for block in re.findall(r'```python\n(.*?)```', page, re.DOTALL) if 'set_weights' in block
    )
    code = re.sub('^   ', '', code, flags=re.MULTILINE)
    np.save(tmp_path / 'x.npy', X)
    code += "\nnp.save('y.npy', model(np.load('x.npy')))\n"
    variables = ('TF_USE_LEGACY_KERAS', 'PYTHONPATH')
    environment = {key: value for key, value in os.environ.items() if key not in variables}
    done = subprocess.run(
        [sys.executable, '-P', '-c', code], env=environment, cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert np.abs(np.load(tmp_path / 'y.npy') - wanted).max() < 1e-6


def test_the_gates_of_an_lstm():
    keras = importlib.import_module('keras')
    rows = X.reshape(1, 5, 3)
    with tf.Graph().as_default(), tf.Session() as session:
        cell = tf.nn.rnn_cell.LSTMCell(4)
        outputs, _ = tf.nn.dynamic_rnn(cell, tf.constant(rows), dtype=tf.float32)
        session.run(tf.global_variables_initializer())
        kernel, bias, wanted = session.run([*cell.weights, outputs])
    layer = keras.layers.LSTM(4, return_sequences=True, unit_forget_bias=False)
    layer.build(rows.shape)
    (i, j, f, o), (bi, bj, bf, bo) = np.split(kernel, 4, axis=1), np.split(bias, 4)
    ordered = np.concatenate([i, f, j, o], axis=1)
    layer.set_weights([ordered[:3], ordered[3:], np.concatenate([bi, bf + 1, bj, bo])])
    assert np.abs(np.asarray(layer(rows)) - wanted).max() < 1e-6
