"""The fused LSTM compared with the cell that tf.nn.dynamic_rnn runs step by step, with the same weights."""

import numpy as np
import pytest

from estimator_lab.contrib.rnn import LSTMBlockFusedCell, TimeReversedFusedRNN
from estimator_lab.tf1 import tf

STEPS, BATCH, WIDTH, UNITS = 5, 3, 4, 2
LENGTHS = [5, 2, 3]


@pytest.mark.parametrize('reverse', [False, True])
@pytest.mark.parametrize('lengths', [None, LENGTHS])
@pytest.mark.parametrize('clip', [None, 0.05])
def test_equals_the_network_step_by_step(reverse, lengths, clip):
    x = np.random.default_rng(0).standard_normal([STEPS, BATCH, WIDTH]).astype(np.float32)
    with tf.Graph().as_default():
        tf.set_random_seed(0)
        fused = LSTMBlockFusedCell(UNITS, cell_clip=clip)
        network = TimeReversedFusedRNN(fused) if reverse else fused
        inputs = tf.constant(x)
        outputs, state = network(inputs, dtype=tf.float32, sequence_length=lengths)
        kernel, bias = tf.trainable_variables()
        with tf.variable_scope(
            'plain', custom_getter=lambda *_, name, **__: kernel if 'kernel' in name else bias
        ):
            cell = tf.nn.rnn_cell.LSTMCell(UNITS, cell_clip=clip)
            if reverse and lengths:
                inputs = tf.reverse_sequence(inputs, lengths, seq_axis=0, batch_axis=1)
            elif reverse:
                inputs = tf.reverse(inputs, [0])
            plain, plain_state = tf.nn.dynamic_rnn(cell, inputs, lengths, dtype=tf.float32, time_major=True)
            if reverse and lengths:
                plain = tf.reverse_sequence(plain, lengths, seq_axis=0, batch_axis=1)
            elif reverse:
                plain = tf.reverse(plain, [0])
        pairs = [(outputs, plain), (state.c, plain_state.c), (state.h, plain_state.h)]
        pairs += [(tf.gradients(outputs, kernel)[0], tf.gradients(plain, kernel)[0])] if clip is None else []
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            session.run(bias.assign(np.linspace(-1, 1, 4 * UNITS)))
            found = session.run(pairs)
    for ours, theirs in found:
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert np.abs(found[0][0]).max() > 0.01


def test_variables_have_the_names_of_1_15():
    with tf.Graph().as_default():
        x = tf.zeros([STEPS, BATCH, WIDTH])
        LSTMBlockFusedCell(UNITS)(x)
        LSTMBlockFusedCell(UNITS, use_peephole=True)(x)
        assert [(v.op.name, v.shape.as_list()) for v in tf.trainable_variables()] == [
            ('lstm_fused_cell/kernel', [WIDTH + UNITS, 4 * UNITS]),
            ('lstm_fused_cell/bias', [4 * UNITS]),
            ('lstm_fused_cell_1/kernel', [WIDTH + UNITS, 4 * UNITS]),
            ('lstm_fused_cell_1/bias', [4 * UNITS]),
            ('lstm_fused_cell_1/w_i_diag', [UNITS]),
            ('lstm_fused_cell_1/w_f_diag', [UNITS]),
            ('lstm_fused_cell_1/w_o_diag', [UNITS]),
        ]
