"""The layers of tf.contrib.cudnn_rnn, against the cells, whose figures are in test_golden."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both

CUDNN = tf.contrib.cudnn_rnn
X = np.sin(np.arange(60) * 0.7).reshape(5, 3, 4).astype(np.float32)
LENGTHS = [5, 0, 2]


@pytest.mark.slow
@pytest.mark.parametrize('direction', ['unidirectional', 'bidirectional'])
def test_states_continue_a_sequence_and_both_orders_of_the_axes_agree(direction, session):
    """Two halves of a sequence, the second from the state of the first, are the whole; forwards only."""
    layer = CUDNN.CudnnLSTM(2, 3, direction=direction)
    whole, state = layer(X, sequence_lengths=LENGTHS, training=False)
    variables = len(tf.global_variables())
    swapped, same = layer(X.transpose(1, 0, 2), sequence_lengths=LENGTHS, time_major=False, training=False)
    first, middle = layer(X[:2])
    second, _ = layer(X[2:], middle)
    straight, _ = layer(X)
    assert len(tf.global_variables()) == variables
    session.run(tf.global_variables_initializer())
    found = session.run([whole, swapped, state, same, first, second, straight])
    np.testing.assert_allclose(found[0], found[1].transpose(1, 0, 2), atol=1e-6)
    for one, other in zip(found[2], found[3], strict=True):
        assert one.shape == tuple(layer.state_shape(3)[0])
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert not found[0][2:, 2].any() and not found[0][:, 1].any()
    if direction == 'unidirectional':
        np.testing.assert_allclose(np.concatenate(found[4:6]), found[6], atol=1e-6)


def test_dropout_between_layers_in_training_only(session):
    layer = CUDNN.CudnnLSTM(2, 8, dropout=0.5, seed=1)
    training, answers = tf.placeholder(tf.bool, []), []
    outputs, _ = layer(X, training=training)
    session.run(tf.global_variables_initializer())
    for chosen in (False, False, True, True):
        answers.append(session.run(outputs, {training: chosen}))
    assert np.array_equal(answers[0], answers[1])
    assert not np.allclose(answers[2], answers[3])
