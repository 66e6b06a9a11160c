import numpy as np

from estimator_lab.core.layers.recurrent import DilatedLayers
from estimator_lab.tf1 import tf

SIZES = [4, 3, 5]


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def gru(x, h, variables):
    gates, gate_bias, kernel, bias = variables
    r, u = np.split(sigmoid(np.concatenate([x, h], axis=1) @ gates + gate_bias), 2, axis=1)
    return u * h + (1 - u) * np.tanh(np.concatenate([x, r * h], axis=1) @ kernel + bias)


def test_each_layer_looks_back_twice_as_far_as_the_one_below():
    sequence = np.random.default_rng(1).normal(size=(2, 11, 3)).astype(np.float32)  # 11 is no multiple of 4
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        outputs = DilatedLayers(SIZES)(tf.constant(sequence), probing=True)
        probes = [outputs.endpoints[f'rnn_{n}'].probe for n in (1, 2, 3)]
        gradients = tf.gradients(tf.reduce_sum(outputs.last), probes)
        session.run(tf.global_variables_initializer())
        steps, last, variables, by_states, gate = session.run(
            [
                outputs.steps,
                outputs.last,
                tf.trainable_variables(),
                gradients,
                outputs.endpoints['rnn_3_update_gate'].values,
            ]
        )
        names = [v.op.name for v in tf.trainable_variables()]
    values = [sequence[:, t] for t in range(11)]
    for layer, units in enumerate(SIZES):
        states = []
        for t, x in enumerate(values):
            before = states[t - 2**layer] if t >= 2**layer else np.zeros((2, units))
            states.append(gru(x, before, variables[4 * layer : 4 * layer + 4]))
        values = states
    assert np.allclose(steps, np.stack(values, axis=1), atol=1e-5)
    assert np.array_equal(last, steps[:, -1])
    assert names[4] == 'dilated_rnn/cell_1/gru_cell/gates/kernel'
    # The last step sees of the third layer itself and every fourth state before.
    seen = np.abs(by_states[2]).sum(axis=(0, 2)) > 0
    assert seen.nonzero()[0].tolist() == [2, 6, 10]
    assert gate.shape == (2, 11, 5) and gate.min() > 0 and gate.max() < 1
