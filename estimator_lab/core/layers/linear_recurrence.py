"""Diagonal linear recurrences: layers for long sequences without a loop.

The state h' = Lambda h + B u is linear in the input u, so that the output Re(C h) + D u of a channel is a
convolution of u with a kernel that depends on Lambda, B, C and D only: S4D (Gu et al. 2022, 'On the
parameterization and initialization of diagonal state space models', equations 3 to 5). An FFT computes the
convolution, one product its last step. Activations follow each layer, step by step.

Sequences are [batch, channels, steps] in this module, as the FFT runs along the last axis.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from estimator_lab.core.layers.elementwise import dropout
from estimator_lab.core.layers.sequences import Outputs
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.core.step.noise import Noise
from estimator_lab.tf1 import Tensor, Variable, tf

_SMALLEST_STEP, _LARGEST_STEP = 0.001, 0.1


class LinearLayers:
    """Layers of diagonal recurrences, each with an activation.

    If a layer has as many channels as its input, the input is added to its output.

    Args:
      sizes: channels of each layer.
      states: complex states of a channel.
      activation: activation of each layer.
      dropout_rate: share of the values between two layers that is dropped in training, the same at all steps.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        states: int,
        activation: Callable[[Tensor], Tensor],
        dropout_rate: float = 0.0,
    ) -> None:
        self._activation = activation
        self._dropout_rate = dropout_rate
        self._recurrences = [
            DiagonalRecurrence(f'linear_rnn/layer_{number}', channels, states)
            for number, channels in enumerate(sizes, 1)
        ]

    def __call__(self, sequence: Tensor, noise: Noise | None = None, probing: bool = False) -> Outputs:
        """Returns the output of the layers, with the endpoints rnn_1, ...

        Args:
          sequence: float32 [batch, steps, values].
          noise: draws what is dropped; None drops nothing.
          probing: whether the endpoints get probes for gradients with respect to the layers' inputs, which
            costs memory.
        """
        values, endpoints, last = _turned(sequence), {}, None
        for number, recurrence in enumerate(self._recurrences, 1):
            if number > 1:
                values = dropout(values, self._dropout_rate, noise, _shape_of_one_step(values))
            probe = tf.zeros_like(_turned(values)) if probing else None
            entering = values if probe is None else values + _turned(probe)
            steps, last, kernel = recurrence(entering)
            steps, last = self._activation(steps), self._activation(last)
            if steps.shape.as_list()[1] == values.shape.as_list()[1]:
                steps, last = steps + values, last + values[..., -1]
            values = steps
            endpoints[f'rnn_{number}'] = Endpoint(_turned(values), kernel, probe)
        return Outputs(_turned(values), last, endpoints)


def _turned(values: Tensor) -> Tensor:
    """Swaps the last two axes: [batch, steps, channels] and [batch, channels, steps]."""
    return tf.transpose(values, [0, 2, 1])


def _shape_of_one_step(values: Tensor) -> Tensor:
    batch, channels, _ = tf.unstack(tf.shape(values))
    return tf.stack([batch, channels, 1])


@dataclasses.dataclass(frozen=True)
class DiagonalRecurrence:
    """Channels that each have their own states; all calls share the variables.

    They are `kernel` W [inputs, channels] and `bias` [channels]; `log_step` and `skip` D [channels];
    `log_decay` and `frequency` [channels, states]; `weights` [channels, states, 2], real and imaginary part
    of C. With A = -exp(log_decay) + i frequency and d = exp(log_step), a channel's response to an impulse
    after t steps is 2 Re sum_n C_n (exp(d A_n) - 1) / A_n exp(d A_n t), plus D at t = 0. Initial values are
    those of S4D-Lin: A_n = -1/2 + i pi n, and d drawn log-uniformly from [0.001, 0.1].

    Args:
      scope: scope of the variables.
      channels: number of channels.
      states: complex states of a channel, without their conjugates.
    """

    scope: str
    channels: int
    states: int

    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor, Variable]:
        """Returns the output of the channels.

        Args:
          inputs: float32 [batch, inputs, steps].

        Returns:
          (the output at each step, float32 [batch, channels, steps]; at the last step, [batch, channels],
          which needs no FFT; `kernel`).
        """
        count, steps = inputs.shape.as_list()[1:]
        with tf.variable_scope(self.scope, reuse=tf.AUTO_REUSE):
            kernel = _variable('kernel', [count, self.channels], tf.glorot_uniform_initializer())
            bias = _variable('bias', [self.channels], tf.zeros_initializer())
            response = self._response(steps)
        if count == 1:
            # Convolving first gives the same values, with one FFT of the input.
            outputs = causal_convolution(inputs, kernel[0][:, tf.newaxis] * response)
        else:
            outputs = causal_convolution(tf.matmul(kernel, inputs, transpose_a=True), response)
        ends = tf.matmul(tf.reshape(inputs, [-1, steps]), tf.reverse(response, [1]), transpose_b=True)
        last = tf.reduce_sum(kernel * tf.reshape(ends, [-1, count, self.channels]), axis=1)
        return outputs + bias[:, tf.newaxis], last + bias, kernel

    def _response(self, steps: int) -> Tensor:
        """Returns the response to an impulse after 0, 1, ... steps, float32 [channels, steps]."""
        shape = [self.channels, self.states]
        bounds = math.log(_SMALLEST_STEP), math.log(_LARGEST_STEP)
        frequencies = np.tile(math.pi * np.arange(self.states, dtype=np.float32), [self.channels, 1])
        log_step = _variable('log_step', shape[:1], tf.random_uniform_initializer(*bounds))
        log_decay = _variable('log_decay', shape, tf.constant_initializer(math.log(0.5)))
        frequency = _variable('frequency', shape, tf.constant_initializer(frequencies))
        weights = _variable('weights', [*shape, 2], tf.random_normal_initializer(stddev=math.sqrt(0.5)))
        skip = _variable('skip', shape[:1], tf.ones_initializer())
        with tf.name_scope('response'):
            pole = tf.complex(-tf.exp(log_decay), frequency)
            step = tf.complex(tf.exp(log_step), tf.zeros_like(log_step))[:, tf.newaxis]
            first = tf.complex(weights[..., 0], weights[..., 1]) * (tf.exp(step * pole) - 1) / pole
            at_once = tf.pad(skip[:, tf.newaxis], [[0, 0], [0, steps - 1]])
            return _powers(first, step * pole, steps) + at_once


def _variable(name: str, shape: list[int], initializer: Any) -> Variable:
    return tf.get_variable(name, shape, initializer=initializer)


def _powers(first: Tensor, exponent: Tensor, steps: int) -> Tensor:
    """Returns 2 Re sum_n first_n exp(exponent_n t) for t = 0, 1, ..., float32 [channels, steps].

    Writing t as b stride + a needs exponentials of 2 sqrt(steps) numbers instead of `steps`, and a product.

    Args:
      first: complex64 [channels, states].
      exponent: complex64 [channels, states].
      steps: number of steps.
    """
    stride = math.isqrt(steps - 1) + 1
    count = -(-steps // stride)

    def exponentials(distance: int, number: int) -> Tensor:
        times = tf.constant(distance * np.arange(number), tf.complex64)
        return tf.exp(exponent[..., tf.newaxis] * times)

    coarse, fine = first[..., tf.newaxis] * exponentials(stride, count), exponentials(1, stride)
    left = tf.concat([tf.math.real(coarse), -tf.math.imag(coarse)], axis=1)
    right = tf.concat([tf.math.real(fine), tf.math.imag(fine)], axis=1)
    products = 2 * tf.matmul(left, right, transpose_a=True)
    return tf.reshape(products, [-1, count * stride])[:, :steps]


def causal_convolution(inputs: Tensor, kernel: Tensor) -> Tensor:
    """Returns y[t] = sum over s <= t of kernel[t - s] inputs[s], float32 [batch, channels, steps], by FFT.

    Args:
      inputs: float32 [batch, channels, steps], or [batch, 1, steps] for the same input to all channels.
      kernel: float32 [channels, steps].
    """
    steps = inputs.shape.as_list()[2]
    length = [_length_for_fft(2 * steps - 1)]

    @tf.custom_gradient
    def run(inputs: Tensor, kernel: Tensor) -> tuple[Tensor, Any]:
        of_inputs, of_kernel = (tf.signal.rfft(values, length) for values in (inputs, kernel))

        def gradient(by_outputs: Tensor) -> tuple[Tensor, Tensor]:
            # TensorFlow's gradient of an rfft is a complex FFT of twice the size.
            of_gradient = tf.signal.rfft(by_outputs, length)
            by_inputs = of_gradient * tf.math.conj(of_kernel)
            if inputs.shape.as_list()[1] == 1:
                by_inputs = tf.reduce_sum(by_inputs, axis=1, keepdims=True)
            by_kernel = tf.reduce_sum(of_gradient * tf.math.conj(of_inputs), axis=0)
            return back(by_inputs), back(by_kernel)

        return back(of_inputs * of_kernel), gradient

    def back(spectrum: Tensor) -> Tensor:
        return tf.signal.irfft(spectrum, length)[..., :steps]

    with tf.name_scope('causal_convolution'):
        return run(inputs, kernel)


def _length_for_fft(least: int) -> int:
    """Returns the next number without prime factors above 7, whose FFT is fast."""
    length = least
    while True:
        rest = length
        for factor in (2, 3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1
