"""Cells, cuDNN layers and conditional random fields. Part of remake_contrib.py."""

import numpy as np
from contrib_shared import names, run, tf, wave, weights


def crf():
    """Sequences of all lengths, one of no steps among them; a path of tags and the best one."""
    lengths, tags = tf.constant([4, 1, 3, 0]), tf.constant(np.arange(16).reshape(4, 4) % 3)
    potentials, transitions = tf.constant(wave(4, 4, 3)), tf.constant(2 * wave(3, 3))
    likelihood, _ = tf.contrib.crf.crf_log_likelihood(potentials, tags, lengths, transitions)
    decoded = tf.contrib.crf.crf_decode(potentials, transitions, lengths)
    gradients = tf.gradients(likelihood[:3], [potentials, transitions])
    # The tags of no steps are left out: nothing says what they are.
    fetched = [likelihood, decoded[0][:3], decoded[1][:3], *gradients]
    _, variable = tf.contrib.crf.crf_log_likelihood(potentials, tags, lengths)
    path, score = tf.contrib.crf.viterbi_decode(wave(4, 3), 2 * wave(3, 3))
    return {
        'values': [*run(fetched), [int(tag) for tag in path], float(score)],
        'variable': [variable.op.name, variable.shape.as_list()],
    }


def fused_lstm():
    """With and without lengths, peepholes and a bound of the state, forwards and backwards."""
    x = tf.constant(wave(5, 3, 4))
    fetched = []
    with tf.variable_scope('net', initializer=weights):
        for peephole, clip, lengths in ((False, None, None), (True, 0.2, [5, 0, 2])):
            cell = tf.contrib.rnn.LSTMBlockFusedCell(2, cell_clip=clip, use_peephole=peephole)
            for network in (cell, tf.contrib.rnn.TimeReversedFusedRNN(cell)):
                outputs, (state, output) = network(x, dtype=tf.float32, sequence_length=lengths)
                fetched += [outputs, state, output]
    gradients = tf.gradients(tf.reduce_sum(fetched[0]), tf.trainable_variables()[:2])
    return {'values': run([*fetched, *gradients]), 'variables': names(tf.trainable_variables())}


def cells():
    """Two steps of each cell, in and out of a wrapper, with gradients."""
    rnn = tf.contrib.rnn
    made = {
        'lstm_block': lambda: rnn.LSTMBlockCell(3),
        'gru_block_2': lambda: rnn.GRUBlockCellV2(num_units=3),
        'layer_norm': lambda: rnn.LayerNormBasicLSTMCell(8, norm_gain=0.5, norm_shift=0.1),
        'plain': lambda: rnn.LayerNormBasicLSTMCell(3, layer_norm=False, activation=tf.nn.relu),
    }
    found = {}
    for case, make in made.items():
        with tf.Graph().as_default(), tf.variable_scope('net', initializer=weights):
            x = tf.constant(wave(2, 4, 5))
            outputs, state = tf.nn.dynamic_rnn(make(), x, dtype=tf.float32)
            kernel = tf.trainable_variables()[0]
            gradient = tf.gradients(tf.reduce_sum(outputs[:, -1]), [kernel, x])
            found[case] = {
                'shapes': {v.op.name: v.shape.as_list() for v in tf.global_variables()},
                'values': run([outputs, *tf.contrib.framework.nest.flatten(state), *gradient]),
            }
    return found


def projections():
    """Two steps of cells whose inputs or outputs are projected, or embedded."""
    rnn = tf.contrib.rnn
    x, symbols = tf.constant(wave(2, 4, 5)), tf.constant(np.arange(8).reshape(2, 4, 1) % 6)
    made = {
        'input': (lambda: rnn.InputProjectionWrapper(rnn.GRUCell(3), 2, tf.tanh), x),
        'output': (lambda: rnn.OutputProjectionWrapper(rnn.LSTMCell(3), 2), x),
        'output_relu': (lambda: rnn.OutputProjectionWrapper(rnn.GRUCell(3), 2, tf.nn.relu), x),
        'embedding': (lambda: rnn.EmbeddingWrapper(rnn.GRUCell(3), 6, 2), symbols),
    }
    found = {}
    for case, (make, inputs) in made.items():
        with tf.variable_scope(case, initializer=weights):
            outputs, state = tf.nn.dynamic_rnn(make(), inputs, dtype=tf.float32)
        mine = [v for v in tf.global_variables() if v.op.name.startswith(case + '/')]
        gradient = tf.gradients(tf.reduce_sum(outputs[:, -1]), mine[-1])
        found[case] = {
            'shapes': {v.op.name: v.shape.as_list() for v in mine},
            'values': run([outputs, *tf.contrib.framework.nest.flatten(state), *gradient]),
        }
    return found


def cudnn_cells():
    """Two layers of compatible cells, in one direction and both, with lengths, and with gradients."""

    def make():
        return tf.contrib.cudnn_rnn.CudnnCompatibleLSTMCell(3)

    found = {}
    for case in ('lstm', 'lstm_both'):
        with tf.Graph().as_default(), tf.variable_scope('net', initializer=weights):
            x = tf.constant(wave(3, 5, 4))
            if case == 'lstm_both':
                outputs, *states = tf.contrib.rnn.stack_bidirectional_dynamic_rnn(
                    [make(), make()], [make(), make()], x, dtype=tf.float32, sequence_length=[5, 0, 2]
                )
            else:
                cell = tf.nn.rnn_cell.MultiRNNCell([make(), make()])
                outputs, states = tf.nn.dynamic_rnn(cell, x, [5, 0, 2], dtype=tf.float32)
            kernels = tf.trainable_variables()
            found[case] = {
                'names': names(tf.global_variables()),
                'shapes': [v.shape.as_list() for v in tf.global_variables()],
                'values': run(
                    [
                        outputs,
                        *tf.contrib.framework.nest.flatten(states),
                        *tf.gradients(tf.reduce_sum(tf.square(outputs)), [*kernels, x]),
                    ]
                ),
            }
    return found


def cudnn_layers():
    """What the layers save: real ones need a GPU to run, but not to be built."""
    found = {}
    for direction in ('unidirectional', 'bidirectional'):
        with tf.Graph().as_default(), tf.variable_scope('net'):
            layer = tf.contrib.cudnn_rnn.CudnnLSTM(2, 3, direction=direction)
            _, states = layer(tf.zeros([5, 2, 4]))
            saved = tf.get_collection(tf.GraphKeys.SAVEABLE_OBJECTS)
            kept = [spec.name for each in saved for spec in each.specs]
            found[f'CudnnLSTM/{direction}'] = {
                'saved': sorted(kept or names(tf.global_variables())),
                'states': [len(states), layer.state_shape(7)],
            }
    return found
