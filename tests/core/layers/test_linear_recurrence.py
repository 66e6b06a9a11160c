import numpy as np
import pytest

from estimator_lab.core.layers.linear_recurrence import DiagonalRecurrence, LinearLayers, causal_convolution
from estimator_lab.tf1 import tf
from tests.differences import derivative
from tests.graphs import evaluate

BATCH, CHANNELS, STATES = 2, 3, 4
RNG = np.random.default_rng(1)


def recurrence(variables, inputs):
    """Runs h' = Lambda h + B u, y = 2 Re(C h') + D u step by step, in complex128; u = W x."""
    kernel, bias, log_step, log_decay, frequency, weights, skip = (v.astype(np.float64) for v in variables)
    pole = -np.exp(log_decay) + 1j * frequency
    decay = np.exp(np.exp(log_step)[:, None] * pole)  # zero-order hold: a step's input lasts for the step
    enter = (decay - 1) / pole
    c = weights[..., 0] + 1j * weights[..., 1]
    state, outputs = np.zeros((len(inputs), *pole.shape), complex), []
    for x in np.moveaxis(inputs, 2, 0):
        u = x @ kernel
        state = decay * state + enter * u[..., None]
        outputs.append(2 * (c * state).real.sum(axis=2) + skip * u + bias)
    return np.stack(outputs, axis=2)


@pytest.mark.parametrize(('values', 'steps'), [(2, 1), (2, 5), (2, 100), (1, 50)])
def test_the_convolution_matches_the_recurrence_step_by_step(values, steps):
    inputs = RNG.normal(size=(BATCH, values, steps)).astype(np.float32)

    def build():
        outputs, last, _ = DiagonalRecurrence('it', CHANNELS, STATES)(tf.constant(inputs))
        return outputs, last, tf.trainable_variables()

    found, at_end, variables = evaluate(build)
    wanted = recurrence(variables, inputs)
    assert np.allclose(found, wanted, atol=1e-5)
    assert np.allclose(at_end, wanted[..., -1], atol=1e-5)


def test_initial_values_are_those_of_s4d_lin():
    def build():
        DiagonalRecurrence('it', 200, STATES)(tf.zeros([1, 1, 3]))
        return tf.trainable_variables()

    _, _, log_step, log_decay, frequency, *_ = evaluate(build)
    assert np.allclose(np.exp(log_decay), 0.5)
    assert np.allclose(frequency, np.pi * np.arange(STATES))
    assert 0.001 <= np.exp(log_step).min() < 0.002 and 0.05 < np.exp(log_step).max() <= 0.1


@pytest.mark.parametrize('channels', [1, CHANNELS])
def test_the_convolution_and_its_gradients_by_hand(channels):
    steps = 7
    inputs = RNG.normal(size=(BATCH, channels, steps)).astype(np.float32)
    by_outputs = RNG.normal(size=(BATCH, CHANNELS, steps)).astype(np.float32)
    kernel = RNG.normal(size=(CHANNELS, steps)).astype(np.float32)

    def build():
        sources = [tf.constant(inputs), tf.constant(kernel)]
        outputs = causal_convolution(*sources)
        return [outputs, *tf.gradients(outputs, sources, by_outputs)]

    found, by_inputs, by_kernel = evaluate(build)
    inputs = np.broadcast_to(inputs, by_outputs.shape)
    back = np.zeros(by_outputs.shape)
    for place in np.ndindex(BATCH, CHANNELS):
        wanted = np.convolve(inputs[place], kernel[place[1]])[:steps]
        assert np.allclose(found[place], wanted, atol=1e-5)
        # The gradient is the convolution in reversed time.
        back[place] = np.convolve(by_outputs[place][::-1], kernel[place[1]])[:steps][::-1]
    if channels == 1:
        back = back.sum(axis=1, keepdims=True)
    assert np.allclose(by_inputs, back, atol=1e-5)
    lags = [(by_outputs[..., lag:] * inputs[..., : steps - lag]).sum(axis=(0, 2)) for lag in range(steps)]
    assert np.allclose(by_kernel, np.stack(lags, axis=1), atol=1e-5)


def test_gradients_of_the_variables_are_differences():
    inputs = RNG.normal(size=(BATCH, 2, 20)).astype(np.float32)
    weights = RNG.normal(size=(BATCH, CHANNELS, 20)).astype(np.float32)

    def build():
        outputs, *_ = DiagonalRecurrence('it', CHANNELS, STATES)(tf.constant(inputs))
        variables = tf.trainable_variables()
        return variables, tf.gradients(tf.reduce_sum(outputs * weights), variables)

    values, gradients = evaluate(build)
    for number, gradient in enumerate(gradients):
        for place in RNG.integers(0, gradient.size, 3):
            wanted = derivative(
                lambda moved: (recurrence(moved, inputs) * weights).sum(), values, number, place
            )
            assert gradient.flat[place] == pytest.approx(wanted, abs=1e-3, rel=1e-3)


def test_the_layers_by_hand():
    sequence = RNG.normal(size=(BATCH, 9, CHANNELS)).astype(np.float32)

    def build():
        outputs = LinearLayers([CHANNELS, 5], STATES, tf.tanh)(tf.constant(sequence), probing=True)
        variables = tf.trainable_variables()
        assert [variables[n].op.name for n in (0, 7)] == [f'linear_rnn/layer_{n}/kernel' for n in (1, 2)]
        by_inputs = tf.gradients(tf.reduce_sum(outputs.last), outputs.endpoints['rnn_1'].probe)[0]
        return outputs.steps, outputs.last, variables, by_inputs

    steps, last, variables, by = evaluate(build)
    values = sequence.transpose(0, 2, 1)
    for number in range(2):
        given = np.tanh(recurrence(variables[7 * number : 7 * number + 7], values))
        values = given + values if number == 0 else given  # the first is as wide as its input
    assert np.allclose(steps, values.transpose(0, 2, 1), atol=1e-5)
    assert np.allclose(last, steps[:, -1], atol=1e-5)
    assert by.shape == (BATCH, 9, CHANNELS) and by[:, 0].any()
