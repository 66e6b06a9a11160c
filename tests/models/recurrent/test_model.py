import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.base.errors import with_dashes
from estimator_lab.base.pixels import SeenPixels
from estimator_lab.contrib.rnn import stack_bidirectional_dynamic_rnn
from estimator_lab.core.params import resolve
from estimator_lab.models.recurrent import model as recurrent
from estimator_lab.models.recurrent.model import (
    Params,
    gradient_norms,
    model_fn,
    network,
    probes_of,
    steps_shown,
)
from estimator_lab.tf1 import tf
from tests.support.small_runs import small_settings, summaries_in, train_run

pytestmark = pytest.mark.trains

SHAPE = (4, 4, 1)
SMALL = {'image_shape': SHAPE, 'vocabulary': tuple('ab'), 'layers': '8', 'learning_rate': 0.02}
IMAGES = np.random.default_rng(1).random((32, *SHAPE), np.float32)
LABELS = np.arange(32) % 2
IMAGES[:, :2] = (IMAGES[:, :2] + LABELS.reshape(32, 1, 1, 1)) / 2  # the upper half of 1 is bright


def features():
    return {'image': tf.constant(IMAGES), 'key': tf.constant([str(n) for n in range(32)])}


def test_two_layers_from_both_ends_with_dropout_learn(session):
    params = {'layers': '8-8', 'bidirectional': True, 'dropout_rate': 0.2, 'readout': 'mean', 'dense': '8'}
    tf.train.create_global_step()
    given = {**SMALL, 'train_steps': 40, 'read': 'columns', **params}
    spec = model_fn(features(), tf.constant(LABELS), tf.estimator.ModeKeys.TRAIN, given)
    session.run(tf.global_variables_initializer())
    losses = [session.run([spec.loss, spec.train_op])[0] for _ in range(40)]
    assert losses[-1] < 0.4  # log 2 is chance


def test_what_a_layer_reads_is_dropped_except_of_the_first(monkeypatch, session):
    """If all of it is dropped, the second layer does not depend on the images."""

    def drop_all(values, rate, noise, shape=None):
        return values if shape is None else 0.0 * values

    monkeypatch.setattr(recurrent, 'dropout', drop_all)
    layers = dict(network(tf.constant(IMAGES), Params(**{**SMALL, 'layers': '8-8', 'dropout_rate': 0.5})))
    session.run(tf.global_variables_initializer())
    first, second = session.run([layers['rnn_1'], layers['rnn_2']])
    assert np.ptp(first, axis=0).max() > 0.01 and np.ptp(second, axis=0).max() == 0


def test_what_is_subtracted_from_pixels(session):
    """Of images that are alike their mean image, and the rest is scaled; of others the mean of all pixels."""
    params = Params(**SMALL)
    first = IMAGES.mean(axis=0)
    seen = SeenPixels(0.0, 1.0, 0.5, 0.35 / 4)
    alike = dataclasses.replace(params, pixels=Params.pixels_from(seen), first_mean=first)
    others = dataclasses.replace(params, pixels=Params.pixels_from(seen._replace(deviation=0.0)))
    cases = (IMAGES, alike), (4 * (IMAGES - first), params), (IMAGES, others), (IMAGES - 0.5, params)
    with tf.variable_scope('shared', reuse=tf.AUTO_REUSE):
        logits = [dict(network(tf.constant(images), each))['logits'] for images, each in cases]
    session.run(tf.global_variables_initializer())
    of_alike, scaled, of_others, less_half = session.run(logits)
    np.testing.assert_allclose(of_alike, scaled, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(of_others, less_half, rtol=1e-4, atol=1e-6)


UNITS, STEPS, VALUES = 4, 6, 2
SEQUENCE = np.random.default_rng(3).normal(size=(3, STEPS, VALUES)).astype(np.float32)


def checkpoint_of_tensorflow(path, build):
    """Saves a checkpoint of a network of TensorFlow's own cells; returns its outputs for the sequence."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(2)
        made = build(tf.constant(SEQUENCE))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, path)
        return session.run(made)


def cells(name, count=2):
    make = {
        'lstm': tf.nn.rnn_cell.LSTMCell,
        'gru': tf.nn.rnn_cell.GRUCell,
        'tanh': tf.nn.rnn_cell.BasicRNNCell,
    }
    return [make[name](UNITS) for _ in range(count)]


def one_way(cell, x):
    return tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)[0]


TENSORFLOWS = {
    'one': lambda name, x: one_way(*cells(name, 1), x),
    'stacked': lambda name, x: one_way(tf.nn.rnn_cell.MultiRNNCell(cells(name)), x),
    'bidirectional': lambda name, x: tf.concat(
        tf.nn.bidirectional_dynamic_rnn(*cells(name), x, dtype=tf.float32)[0], 2
    ),
    'stacked_bidirectional': lambda name, x: stack_bidirectional_dynamic_rnn(
        cells(name), cells(name), x, dtype=tf.float32
    )[0],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'form'),
    [
        *(('tanh', 'one'), ('gru', 'stacked'), ('lstm', 'stacked'), ('lstm', 'bidirectional')),
        ('gru', 'stacked_bidirectional'),
    ],
)
def test_checkpoints_of_tensorflows_cells_restore(name, form, tmp_path, session):
    path = str(tmp_path / 'model')
    wanted = checkpoint_of_tensorflow(path, lambda x: TENSORFLOWS[form](name, x))
    sizes, both = [UNITS] * (2 if 'stacked' in form else 1), 'bidirectional' in form
    params = Params((STEPS, VALUES, 1), cell=name, layers='-'.join(map(str, sizes)), bidirectional=both)
    layers = dict(network(tf.constant(SEQUENCE[..., np.newaxis]), params))
    last_layer = f'rnn_{len(sizes)}'
    states = [layers[last_layer], *([layers[f'{last_layer}_backwards']] if both else [])]
    outputs = tf.concat(states, axis=2), layers['readout']
    saved = [v for v in tf.global_variables() if 'logits' not in v.op.name]
    tf.train.Saver(saved).restore(session, path)
    steps, last = session.run(outputs)
    assert np.allclose(steps, wanted, atol=1e-6)
    if both:
        wanted = np.concatenate([wanted[:, -1, :UNITS], wanted[:, 0, UNITS:]], axis=1)
        assert np.allclose(last, wanted, atol=1e-6)
    else:
        assert np.array_equal(last, steps[:, -1])


@pytest.mark.parametrize('readout', ['last', 'mean'])
def test_what_is_known_after_each_step_is_what_a_shorter_sequence_would_tell(readout, session):
    params = {**SMALL, 'readout': readout, 'cell': 'gru', 'dense': '5'}
    layers = dict(network(tf.constant(IMAGES), Params(**params)))
    short = Params(**{**params, 'image_shape': (2, 4, 1)})
    halves = dict(network(tf.constant(IMAGES[:, :2]), short))['logits']
    session.run(tf.global_variables_initializer())
    after, whole, half = session.run([layers['logits_after_steps'], layers['logits'], halves])
    assert after.shape == (32, 4, 2)
    assert np.allclose(after[:, 3], whole, atol=1e-6)
    assert np.allclose(after[:, 1], half, atol=1e-6)


def test_steps_that_are_shown():
    assert steps_shown(5).tolist() == [1, 2, 3, 4, 5]
    many = steps_shown(784)
    assert (len(many), many[0], many[-1]) == (64, 1, 784) and len(set(np.diff(many))) <= 2


def test_gradients_through_time_vanish_before_a_marker_that_is_forgotten(session):
    """Of a sum of the last states, with respect to the state after each step, by differences of h."""
    params = Params(**{**SMALL, 'cell': 'tanh'})
    images = tf.constant(IMAGES)
    probes = probes_of(images, params)
    layers = dict(network(images, params, None, probes))
    norms = gradient_norms(tf.reduce_sum(layers['readout']), probes)['rnn_1']
    session.run(tf.global_variables_initializer())
    found, states, kernel = session.run([norms, layers['rnn_1'], tf.trainable_variables()[0]])
    gradient = np.ones((32, 8))
    for step in (3, 2, 1, 0):
        assert np.allclose(np.linalg.norm(gradient, axis=1), found[:, step], atol=1e-5)
        gradient = (gradient * (1 - states[:, step] ** 2)) @ kernel[-8:].T


@pytest.mark.slow
def test_what_tensorboard_shows(tmp_path):
    hparams = 'cell=gru,layers=4-3'
    run = small_settings('recurrent', tmp_path, max_steps=3, save_summary_steps=1, hparams=hparams)
    train_run(run)
    tf.summary.FileWriterCache.clear()
    found = set(summaries_in(run.model_dir))
    assert {'images/states_rnn_1/image', 'gradient_through_time/rnn_2', 'activations/rnn_1'} <= found
    assert {'accuracy_after_half', 'accuracy'} <= set(summaries_in(run.model_dir / 'eval'))


@pytest.mark.parametrize(
    ('params', 'side', 'fewer'),
    [
        ({'read': 'pixels'}, 10, 'read=rows'),
        ({'read': 'rows'}, 100, 'a smaller --image_size'),
        ({'read': 'patches', 'patch_size': 20}, 200, 'a smaller --image_size'),
        ({'read': 'pixels', 'readout': 'mean'}, 10, ''),
        ({'read': 'rows'}, 10, ''),
    ],
)
def test_training_warns_of_sequences_longer_than_a_loop_remembers(params, side, fewer):
    params = resolve(recurrent.Params, {**SMALL, 'image_shape': (side, side, 1), **params})
    words = f'cell=lstm rarely learns what the first of 100 steps say: {fewer} has fewer.'
    assert with_dashes(params.caution()) == (words if fewer else '')


def test_states_gradients_and_probabilities_are_drawn(monkeypatch):
    monkeypatch.setattr(recurrent, 'heat_map', lambda values: values)
    monkeypatch.setattr(recurrent, '_shares_by_step', lambda rows, names: (rows.tolist(), list(names)))
    states, logits = np.ones((2, 8)), np.log([[0.5, 0.25, 0.25], [0.125, 0.375, 0.5]])
    layers = {
        'rnn_1': states,
        'logits': logits[-1],
        'logits_after_steps': logits,
        'gradient_rnn_1': np.array([1.0, 4.0]),
    }
    drawn = recurrent.inspect(Params(vocabulary=('a', 'b', 'c')), {}, layers)
    assert list(drawn) == ['states_rnn_1', 'gradient_through_time', 'probability_after_each_step']
    assert drawn['states_rnn_1'] is states
    assert drawn['gradient_through_time'] == ([[0.25, 1.0]], ['rnn_1'])
    shares, labels = drawn['probability_after_each_step']
    assert labels == ['c', 'b', 'a'], 'the most probable at the end first'
    assert np.allclose(shares, [[0.25, 0.5], [0.25, 0.375], [0.5, 0.125]])
    assert not recurrent.inspect(Params(), {}, {'logits': logits})


def test_accuracies_after_a_quarter_a_half_and_three_quarters_of_a_sequence(session):
    """Of 8 steps; three examples are right from steps 2, 4 and 6 on, and the second one counts twice."""
    right = np.arange(1, 9) >= np.array([[2], [4], [6]])
    logits = np.stack([~right, right], axis=2).astype(np.float32)
    known = tf.constant([1, 1, 1], tf.int64), tf.constant([1.0, 2.0, 1.0])
    args = SimpleNamespace(params=Params(**{**SMALL, 'image_shape': (8, 4, 1)}), targets=known)
    metrics = recurrent._accuracy_after_steps(args, {'logits_after_steps': tf.constant(logits)})
    session.run(tf.local_variables_initializer())
    session.run([update for _, update in metrics.values()])
    found = session.run({name: value for name, (value, _) in metrics.items()})
    shares = {'quarter': 1 / 4, 'half': 3 / 4, 'three_quarters': 1}
    assert found == pytest.approx({f'accuracy_after_{name}': share for name, share in shares.items()})


def test_gradients_of_eight_examples_are_shown(monkeypatch, graph, tmp_path):
    shown = []
    monkeypatch.setattr(
        recurrent, 'probes_of', lambda images, params: shown.append(images) or probes_of(images, params)
    )
    tf.train.create_global_step()
    config = tf.estimator.RunConfig(str(tmp_path))
    model_fn(features(), tf.constant(LABELS), tf.estimator.ModeKeys.TRAIN, SMALL, config)
    assert [images.shape.as_list() for images in shown] == [[8, *SHAPE]]
