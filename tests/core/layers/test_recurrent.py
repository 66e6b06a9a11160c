"""Recurrent cells against loops in NumPy and `tf.nn.dynamic_rnn`, gradients against differences."""

import numpy as np
import pytest

from estimator_lab.contrib.rnn import stack_bidirectional_dynamic_rnn
from estimator_lab.core.layers.recurrence import DYNAMIC, UNROLLED
from estimator_lab.core.layers.recurrent import DILATED, RecurrentLayers
from estimator_lab.core.layers.rnn_cells import CELLS
from estimator_lab.tf1 import tf
from tests.differences import derivative
from tests.graphs import evaluate

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
            h = joined @ variables[0] + variables[1]
            h = np.tanh(h) if name == 'tanh' else np.maximum(h, 0)
        h = h + (0 if pushes is None else pushes[step])
        states.append(h)
    return np.stack(states)


def loss(states):
    return (states * WEIGHTS).sum()


@pytest.fixture(scope='module', params=CELLS)
def found(request):
    """The results of a cell with both implementations, for the same random variables."""
    with tf.Graph().as_default(), tf.Session() as session:
        sequence, probe = tf.constant(SEQUENCE), tf.zeros([STEPS, BATCH, UNITS])
        states, gates, _ = CELLS[request.param](UNITS)(sequence, probe)
        theirs, _, _ = CELLS[request.param](UNITS, loop=DYNAMIC)(sequence)
        variables = tf.trainable_variables()
        losses = [tf.reduce_sum(made * WEIGHTS) for made in (states, theirs)]
        # Gradients must be built before the session runs the loop.
        fetches = [
            variables,
            [states, theirs],
            [tf.gradients(loss, [*variables, sequence]) for loss in losses],
            tf.gradients(losses[0], probe)[0],
            gates,
        ]
        for number, variable in enumerate(variables):
            values = np.random.default_rng(number).normal(size=variable.shape.as_list()) / 2
            variable.load(values.astype(np.float32), session)
        return request.param, *session.run(fetches)


def test_states_match_numpy_and_tensorflow(found):
    name, variables, (ours, theirs), *_ = found
    assert np.allclose(ours, loop(name, variables), atol=1e-5)
    assert np.allclose(ours, theirs, atol=1e-6)


def test_gradients_match_tensorflows(found):
    *_, (ours, theirs), _, _ = found
    for one, other in zip(ours, theirs, strict=True):
        assert np.allclose(one, other, atol=2e-5)


def test_gradients_match_differences(found):
    name, variables, _, (ours, _), *_ = found
    for number, gradient in enumerate(ours[:-1]):
        for place in np.random.default_rng(number).integers(0, gradient.size, 4):
            wanted = derivative(lambda values: loss(loop(name, values)), variables, number, place)
            assert gradient.flat[place] == pytest.approx(wanted, abs=1e-4, rel=1e-3)


def test_the_probe_gives_the_gradient_by_the_states(found):
    name, variables, _, _, by_states, _ = found
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
def test_an_unrolled_cell_computes_the_same(name):
    with tf.Graph().as_default(), tf.Session() as session:
        looped = CELLS[name](UNITS)(tf.constant(SEQUENCE))
        before = len(tf.trainable_variables())
        unrolled = CELLS[name](UNITS, loop=UNROLLED)(tf.constant(SEQUENCE))
        assert len(tf.trainable_variables()) == before
        session.run(tf.global_variables_initializer())
        (states, gates, _), (other_states, other_gates, _) = session.run((looped, unrolled))
    assert np.ptp(states) > 0 and np.allclose(states, other_states, atol=1e-6)
    assert gates.keys() == other_gates.keys()
    for gate, values in gates.items():
        assert np.allclose(values, other_gates[gate], atol=1e-6)


@pytest.mark.parametrize('name', CELLS)
def test_cells_run_without_v2_behaviour(version_1, name):
    with tf.Graph().as_default(), tf.Session() as session:
        ours, _, _ = CELLS[name](UNITS)(tf.constant(SEQUENCE))
        theirs, _, _ = CELLS[name](UNITS, loop=DYNAMIC)(tf.constant(SEQUENCE))
        variables = tf.trainable_variables()
        gradients = [tf.gradients(tf.reduce_sum(made * WEIGHTS), variables) for made in (ours, theirs)]
        session.run(tf.global_variables_initializer())
        found = session.run([[ours, *gradients[0]], [theirs, *gradients[1]]])
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(*found, strict=True))


def test_gates_are_between_their_bounds(found):
    name, *_, gates = found
    wanted = {
        'lstm': {'input_gate', 'candidate', 'forget_gate', 'output_gate'},
        'gru': {'reset_gate', 'update_gate', 'candidate'},
    }
    assert set(gates) == wanted.get(name, set())
    for gate, values in gates.items():
        assert np.abs(values).max() < 1 and (gate == 'candidate' or values.min() > 0)


def checkpoint_of_tensorflow(path, build):
    """Saves a checkpoint of a network of TensorFlow's own cells; returns its outputs for the sequence."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(2)
        made = build(tf.constant(SEQUENCE.transpose(1, 0, 2)))
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


TENSORFLOWS = {
    'one': lambda name, x: tf.nn.dynamic_rnn(*cells(name, 1), x, dtype=tf.float32)[0],
    'stacked': lambda name, x: tf.nn.dynamic_rnn(
        tf.nn.rnn_cell.MultiRNNCell(cells(name)), x, dtype=tf.float32
    )[0],
    'bidirectional': lambda name, x: tf.concat(
        tf.nn.bidirectional_dynamic_rnn(*cells(name), x, dtype=tf.float32)[0], 2
    ),
    'stacked_bidirectional': lambda name, x: stack_bidirectional_dynamic_rnn(
        cells(name), cells(name), x, dtype=tf.float32
    )[0],
}


@pytest.mark.parametrize(
    ('name', 'form'),
    [
        ('tanh', 'one'),
        ('gru', 'stacked'),
        ('lstm', 'stacked'),
        ('lstm', 'bidirectional'),
        ('gru', 'stacked_bidirectional'),
    ],
)
def test_checkpoints_of_tensorflows_cells_restore(name, form, tmp_path):
    path = str(tmp_path / 'model')
    wanted = checkpoint_of_tensorflow(path, lambda x: TENSORFLOWS[form](name, x))
    sizes = [UNITS] * (2 if 'stacked' in form else 1)
    with tf.Graph().as_default(), tf.Session() as session:
        layers = RecurrentLayers(name, sizes, bidirectional='bidirectional' in form)
        outputs = layers(tf.constant(SEQUENCE.transpose(1, 0, 2)))
        tf.train.Saver().restore(session, path)
        steps, last = session.run([outputs.steps, outputs.last])
    assert np.allclose(steps, wanted, atol=1e-6)
    if 'bidirectional' in form:
        wanted = np.concatenate([wanted[:, -1, :UNITS], wanted[:, 0, UNITS:]], axis=1)
        assert np.allclose(last, wanted, atol=1e-6)
    else:
        assert np.array_equal(last, steps[:, -1])


def test_an_irnn_is_initially_the_identity():
    with tf.Graph().as_default(), tf.Session() as session:
        CELLS['irnn'](UNITS)(tf.constant(SEQUENCE))
        session.run(tf.global_variables_initializer())
        kernel, bias = session.run(tf.trainable_variables())
    assert np.array_equal(kernel[VALUES:], np.eye(UNITS))
    assert 0 < np.abs(kernel[:VALUES]).max() < 0.01 and not bias.any()


@pytest.mark.parametrize('name', CELLS)
@pytest.mark.parametrize('batch', [1, 2, 5])
def test_two_halves_give_the_same_as_the_whole_batch(name, batch):
    rng = np.random.default_rng(batch)
    values = rng.normal(size=(STEPS, batch, VALUES)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        sequence, probe = tf.constant(values), tf.zeros([STEPS, batch, UNITS])
        made = [CELLS[name](UNITS, in_halves=way)(sequence, probe)[:2] for way in (False, True)]
        variables = [*tf.trainable_variables(), sequence, probe]
        fetches = [(*found, tf.gradients(tf.reduce_sum(found[0] ** 2), variables)) for found in made]
        session.run(tf.global_variables_initializer())
        whole, halves = session.run(fetches)
    assert whole[1].keys() == halves[1].keys()
    for one, other in zip(tf.nest.flatten(whole), tf.nest.flatten(halves), strict=True):
        assert np.allclose(one, other, atol=1e-5)
        assert np.abs(one).max() > 0


def test_each_dilated_layer_looks_back_twice_as_far_as_the_one_below():
    sizes = [4, 3, 5]
    sequence = (
        np.random.default_rng(1).normal(size=(2, 11, 3)).astype(np.float32)
    )  # 11 is not a multiple of 4

    def build():
        outputs = RecurrentLayers(DILATED, sizes)(tf.constant(sequence), probing=True)
        variables = tf.trainable_variables()
        assert variables[4].op.name == 'dilated_rnn/cell_1/gru_cell/gates/kernel'
        gradient = tf.gradients(tf.reduce_sum(outputs.last), outputs.endpoints['rnn_3'].probe)[0]
        gate = outputs.endpoints['rnn_3_update_gate'].values
        return outputs.steps, outputs.last, variables, gradient, gate

    steps, last, variables, gradient, gate = evaluate(build)
    values = [sequence[:, t] for t in range(11)]
    for layer, units in enumerate(sizes):
        states = []
        for t, x in enumerate(values):
            before = states[t - 2**layer] if t >= 2**layer else np.zeros((2, units))
            states.append(gru(x, before, variables[4 * layer : 4 * layer + 4]))
        values = states
    assert np.allclose(steps, np.stack(values, axis=1), atol=1e-5)
    assert np.array_equal(last, steps[:, -1])
    # The last step depends on itself and on every fourth state before.
    assert (np.abs(gradient).sum(axis=(0, 2)) > 0).nonzero()[0].tolist() == [2, 6, 10]
    assert gate.shape == (2, 11, 5) and gate.min() > 0 and gate.max() < 1
