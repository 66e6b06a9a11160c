"""Recurrent cells against loops in NumPy and `tf.nn.dynamic_rnn`, gradients against differences."""

import numpy as np
import pytest

from estimator_lab.models.recurrent.loop import CELLS
from estimator_lab.tf1 import tf

STEPS, BATCH, VALUES, UNITS = 6, 3, 2, 4
RNG = np.random.default_rng(3)
SEQUENCE = RNG.normal(size=(STEPS, BATCH, VALUES)).astype(np.float32)
WEIGHTS = RNG.normal(size=(STEPS, BATCH, UNITS)).astype(np.float32)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def gru(x, h, variables):
    gates, gate_bias, kernel, bias = variables
    r, u = np.split(sigmoid(np.concatenate([x, h], axis=1) @ gates + gate_bias), 2, axis=1)
    return u * h + (1 - u) * np.tanh(np.concatenate([x, r * h], axis=1) @ kernel + bias)


def loop(name, variables, sequence=SEQUENCE, pushes=None):
    """Returns the states of a cell, step by step, in float64; `pushes` are added to the states."""
    variables = [v.astype(np.float64) for v in variables]
    h, c, states = np.zeros((sequence.shape[1], UNITS)), 0.0, []
    for step, x in enumerate(sequence.astype(np.float64)):
        joined = np.concatenate([x, h], axis=1)
        if name == 'lstm':
            i, j, f, o = np.split(joined @ variables[0] + variables[1], 4, axis=1)
            c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j)
            h = sigmoid(o) * np.tanh(c)
        elif name == 'gru':
            h = gru(x, h, variables)
        else:
            h = np.tanh(joined @ variables[0] + variables[1])
        h = h + (0 if pushes is None else pushes[step])
        states.append(h)
    return np.stack(states)


def loss(states):
    return (states * WEIGHTS).sum()


def tensorflows(name, sequence):
    """Returns the states of TensorFlow's cell with the same variables, in TensorFlow's loop."""
    cells = {
        'lstm': tf.nn.rnn_cell.LSTMCell,
        'gru': tf.nn.rnn_cell.GRUCell,
        'tanh': tf.nn.rnn_cell.BasicRNNCell,
    }
    cell, scope = cells[name](UNITS, reuse=True), tf.get_variable_scope()
    return tf.nn.dynamic_rnn(cell, sequence, dtype=tf.float32, time_major=True, scope=scope)[0]


@pytest.fixture(scope='module', params=CELLS)
def found(request):
    """The results of a cell with both implementations, for the same random variables."""
    with tf.Graph().as_default(), tf.Session() as session:
        sequence, probe = tf.constant(SEQUENCE), tf.zeros([STEPS, BATCH, UNITS])
        states = CELLS[request.param](UNITS)(sequence, probe)
        theirs = tensorflows(request.param, sequence)
        variables = tf.trainable_variables()
        losses = [tf.reduce_sum(made * WEIGHTS) for made in (states, theirs)]
        # Gradients must be built before the session runs the loop.
        fetches = [
            variables,
            [states, theirs],
            [tf.gradients(loss, [*variables, sequence]) for loss in losses],
            tf.gradients(losses[0], probe)[0],
        ]
        for number, variable in enumerate(variables):
            values = np.random.default_rng(number).normal(size=variable.shape.as_list()) / 2
            variable.load(values.astype(np.float32), session)
        return request.param, *session.run(fetches)


@pytest.mark.slow
def test_states_match_numpy_and_tensorflow_and_gradients_tensorflow(found):
    name, variables, (ours, theirs), gradients, _ = found
    assert np.allclose(ours, loop(name, variables), atol=1e-5)
    assert np.allclose(ours, theirs, atol=1e-6)
    for one, other in zip(*gradients, strict=True):
        assert np.allclose(one, other, atol=2e-5)


def test_weights_begin_as_those_of_tensorflow():
    """The biases of the gates of a GRU are 1, so that it remembers at first; others are 0."""
    with tf.Graph().as_default(), tf.Session() as session:
        for name in CELLS:
            with tf.variable_scope(name):
                CELLS[name](UNITS)(tf.constant(SEQUENCE), tf.zeros([STEPS, BATCH, UNITS]))
        session.run(tf.global_variables_initializer())
        values = session.run({v.op.name: v for v in tf.trainable_variables()})
    biases = {name: np.unique(value).tolist() for name, value in values.items() if name.endswith('/bias')}
    assert biases == {
        'tanh/basic_rnn_cell/bias': [0],
        'lstm/lstm_cell/bias': [0],
        'gru/gru_cell/gates/bias': [1],
        'gru/gru_cell/candidate/bias': [0],
    }


def test_the_probe_gives_the_gradient_by_the_states(found):
    name, variables, _, _, by_states = found
    for step, row, unit in ((0, 0, 1), (2, 1, 0), (STEPS - 1, 2, 3)):
        pushes = np.zeros(WEIGHTS.shape)
        pushes[step, row, unit] = 1e-6
        change = loss(loop(name, variables, pushes=pushes)) - loss(loop(name, variables, pushes=-pushes))
        assert by_states[step, row, unit] == pytest.approx(change / 2e-6, abs=1e-3)


@pytest.fixture
def version_1():
    """Loops and shapes as `tf.disable_v2_behavior()` leaves them."""
    tf.disable_control_flow_v2()
    tf.disable_v2_tensorshape()
    yield
    tf.enable_v2_tensorshape()
    tf.enable_control_flow_v2()


@pytest.mark.parametrize('name', CELLS)
def test_cells_run_without_v2_behaviour(version_1, name, session):
    ours = CELLS[name](UNITS)(tf.constant(SEQUENCE))
    theirs = tensorflows(name, tf.constant(SEQUENCE))
    variables = tf.trainable_variables()
    gradients = [tf.gradients(tf.reduce_sum(made * WEIGHTS), variables) for made in (ours, theirs)]
    session.run(tf.global_variables_initializer())
    found = session.run([[ours, *gradients[0]], [theirs, *gradients[1]]])
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(*found, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize('name', CELLS)
@pytest.mark.parametrize('batch', [1, 2, 5])
def test_two_halves_give_the_same_as_the_whole_batch(name, batch, session):
    rng = np.random.default_rng(batch)
    values = rng.normal(size=(STEPS, batch, VALUES)).astype(np.float32)
    sequence, probe = tf.constant(values), tf.zeros([STEPS, batch, UNITS])
    made = [CELLS[name](UNITS)(sequence, probe, in_halves=way) for way in (False, True)]
    variables = [*tf.trainable_variables(), sequence, probe]
    fetches = [(states, tf.gradients(tf.reduce_sum(states**2), variables)) for states in made]
    session.run(tf.global_variables_initializer())
    whole, halves = session.run(fetches)
    for one, other in zip(tf.nest.flatten(whole), tf.nest.flatten(halves), strict=True):
        assert np.allclose(one, other, atol=1e-5)
        assert np.abs(one).max() > 0
