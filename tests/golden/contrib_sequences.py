"""Sequence-to-sequence models: attention, decoders, beam search, losses. Part of remake_contrib.py."""

import numpy as np
from contrib_shared import names, run, tf, wave, weights


def attention():
    """The outputs, states and gradients of four steps with each kind of attention."""
    seq2seq = tf.contrib.seq2seq
    lengths = [4, 2, 5]
    cases = {
        'luong': (lambda m: seq2seq.LuongAttention(3, m, lengths), {}),
        'luong_scale': (
            lambda m: seq2seq.LuongAttention(3, m, scale=True),
            {'attention_layer_size': 2, 'alignment_history': True},
        ),
        'bahdanau': (
            lambda m: seq2seq.BahdanauAttention(4, m, lengths),
            {'attention_layer_size': 2, 'output_attention': False},
        ),
        'bahdanau_normed': (lambda m: seq2seq.BahdanauAttention(4, m, lengths, normalize=True), {}),
        'several': (
            lambda m: [seq2seq.LuongAttention(3, m, lengths), seq2seq.BahdanauAttention(4, m, lengths)],
            {'attention_layer_size': [2, 3], 'alignment_history': True},
        ),
    }
    found = {}
    for case, (make, more) in cases.items():
        with tf.Graph().as_default(), tf.variable_scope('net', initializer=weights):
            memory = tf.constant(wave(3, 5, 4))
            cell = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(3), make(memory), **more)
            helper = seq2seq.TrainingHelper(tf.constant(wave(3, 4, 2)), [3, 4, 1])
            decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(3, tf.float32))
            outputs, state, steps = seq2seq.dynamic_decode(decoder, impute_finished='luong' in case)
            history = state.alignment_history
            history = [] if history == () else history if isinstance(history, tuple) else [history]
            fetched = [
                *(outputs.rnn_output, outputs.sample_id, steps, state.attention, state.time),
                *tf.contrib.framework.nest.flatten([state.alignments, state.cell_state]),
                *[array.stack() for array in history],
            ]
            total = tf.reduce_sum(outputs.rnn_output)
            fetched += tf.gradients(total, tf.trainable_variables(), unconnected_gradients='zero')
            found[case] = {
                'names': names(tf.global_variables()),
                'shapes': [v.shape.as_list() for v in tf.global_variables()],
                'values': run(fetched),
            }
    return found


def decoding():
    """Greedy decoding, and a helper of the user."""
    seq2seq = tf.contrib.seq2seq
    found = {}
    inputs, table = tf.constant(wave(3, 4, 6)), tf.constant(2 * wave(6, 6))

    def custom():
        return seq2seq.CustomHelper(
            lambda: (tf.fill([3], False), inputs[:, 0]),
            lambda time, outputs, state: tf.argmax(outputs, -1, output_type=tf.int32),
            lambda time, outputs, state, sample_ids: (sample_ids > 4, outputs * 0.5, state),
        )

    cases = {
        'greedy': (lambda: seq2seq.GreedyEmbeddingHelper(table, [0, 1, 2], 3), {'maximum_iterations': 7}),
        'no_steps': (lambda: seq2seq.GreedyEmbeddingHelper(table, [0, 1, 2], 3), {'maximum_iterations': 0}),
        'time_major': (lambda: seq2seq.TrainingHelper(inputs, [4, 0, 2]), {'output_time_major': True}),
        'imputed': (lambda: seq2seq.TrainingHelper(inputs, [4, 0, 2]), {'impute_finished': True}),
        'custom': (custom, {'maximum_iterations': 5}),
        'cold': (
            lambda: seq2seq.SampleEmbeddingHelper(table, [0, 1, 2], 3, softmax_temperature=1e-5),
            {'maximum_iterations': 7},
        ),
    }
    for case, (make, more) in cases.items():
        with tf.variable_scope(case, initializer=weights):
            cell = tf.nn.rnn_cell.LSTMCell(4)
            layer = tf.layers.Dense(6, name='logits')
            start = cell.zero_state(3, tf.float32)
            decoder = seq2seq.BasicDecoder(cell, make(), start, layer)
            outputs, state, steps = seq2seq.dynamic_decode(decoder, **more)
            fetched = [outputs.rnn_output, outputs.sample_id, steps, *state]
            mine = [v for v in tf.global_variables() if v.op.name.startswith(case + '/')]
            found[case] = {'names': names(mine), 'values': run(fetched)}
    return found


def beam_search():
    """With and without the length penalty and attention."""
    seq2seq = tf.contrib.seq2seq
    found = {}
    cases = {
        'plain': {},
        'length': {'length_penalty_weight': 0.8},
        'no_steps_left': {},
    }
    for case, more in cases.items():
        with tf.Graph().as_default(), tf.variable_scope('net', initializer=weights):
            table = tf.constant(3 * wave(5, 2))
            memory = tf.placeholder_with_default(wave(2, 4, 3), [2, None, 3])
            memory = seq2seq.tile_batch(memory, 3)
            lengths = seq2seq.tile_batch(tf.constant([4, 2]), 3)
            cell = tf.nn.rnn_cell.GRUCell(3)
            start = seq2seq.tile_batch(tf.constant(2 * wave(2, 3)), 3)
            if case == 'length':
                mechanism = seq2seq.BahdanauAttention(4, memory, lengths)
                cell = seq2seq.AttentionWrapper(cell, mechanism, attention_layer_size=3)
                start = cell.zero_state(6, tf.float32).clone(cell_state=start)
            decoder = seq2seq.BeamSearchDecoder(
                cell, table, [0, 1], 2, start, 3, tf.layers.Dense(5, name='logits'), **more
            )
            limit = 1 if case == 'no_steps_left' else 8
            outputs, state, steps = seq2seq.dynamic_decode(decoder, maximum_iterations=limit)
            fetched = [
                *(outputs.predicted_ids, *outputs.beam_search_decoder_output, steps),
                *(state.log_probs, state.finished, state.lengths),
            ]
            found[case] = {'names': names(tf.global_variables()), 'values': run(fetched)}
    ids = np.arange(24).reshape(4, 2, 3) % 7
    parents = (np.arange(24) * 5 % 3).reshape(4, 2, 3)
    trees = [
        seq2seq.gather_tree(tf.constant(ids, tf.int32), tf.constant(parents, tf.int32), lengths, end)
        for lengths, end in (([4, 2], 6), ([3, 0], 20), ([9, 4], 1))
    ]
    found['trees'] = {'values': run(trees)}
    return found


def sequence_losses():
    seq2seq = tf.contrib.seq2seq
    logits, targets = tf.constant(wave(2, 3, 4)), tf.constant([[0, 1, 2], [3, 0, 1]])
    mask = tf.constant([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]])
    found = []
    for time, batch in ((True, True), (True, False), (False, True), (False, False)):
        found.append(seq2seq.sequence_loss(logits, targets, mask, time, batch))
    return {'values': run(found)}


def legacy_decoders():
    """Models over lists of steps: their variables, outputs, final states and gradients."""
    legacy = tf.contrib.legacy_seq2seq
    values = [tf.constant(row) for row in wave(3, 2, 4)]
    symbols = [tf.constant(row) for row in ([0, 2], [1, 4], [3, 3])]

    def double(previous, step):
        return previous * 2.0 + step

    def gru():
        return tf.nn.rnn_cell.GRUCell(4)

    def lstm():
        return tf.nn.rnn_cell.LSTMCell(3)

    def projection():
        return tf.get_variable('w', [3, 5]), tf.get_variable('b', [5])

    cases = {
        'decoder': lambda: legacy.rnn_decoder(values, gru().zero_state(2, tf.float32), gru(), double),
        'basic': lambda: legacy.basic_rnn_seq2seq(values, values[:2], lstm()),
        'tied': lambda: legacy.tied_rnn_seq2seq(values, values[:2], gru(), double),
        'embedding': lambda: legacy.embedding_rnn_decoder(
            symbols, lstm().zero_state(2, tf.float32), lstm(), 5, 2
        ),
        'embedding_fed': lambda: legacy.embedding_rnn_decoder(
            symbols, lstm().zero_state(2, tf.float32), lstm(), 5, 2, projection(), True, False
        ),
        'attention': lambda: legacy.attention_decoder(
            values, gru().zero_state(2, tf.float32), tf.constant(wave(2, 5, 3)), gru(), 6, num_heads=2
        ),
        'attention_from_the_start': lambda: legacy.attention_decoder(
            *(values, lstm().zero_state(2, tf.float32), tf.constant(wave(2, 5, 3)), lstm()),
            loop_function=lambda previous, step: tf.pad(previous, [[0, 0], [1, 0]]),
            initial_state_attention=True,
        ),
    }
    return decoded(cases)


def legacy_models():
    """Models of symbols, which may feed their own, by a choice in the graph too."""
    legacy = tf.contrib.legacy_seq2seq
    symbols = [tf.constant(row) for row in ([0, 2], [1, 4], [3, 3])]

    def lstm():
        return tf.nn.rnn_cell.LSTMCell(3)

    def projection():
        return tf.get_variable('w', [3, 5]), tf.get_variable('b', [5])

    def model(kind, cell, **more):
        make = getattr(legacy, f'embedding_{kind}_seq2seq')
        return lambda: make(symbols, symbols[:2], cell(), 5, 6, 2, **more)

    def chosen(kind, **more):
        return lambda: model(kind, lstm, feed_previous=tf.placeholder_with_default(True, []), **more)()

    def stacked():
        return tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.GRUCell(3) for _ in range(2)])

    cases = {
        'rnn': model('rnn', lstm),
        'rnn_fed': model('rnn', stacked, feed_previous=True),
        'rnn_chosen': chosen('rnn'),
        'attention': model('attention', stacked, num_heads=2),
        'attention_fed': model('attention', lstm, feed_previous=True, initial_state_attention=True),
        'attention_chosen': chosen('attention'),
        'attention_projected': lambda: legacy.embedding_attention_seq2seq(
            symbols, symbols, lstm(), 5, 5, 2, output_projection=projection(), feed_previous=True
        ),
    }
    return decoded(cases)


def decoded(cases):
    """Returns the variables, outputs, states and gradients of each case."""
    found = {}
    for case, make in cases.items():
        with tf.variable_scope(case, initializer=weights):
            outputs, state = make()
        mine = [v for v in tf.global_variables() if v.op.name.startswith(case + '/')]
        flat = [*outputs, *tf.contrib.framework.nest.flatten(state)]
        total = tf.add_n([tf.reduce_sum(each) for each in flat])
        gradients = tf.gradients(total, mine, unconnected_gradients='zero')
        fetched = flat + [tf.reduce_sum(tf.abs(tf.convert_to_tensor(each))) for each in gradients]
        found[case] = {'names': names(mine), 'values': run(fetched)}
    return found


def legacy_losses():
    legacy = tf.contrib.legacy_seq2seq
    logits = [tf.constant(row) for row in wave(3, 2, 4)]
    targets = [tf.constant(row) for row in ([0, 2], [1, 3], [3, 3])]
    masks = [tf.constant(row) for row in ([1.0, 0.5], [1.0, 0.0], [0.5, 0.0])]
    found = [
        legacy.sequence_loss_by_example(logits, targets, masks),
        legacy.sequence_loss_by_example(logits, targets, masks, average_across_timesteps=False),
        legacy.sequence_loss(logits, targets, masks),
        legacy.sequence_loss(logits, targets, masks, average_across_batch=False),
        legacy.sequence_loss_by_example(
            logits, targets, masks, softmax_loss_function=lambda labels, logits: logits[:, 1]
        ),
    ]
    return {'values': run(found)}
