import numpy as np
import pytest

from estimator_lab.core.display.sequences import AccuracyAfterSteps, gradient_norms, sequence_pictures
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.tf1 import tf

RNG = np.random.default_rng(1)


def test_accuracy_after_each_step_over_two_batches():
    logits = RNG.normal(size=(10, 5, 3)).astype(np.float32)
    ids, weights = RNG.integers(0, 3, 10), np.array([1, 1, 0, 1, 1, 1, 0, 1, 1, 1], np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        places = [tf.placeholder(v.dtype, [None, *v.shape[1:]]) for v in (logits, ids, weights)]
        after = AccuracyAfterSteps(places[0], [1, 10, 20, 30, 40], *places[1:])
        metrics = after.metrics()
        session.run(tf.local_variables_initializer())
        for part in (slice(0, 4), slice(4, 10)):
            fed = dict(zip(places, (v[part] for v in (logits, ids, weights)), strict=True))
            session.run({name: update for name, (_, update) in metrics.items()}, fed)
        curve, found = session.run([after.curve, {name: value for name, (value, _) in metrics.items()}])
    right = (logits.argmax(axis=2) == ids[:, np.newaxis])[weights > 0].mean(axis=0)
    assert np.allclose(curve, right)
    wanted = {'quarter': right[1], 'half': right[2], 'three_quarters': right[3]}
    assert found == pytest.approx({f'accuracy_after_{name}': value for name, value in wanted.items()})


def test_gradient_norms_are_norms_over_the_units():
    factors = RNG.normal(size=(2, 4, 3)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        probe, unused = tf.zeros([2, 4, 3]), tf.zeros([2, 4, 3])
        endpoints = {
            'rnn_1': Endpoint(probe + 1, None, probe),
            'apart': Endpoint(unused, None, unused),
            'dense': Endpoint(tf.zeros([2, 3])),
        }
        norms = session.run(gradient_norms(tf.reduce_sum(probe * factors), endpoints))
    assert list(norms) == ['rnn_1']
    assert np.allclose(norms['rnn_1'], np.sqrt((factors**2).sum(axis=2)))


def test_pictures_by_layer_and_direction():
    states = {name: RNG.normal(size=(6, 3)) for name in ('rnn_1', 'rnn_1_backwards', 'rnn_2')}
    gates = {f'{name}_forget_gate': RNG.random((2, 6, 3)) for name in ('rnn_1', 'rnn_1_backwards')}
    pictures = sequence_pictures(states, gates, {'rnn_1': np.array([1e-9, 1e-3, 1.0])})
    assert set(pictures) == {
        *(f'states_{name}' for name in states),
        *('gates_rnn_1', 'gates_rnn_1_backwards', 'gradient_through_time'),
    }
    # Each legend has one gate.
    assert pictures['gates_rnn_1'].height == pictures['gates_rnn_1_backwards'].height
    assert sequence_pictures({}, {}, {}) == {}
