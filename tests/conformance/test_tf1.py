"""TensorFlow 1 around Estimator: layers, losses, metrics, cells, optimizers, sessions."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import X, Y, batches, line, run, run_config, slope_model_fn

pytestmark = [pytest.mark.both, pytest.mark.trains]


def test_layers_names():
    """tf.layers name their variables as TensorFlow 1 does, and count up."""
    images = tf.zeros([1, 4, 4, 1])
    hidden = tf.layers.conv2d(tf.layers.conv2d(images, 2, 3, padding='same'), 2, 3, padding='same')
    tf.layers.dense(tf.layers.flatten(tf.layers.max_pooling2d(hidden, 2, 2)), 3, name='last')
    names = [f'{layer}/{part}' for layer in ('conv2d', 'conv2d_1', 'last') for part in ('kernel', 'bias')]
    assert [variable.op.name for variable in tf.trainable_variables()] == names


def test_layers_arithmetic():
    """tf.layers.dense is a matrix product, a bias and an activation."""
    x, kernel = np.array([[1, -2]], np.float32), np.array([[1, 2], [3, -4]], np.float32)
    output = tf.layers.dense(
        x,
        2,
        tf.nn.relu,
        kernel_initializer=tf.constant_initializer(kernel),
        bias_initializer=tf.ones_initializer(),
    )
    assert run(output).tolist() == [[0, 11]]


def test_batch_normalization():
    """tf.layers.batch_normalization leaves its running means to UPDATE_OPS."""
    x = tf.constant([[1.0], [3.0]])
    normal = tf.layers.batch_normalization(x, training=True, momentum=0.9)
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    assert len(updates) == 2
    (mean,) = (v for v in tf.global_variables() if v.op.name.endswith('moving_mean'))
    normal, mean = run([normal, mean], before=[updates])
    assert normal[:, 0] == pytest.approx([-1, 1], abs=1e-2)
    assert mean == pytest.approx([0.1 * 2])


def test_losses():
    """tf.losses are means, collected in the graph, weighted by example."""
    labels, outputs = tf.constant([0.0, 1.0, 1.0]), tf.constant([0.0, 3.0, 2.0])
    losses = [
        tf.losses.mean_squared_error(labels, outputs),
        tf.losses.absolute_difference(labels, outputs),
        tf.losses.mean_squared_error(labels, outputs, weights=[1.0, 0.0, 1.0]),
        tf.losses.sparse_softmax_cross_entropy([1], [[0.0, 0.0]]),
        tf.losses.sigmoid_cross_entropy([[1.0]], [[0.0]]),
        tf.losses.huber_loss(labels, outputs),
        tf.losses.hinge_loss([[1.0]], [[0.25]]),
    ]
    expected = [5 / 3, 1, 0.5, np.log(2), np.log(2), (1.5 + 0.5) / 3, 0.75]
    assert run(losses) == pytest.approx(expected, rel=1e-5)
    assert tf.losses.get_losses() == losses


def test_streaming_metrics():
    """tf.metrics keep running totals in local variables."""
    outputs = tf.placeholder(tf.float32, [None])
    labels = tf.constant([0.0, 1.0])
    metrics = {
        'accuracy': tf.metrics.accuracy(labels, tf.round(outputs)),
        'mean': tf.metrics.mean(outputs),
        'rmse': tf.metrics.root_mean_squared_error(labels, outputs),
        'recall': tf.metrics.recall(labels, tf.round(outputs)),
    }
    with tf.Session() as session:
        session.run(tf.local_variables_initializer())
        for values in ([0.2, 0.9], [0.6, 0.4]):
            session.run([update for _, update in metrics.values()], {outputs: values})
        found = session.run({name: value for name, (value, _) in metrics.items()})
    squares = np.square([0.2, 0.1, 0.6, 0.6])
    expected = {'accuracy': 0.5, 'mean': 2.1 / 4, 'rmse': np.sqrt(squares.mean()), 'recall': 0.5}
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('name', ['BasicRNNCell', 'BasicLSTMCell', 'LSTMCell', 'GRUCell'])
def test_cells(name):
    """tf.nn.rnn_cell cells run in dynamic_rnn, which respects the lengths of sequences."""
    cell = getattr(tf.nn.rnn_cell, name)(3)
    outputs, _ = tf.nn.dynamic_rnn(cell, tf.ones([2, 4, 5]), sequence_length=[4, 2], dtype=tf.float32)
    found = run(outputs)
    assert found.shape == (2, 4, 3)
    assert found[0, :2] == pytest.approx(found[1, :2], abs=1e-6)
    assert np.all(found[1, 2:] == 0) and np.all(found[0, 2:] != 0)


def quadratic(optimizer, steps=3):
    """Minimises w^2 from w = 1; returns w after each step."""
    w = tf.get_variable('w', initializer=1.0)
    step = optimizer.minimize(tf.square(w))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return [(session.run(step), session.run(w))[1] for _ in range(steps)]


@pytest.mark.parametrize(
    ('make', 'expected'),
    [
        (lambda: tf.train.GradientDescentOptimizer(0.1), [0.8, 0.64]),
        (lambda: tf.train.MomentumOptimizer(0.1, 0.9), [0.8, 0.46]),
        (lambda: tf.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True), [0.62, 0.2224]),
        (lambda: tf.train.AdagradOptimizer(0.1, 0.1), [1 - 0.2 / np.sqrt(4.1), None]),
        (lambda: tf.train.RMSPropOptimizer(0.1, 0.9, epsilon=0), [1 - 0.2 / np.sqrt(0.9 + 0.4), None]),
        (lambda: tf.train.AdamOptimizer(0.1), [0.9, None]),
        (lambda: tf.train.FtrlOptimizer(0.1), [None, None]),
        (lambda: tf.train.AdadeltaOptimizer(1.0), [None, None]),
        (lambda: tf.train.ProximalGradientDescentOptimizer(0.1), [0.8, 0.64]),
    ],
    ids=['sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop', 'adam', 'ftrl', 'adadelta', 'proximal'],
)
def test_optimizers(make, expected):
    """tf.train optimizers take the steps of their formulas, downhill."""
    found = quadratic(make())
    assert 1 > found[0] > found[1] > found[2]
    for value, wanted in zip(found, expected, strict=False):
        assert wanted is None or value == pytest.approx(wanted, rel=1e-5)


def test_monitored_training_session(tmp_path):
    """MonitoredTrainingSession saves at the end, and continues from there the next time."""

    def count_up(limit):
        with tf.Graph().as_default():
            increment = tf.assign_add(tf.train.create_global_step(), 1)
            hooks = [tf.train.StopAtStepHook(last_step=limit)]
            with tf.train.MonitoredTrainingSession(
                checkpoint_dir=str(tmp_path), hooks=hooks, log_step_count_steps=None
            ) as session:
                seen = []
                while not session.should_stop():
                    seen.append(int(session.run(increment)))
                return seen

    assert count_up(3) == [1, 2, 3]
    assert count_up(5) == [4, 5]


def test_init_from_checkpoint(tmp_path):
    """tf.train.init_from_checkpoint in a model_fn starts from another model's weights."""

    def model_fn(features, labels, mode, params):
        spec = slope_model_fn(features, labels, mode, params)
        tf.train.init_from_checkpoint(params['start'], {'w': 'w'})
        return spec

    first = tf.estimator.Estimator(slope_model_fn, config=run_config(tmp_path / 'a'), params={})
    first.train(line(), steps=1)
    second = tf.estimator.Estimator(
        model_fn, config=run_config(tmp_path / 'b'), params={'start': first.model_dir, 'rate': 0.0}
    )
    assert second.train(batches({'x': X}, Y)).get_variable_value('w') == pytest.approx(0.3)


def test_partitioned_variables(tmp_path):
    """A partitioned variable is saved as one, and restores with another partitioning."""
    path = str(tmp_path / 'ckpt')
    for parts in (2, 3):
        with tf.Graph().as_default(), tf.Session() as session:
            with tf.variable_scope('v', partitioner=tf.fixed_size_partitioner(parts)):
                whole = tf.get_variable('w', initializer=tf.range(6, dtype=tf.float32))
            if parts == 2:
                session.run(tf.global_variables_initializer())
                tf.train.Saver().save(session, path)
            else:
                tf.train.Saver().restore(session, path)
                assert session.run(tf.convert_to_tensor(whole)).tolist() == [0, 1, 2, 3, 4, 5]
    assert tf.train.list_variables(path) == [('v/w', [6])]
