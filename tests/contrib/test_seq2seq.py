"""tf.contrib.seq2seq with unknown shapes, and what it rejects; test_golden.py has its numbers."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both

seq2seq = tf.contrib.seq2seq


def unknown(array):
    """Returns a tensor of unknown batch and time."""
    return tf.placeholder_with_default(np.float32(array), [None, None, *np.shape(array)[2:]])


@pytest.mark.slow
@pytest.mark.parametrize('width', [1, 4])
def test_a_beam_of_the_best_sequences_of_a_batch_of_unknown_size(width, session):
    """With one beam it is the greedy decoder, and more beams find no worse sequences."""
    random = np.random.default_rng(0)
    memory = unknown(random.standard_normal([3, 5, 4]))
    table = random.standard_normal([7, 6]).astype(np.float32)
    layer = tf.layers.Dense(7, kernel_initializer=tf.random_normal_initializer(seed=1))

    def decoded(copies, make):
        with tf.variable_scope('net', reuse=tf.AUTO_REUSE, initializer=tf.random_normal_initializer(seed=2)):
            mechanism = seq2seq.BahdanauAttention(4, seq2seq.tile_batch(memory, copies))
            cell = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(4), mechanism, attention_layer_size=8 / 2)
            start = cell.zero_state(tf.shape(memory)[0] * copies, tf.float32)
            return seq2seq.dynamic_decode(make(cell, start), maximum_iterations=6)

    tokens = tf.zeros([tf.shape(memory)[0]], tf.int32)
    greedy, _, lengths = decoded(
        1,
        lambda cell, start: seq2seq.BasicDecoder(
            cell, seq2seq.GreedyEmbeddingHelper(table, tokens, 3), start, layer
        ),
    )
    beams, state, _ = decoded(
        width, lambda cell, start: seq2seq.BeamSearchDecoder(cell, table, tokens, 3, start, width, layer)
    )
    probabilities = tf.reduce_max(tf.nn.log_softmax(greedy.rnn_output), 2)
    mask = tf.sequence_mask(lengths, tf.shape(probabilities)[1], tf.float32)
    total = tf.reduce_sum(probabilities * mask, 1)
    session.run(tf.global_variables_initializer())
    fetches = [beams.predicted_ids, state.log_probs, greedy.sample_id, total]
    ids, best, greedy_ids, of_greedy = session.run(fetches)
    assert ids.shape[0] == 3 and ids.shape[2] == width
    if width == 1:
        np.testing.assert_allclose(best[:, 0], of_greedy, rtol=1e-5)
        for found, expected in zip(ids[:, :, 0], greedy_ids, strict=True):
            length = list(expected).index(3) + 1 if 3 in expected else len(expected)
            assert found[:length].tolist() == expected[:length].tolist()
    else:
        assert (best[:, 0] >= of_greedy - 1e-5).all()


def test_training_an_attention_model_of_unknown_shape(session):
    inputs = unknown(np.ones([2, 3, 4]))
    mechanism = seq2seq.LuongAttention(5, inputs, memory_sequence_length=tf.constant([3, 2]))
    cell = seq2seq.AttentionWrapper(tf.nn.rnn_cell.BasicLSTMCell(5), mechanism, alignment_history=True)
    helper = seq2seq.TrainingHelper(inputs, tf.constant([3, 1]))
    start = cell.zero_state(tf.shape(inputs)[0], tf.float32)
    decoder = seq2seq.BasicDecoder(cell, helper, start, tf.layers.Dense(6))
    outputs, state, _ = seq2seq.dynamic_decode(decoder, impute_finished=True)
    loss = seq2seq.sequence_loss(outputs.rnn_output, tf.ones([2, 3], tf.int32), tf.ones([2, 3]))
    train = tf.train.AdamOptimizer(0.1).minimize(loss)
    history = state.alignment_history.stack()
    session.run(tf.global_variables_initializer())
    losses = [session.run([loss, train])[0] for _ in range(30)]
    alignments = session.run(history)
    assert losses[-1] < losses[0]
    assert alignments.shape == (3, 2, 3)
    np.testing.assert_allclose(alignments[:, 1, 2], 0)


def test_samples_follow_the_probabilities(session):
    logits = np.log([[0.1, 0.2, 0.7]]).repeat(4000, 0).astype(np.float32)
    helper = seq2seq.SampleEmbeddingHelper(tf.eye(3), tf.zeros([4000], tf.int32), 2, seed=1)
    samples = session.run(helper.sample(0, tf.constant(logits), ()))
    shares = np.bincount(samples, minlength=3) / 4000
    np.testing.assert_allclose(shares, [0.1, 0.2, 0.7], atol=0.03)
