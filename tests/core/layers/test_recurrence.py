"""The cells against loops in NumPy, against `tf.nn.dynamic_rnn`, and their gradients against differences."""

import numpy as np
import pytest

from estimator_lab.contrib.rnn import stack_bidirectional_dynamic_rnn
from estimator_lab.core.layers.recurrent import CELLS, Cell, RecurrentLayers
from estimator_lab.tf1 import tf
from tests.differences import derivative

STEPS, BATCH, VALUES, UNITS = 6, 3, 2, 4
RNG = np.random.default_rng(3)
SEQUENCE = RNG.normal(size=(STEPS, BATCH, VALUES)).astype(np.float32)
WEIGHTS = RNG.normal(size=(STEPS, BATCH, UNITS)).astype(np.float32)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def loop(name, variables, sequence=SEQUENCE, pushes=None):
    """Returns the states of a cell, step by step, in float64; `pushes` are added to them on the way."""
    variables = [v.astype(np.float64) for v in variables]
    h, c, states = np.zeros((sequence.shape[1], UNITS)), 0.0, []
    for step, x in enumerate(sequence.astype(np.float64)):
        joined = np.concatenate([x, h], axis=1)
        if name == 'lstm':
            i, j, f, o = np.split(joined @ variables[0] + variables[1], 4, axis=1)
            c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j)
            h = sigmoid(o) * np.tanh(c)
        elif name == 'gru':
            r, u = np.split(sigmoid(joined @ variables[0] + variables[1]), 2, axis=1)
            j = np.tanh(np.concatenate([x, r * h], axis=1) @ variables[2] + variables[3])
            h = u * h + (1 - u) * j
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
    """What both ways through a cell give, on the same variables with random values."""
    with tf.Graph().as_default(), tf.Session() as session:
        sequence, probe = tf.constant(SEQUENCE), tf.zeros([STEPS, BATCH, UNITS])
        states, gates, _ = Cell(request.param, UNITS)(sequence, probe)
        theirs, _, _ = Cell(request.param, UNITS, own_gradient=False)(sequence)
        variables = tf.trainable_variables()
        losses = [tf.reduce_sum(made * WEIGHTS) for made in (states, theirs)]
        # Before the session runs anything: a loop that it has seen gets no gradient any more.
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


def test_states_are_those_of_a_loop_and_of_tensorflow(found):
    name, variables, (ours, theirs), *_ = found
    assert np.allclose(ours, loop(name, variables), atol=1e-5)
    assert np.allclose(ours, theirs, atol=1e-6)


def test_gradients_are_tensorflows(found):
    *_, (ours, theirs), _, _ = found
    for one, other in zip(ours, theirs, strict=True):
        assert np.allclose(one, other, atol=2e-5)


def test_gradients_are_differences(found):
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
def test_in_a_program_of_version_1(version_1, name):
    with tf.Graph().as_default(), tf.Session() as session:
        ours, _, _ = Cell(name, UNITS)(tf.constant(SEQUENCE))
        theirs, _, _ = Cell(name, UNITS, own_gradient=False)(tf.constant(SEQUENCE))
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
    """Saves what `build` makes of the sequence, by TensorFlow's own functions; returns what that was."""
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


def test_an_irnn_begins_as_the_identity():
    with tf.Graph().as_default(), tf.Session() as session:
        Cell('irnn', UNITS)(tf.constant(SEQUENCE))
        session.run(tf.global_variables_initializer())
        kernel, bias = session.run(tf.trainable_variables())
    assert np.array_equal(kernel[VALUES:], np.eye(UNITS))
    assert 0 < np.abs(kernel[:VALUES]).max() < 0.01 and not bias.any()


@pytest.mark.parametrize('name', CELLS)
@pytest.mark.parametrize('batch', [1, 2, 5])
def test_halves_of_a_batch_give_what_the_whole_gives(name, batch):
    rng = np.random.default_rng(batch)
    values = rng.normal(size=(STEPS, batch, VALUES)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        sequence, probe = tf.constant(values), tf.zeros([STEPS, batch, UNITS])
        made = [Cell(name, UNITS, in_halves=way)(sequence, probe)[:2] for way in (False, True)]
        variables = [*tf.trainable_variables(), sequence, probe]
        fetches = [(*found, tf.gradients(tf.reduce_sum(found[0] ** 2), variables)) for found in made]
        session.run(tf.global_variables_initializer())
        whole, halves = session.run(fetches)
    assert whole[1].keys() == halves[1].keys()
    for one, other in zip(tf.nest.flatten(whole), tf.nest.flatten(halves), strict=True):
        assert np.allclose(one, other, atol=1e-5)
        assert np.abs(one).max() > 0
