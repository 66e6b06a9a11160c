"""The layers of tf.contrib.cudnn_rnn, against the cells, whose figures are in test_golden."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

CUDNN = tf.contrib.cudnn_rnn
CELLS = {
    'CudnnLSTM': lambda: CUDNN.CudnnCompatibleLSTMCell(3),
    'CudnnGRU': lambda: CUDNN.CudnnCompatibleGRUCell(3),
    'CudnnRNNTanh': lambda: tf.nn.rnn_cell.BasicRNNCell(3, tf.tanh),
    'CudnnRNNRelu': lambda: tf.nn.rnn_cell.BasicRNNCell(3, tf.nn.relu),
}
LENGTHS = [5, 0, 2]


def wave(*shape):
    return np.sin(np.arange(np.prod(shape)) * 0.7 + 0.3).reshape(shape).astype(np.float32)


def values(*fetches):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches)


def cell_state(name, state, index):
    """Returns the state of one cell from the state of a layer."""
    if name == 'CudnnLSTM':
        return tf.nn.rnn_cell.LSTMStateTuple(state[1][index], state[0][index])
    return state[0][index]


def layer_state(name, states):
    if name == 'CudnnLSTM':
        return np.stack([state.h for state in states]), np.stack([state.c for state in states])
    return (np.stack(states),)


def run_cells(name, both, state, path):
    """Runs two layers of cells, saves their variables, and returns outputs and states."""
    x, cells = tf.constant(wave(5, 3, 4)), [CELLS[name]() for _ in range(4 if both else 2)]
    states = [cell_state(name, state, index) for index in range(len(cells))]
    with tf.variable_scope('net', initializer=tf.truncated_normal_initializer(seed=3)):
        if both:
            outputs, *final = tf.contrib.rnn.stack_bidirectional_dynamic_rnn(
                *(cells[::2], cells[1::2], x, states[::2], states[1::2], tf.float32, LENGTHS), time_major=True
            )
            final = [each for pair in zip(*final, strict=True) for each in pair]
        else:
            cell = tf.nn.rnn_cell.MultiRNNCell(cells)
            outputs, final = tf.nn.dynamic_rnn(cell, x, LENGTHS, tuple(states), time_major=True)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, path)
        outputs, final = session.run([outputs, final])
    return outputs, layer_state(name, final)


@pytest.mark.parametrize('both', [False, True])
@pytest.mark.parametrize('name', CELLS)
def test_a_layer_computes_what_the_cells_compute_with_their_checkpoint(name, both, tmp_path):
    parts = 2 if name == 'CudnnLSTM' else 1
    state = tuple(wave(4 if both else 2, 3, 3) / (part + 1) for part in range(parts))
    path = str(tmp_path / 'cells')
    with tf.Graph().as_default():
        expected = run_cells(name, both, state, path)
    direction = 'bidirectional' if both else 'unidirectional'
    with tf.Graph().as_default(), tf.Session() as session:
        layer = getattr(CUDNN, name)(2, 3, direction=direction)
        with tf.variable_scope('net'):
            layer.build([None, None, 4])
        major = layer(wave(5, 3, 4), state, LENGTHS)
        swapped = [tf.transpose(part, [1, 0, 2]) for part in state]
        minor = layer(
            tf.transpose(wave(5, 3, 4), [1, 0, 2]), tuple(swapped), tf.constant(LENGTHS), time_major=False
        )
        tf.train.Saver().restore(session, path)
        major, minor = session.run([major, minor])
    np.testing.assert_allclose(major[0], expected[0], atol=1e-6)
    np.testing.assert_allclose(minor[0].transpose(1, 0, 2), expected[0], atol=1e-6)
    for ours, other, want in zip(major[1], minor[1], expected[1], strict=True):
        np.testing.assert_allclose(ours, want, atol=1e-6)
        np.testing.assert_allclose(other.transpose(1, 0, 2), want, atol=1e-6)
    assert not major[0][2:, 2].any() and not major[0][:, 1].any()


@pytest.mark.parametrize('dtype', [tf.float16, tf.float64])
@pytest.mark.parametrize('name', CELLS)
def test_types(name, dtype):
    with tf.Graph().as_default():
        found = []
        for each in (dtype, tf.float32):
            make = tf.constant_initializer(0.3)
            layer = getattr(CUDNN, name)(2, 3, dtype=each, kernel_initializer=make, direction='bidirectional')
            outputs, states = layer(tf.cast(wave(5, 2, 4), each))
            gradients = tf.gradients(outputs, layer.trainable_variables)
            assert {variable.dtype.base_dtype for variable in layer.trainable_variables} == {each}
            found.append([outputs, *states, *gradients])
        ours, expected = values(*found)
    for one, other in zip(ours, expected, strict=True):
        assert one.dtype == dtype.as_numpy_dtype
        np.testing.assert_allclose(one, other, rtol=0.03 if dtype == tf.float16 else 1e-4, atol=0.01)


def test_variables_are_created_once_and_found_again():
    with tf.Graph().as_default():
        layer = CUDNN.CudnnGRU(2, 3, name='shared')
        with tf.variable_scope('net'):
            first, _ = layer(tf.ones([5, 2, 4]))
            second, _ = layer(tf.ones([5, 2, 4]), training=False)
        assert layer.trainable_variables == tf.trainable_variables() == tf.global_variables()
        assert len(layer.trainable_variables) == 12
        with tf.variable_scope('net', reuse=True):
            third, _ = CUDNN.CudnnGRU(2, 3, name='shared')(tf.ones([5, 2, 4]))
        assert len(tf.global_variables()) == 12
        found = values(first, second, third)
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_each_matrix_and_bias_is_initialized_by_itself():
    def by_shape(shape, dtype=None, partition_info=None):
        return tf.fill(shape, tf.cast(100 * shape[0] + shape[1], dtype))

    constant = tf.constant_initializer(0.5)
    with tf.Graph().as_default():
        for layer in (CUDNN.CudnnLSTM, CUDNN.CudnnGRU):
            layer(1, 3, kernel_initializer=by_shape, bias_initializer=constant)(tf.zeros([1, 1, 4]))
        CUDNN.CudnnRNNTanh(1, 3, name='plain')(tf.zeros([1, 1, 4]))
        variables = tf.global_variables()
        found = dict(
            zip([v.op.name.replace('rnn/multi_', '') for v in variables], values(*variables), strict=True)
        )
    lstm = found['cudnn_lstm/rnn_cell/cell_0/cudnn_compatible_lstm_cell/kernel']
    assert lstm.shape == (7, 12) and np.all(lstm[:4] == 304) and np.all(lstm[4:] == 303)
    assert np.all(found['cudnn_lstm/rnn_cell/cell_0/cudnn_compatible_lstm_cell/bias'] == 1)
    gru = 'cudnn_gru/rnn_cell/cell_0/cudnn_compatible_gru_cell/'
    assert np.all(found[gru + 'candidate/hidden_projection/kernel'] == 303)
    assert np.all(found[gru + 'candidate/input_projection/bias'] == 0.5)
    assert np.all(found[gru + 'gates/bias'] == 1)
    plain = found['plain/rnn_cell/cell_0/basic_rnn_cell/kernel']
    assert 0 < np.abs(plain[:4]).max() <= (6 / 7) ** 0.5 and np.abs(plain[4:]).max() <= 1
    assert not found['plain/rnn_cell/cell_0/basic_rnn_cell/bias'].any()


def test_dropout_is_applied_between_layers_in_training():
    x = tf.constant_initializer(0.2)
    with tf.Graph().as_default():
        training = tf.placeholder_with_default(True, [])
        one = CUDNN.CudnnRNNRelu(1, 8, dropout=0.5, kernel_initializer=x)
        two = CUDNN.CudnnRNNRelu(2, 8, dropout=0.5, kernel_initializer=x, seed=1)
        inputs = np.ones([1, 400, 2], np.float32)
        found = values(
            *(one(inputs, training=each)[0] for each in (True, False)),
            *(two(inputs, training=each)[0] for each in (training, False)),
        )
    assert np.array_equal(found[0], found[1])
    # A unit of the first layer is 0.4; one of the second is 0.2 times the sum of the kept ones, doubled.
    assert np.allclose(found[3], 0.64)
    kept = found[2] / 0.16
    assert np.allclose(kept, kept.round(), atol=1e-4) and len(np.unique(kept.round())) > 3
    assert kept.mean() == pytest.approx(4, abs=0.4)


def test_an_estimator_trains_a_layer_and_resumes(tmp_path):
    def model(features, labels, mode):
        outputs, _ = CUDNN.CudnnLSTM(1, 4, direction='bidirectional')(features)
        loss = tf.losses.mean_squared_error(labels, tf.layers.dense(outputs[-1], 1))
        step = tf.train.AdamOptimizer(0.05).minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=step)

    def data():
        return tf.constant(wave(5, 4, 2)), tf.constant([[1.0], [0.0], [0.5], [-1.0]])

    estimator = tf.estimator.Estimator(model, str(tmp_path))
    before = estimator.train(data, steps=1).evaluate(data, steps=1)['loss']
    after = estimator.train(data, steps=40).evaluate(data, steps=1)
    assert after['loss'] < 0.5 * before and after['global_step'] == 41


@pytest.mark.parametrize(
    ('more', 'shape', 'words'),
    [
        ({'direction': 'both'}, [1, 1, 4], 'Invalid direction: both'),
        ({'input_mode': 'none'}, [1, 1, 4], 'Invalid input_mode: none'),
        ({'dtype': tf.int32}, [1, 1, 4], 'Only support float16'),
        ({}, [1, 4], '3 dims, got 2'),
        ({}, [1, 1, None], 'should be defined'),
        ({'input_mode': 'skip_input'}, [1, 1, 3], 'use linear_input'),
        ({'input_mode': 'auto_select'}, [1, 1, 3], 'use linear_input'),
    ],
)
def test_what_a_layer_rejects(more, shape, words):
    with tf.Graph().as_default(), pytest.raises(ValueError, match=words):
        CUDNN.CudnnLSTM(1, 3, **more).build(shape)


def test_calls_that_are_rejected():
    layer = CUDNN.CudnnGRU(1, 3, input_mode='auto_select')
    with pytest.raises(ValueError, match="'input_size' is unknown"):
        _ = layer.input_size
    with tf.Graph().as_default():
        with pytest.raises(TypeError, match='expecting tuple'):
            layer(tf.zeros([1, 1, 4]), initial_state=tf.zeros([1, 1, 3]))
        with pytest.raises(ValueError, match='to be known'):
            CUDNN.CudnnCompatibleGRUCell(2)(tf.placeholder(tf.float32, [1, None]), tf.zeros([1, 2]))
    with pytest.raises(AttributeError, match=r'use a tf\.train\.Saver'):
        _ = CUDNN.CudnnLSTMSaveable
