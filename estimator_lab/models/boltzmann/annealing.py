"""Annealed importance sampling: an RBM's log partition function, and with it log probabilities in nats.

Salakhutdinov and Murray 2008, 'On the quantitative analysis of deep belief networks', section 3: chains run
from a machine without weights, whose partition function is known, through intermediate machines to the given
one; their importance weights are averaged.
"""

from typing import Any, NamedTuple

import numpy as np

from estimator_lab.core.float32 import float32_matvec, float32_product
from estimator_lab.core.noise import Noise
from estimator_lab.models.boltzmann.machine import Rbm
from estimator_lab.tf1 import Tensor, tf

# Shares of the steps, each with the last inverse temperature (section 4: 500, 4,000 and 10,000 steps).
_SECTIONS = ((500 / 14_500, 0.5), (4_000 / 14_500, 0.9), (10_000 / 14_500, 1.0))
_DEVIATIONS = 3  # standard errors between estimate and bounds, as in the paper's tables
_LEAST_PROBABILITY = 0.01  # of a visible unit in the machine without weights


class LogPartition(NamedTuple):
    """An estimate of log Z in nats, and the same for three standard errors less and more; float32 scalars.

    The lower one is -inf if the mean of the importance weights less three standard errors is below 0.
    """

    estimate: Tensor
    low: Tensor
    high: Tensor


def inverse_temperatures(steps: int) -> np.ndarray:
    """Returns float32 [steps + 1] from 0 to 1, closest together at the end."""
    values, start, before = [np.zeros(1)], 0.0, 0
    done = 0.0
    for share, end in _SECTIONS:
        done += share
        until = round(done * steps)
        values.append(np.linspace(start, end, until - before + 1)[1:])
        start, before = end, until
    return np.concatenate(values).astype(np.float32)


def log_partition(rbm: Rbm, mean: Tensor, chains: int, steps: int, noise: Noise) -> LogPartition:
    """Estimates log Z of an RBM with binary units on both sides.

    The chains start near the data's mean, float32 [visible] in [0, 1]; `steps` counts intermediate machines.
    """
    with tf.name_scope('annealing'):
        mean = _LEAST_PROBABILITY + (1 - 2 * _LEAST_PROBABILITY) * mean
        base_bias = tf.log(mean) - tf.log1p(-mean)
        visible = noise.bernoulli(tf.tile(tf.expand_dims(mean, 0), [chains, 1]))
        weights = _log_weights(rbm, base_bias, visible, inverse_temperatures(steps), noise)
        hidden = rbm.weights.shape.as_list()[1]
        known = tf.reduce_sum(tf.nn.softplus(base_bias)) + hidden * np.log(2.0)
        return _bounds(weights, tf.cast(known, tf.float64))


def _log_weights(rbm: Rbm, base_bias: Tensor, visible: Tensor, betas: np.ndarray, noise: Noise) -> Tensor:
    """Returns the logs of the chains' importance weights, float64 [chains]."""
    heats = tf.constant(betas)

    def turn(number: Tensor, state: Tensor, total: Tensor) -> tuple[Any, Any, Any]:
        cold, warm = heats[number + 1], heats[number]
        inputs = float32_product(state, rbm.weights) + rbm.hidden_bias
        towards = float32_matvec(state, rbm.visible_bias - base_bias)
        gain = (cold - warm) * towards + tf.reduce_sum(
            tf.nn.softplus(cold * inputs) - tf.nn.softplus(warm * inputs), axis=1
        )
        mine = noise.fork(number)
        hidden = mine.bernoulli(tf.sigmoid(cold * inputs))
        visible_inputs = cold * (tf.matmul(hidden, rbm.weights, transpose_b=True) + rbm.visible_bias)
        drawn = mine.bernoulli(tf.sigmoid(visible_inputs + (1 - cold) * base_bias))
        drawn.set_shape(state.shape)
        return number + 1, drawn, total + tf.cast(gain, tf.float64)

    start = [tf.constant(0), visible, tf.zeros([tf.shape(visible)[0]], tf.float64)]
    return tf.while_loop(lambda number, *_: number < len(betas) - 1, turn, start, back_prop=False)[2]


def _bounds(log_weights: Tensor, known: Tensor) -> LogPartition:
    count = tf.cast(tf.size(log_weights), tf.float64)
    largest = tf.reduce_max(log_weights)
    weights = tf.exp(log_weights - largest)
    mean = tf.reduce_mean(weights)
    error = _DEVIATIONS * tf.sqrt(tf.reduce_sum(tf.square(weights - mean)) / (count - 1) / count)
    values = (tf.log(x) + largest + known for x in (mean, tf.maximum(mean - error, 0.0), mean + error))
    return LogPartition(*(tf.cast(value, tf.float32) for value in values))
