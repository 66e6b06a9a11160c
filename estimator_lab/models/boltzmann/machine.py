"""The restricted Boltzmann machine: its energy, its conditionals and its free energy.

A visible vector v and a hidden vector h have the joint probability exp(-E(v, h)) / Z with, for binary units,

    E(v, h) = - b.v - c.h - v W h

(Hinton 2012, 'A practical guide to training restricted Boltzmann machines', eq. 1). Gaussian units of unit
variance have (v - b)^2 / 2 in place of -b.v (there, section 13.2), and likewise for h.
"""

import dataclasses
from typing import NamedTuple

from estimator_lab.core.float32 import float32_matvec, float32_product, in_float32
from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import Tensor, tf

BERNOULLI, GAUSSIAN = 'bernoulli', 'gaussian'
UNITS = (BERNOULLI, GAUSSIAN)


class GibbsStep(NamedTuple):
    """The mean of the visible units, given sampled hidden ones, and a sample of it, float32 [n, visible]."""

    mean: Tensor
    sample: Tensor


@dataclasses.dataclass(frozen=True)
class Rbm:
    """A restricted Boltzmann machine.

    Attributes:
      weights: float32 [visible, hidden], W.
      visible_bias: float32 [visible], b.
      hidden_bias: float32 [hidden], c.
      visible_units: 'bernoulli' for visible values in [0, 1], 'gaussian' for any of unit variance.
      hidden_units: 'bernoulli', or 'gaussian' for linear units with unit-variance noise.
      name: scope of its variables, 'layer_N' in a stack.
    """

    weights: Tensor
    visible_bias: Tensor
    hidden_bias: Tensor
    visible_units: str = BERNOULLI
    hidden_units: str = BERNOULLI
    name: str = ''

    @property
    def parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights, visible bias and hidden bias, in the order of `learning.Divergence.gradients`."""
        return self.weights, self.visible_bias, self.hidden_bias

    def read_once(self) -> 'Rbm':
        """Returns the same machine with tensors: each variable is read once.

        TensorFlow merges two products of the same tensors, but not if a variable was read twice.
        """
        weights, visible_bias, hidden_bias = map(tf.identity, self.parameters)
        return dataclasses.replace(self, weights=weights, visible_bias=visible_bias, hidden_bias=hidden_bias)

    def hidden_mean(self, visible: Tensor) -> Tensor:
        """Returns E[h | v], float32 [n, hidden], for v [n, visible]: probabilities of binary units."""
        with tf.name_scope('hidden'):
            inputs = tf.matmul(visible, self.weights) + self.hidden_bias
            return _sigmoid(inputs) if self.hidden_units == BERNOULLI else inputs

    def sample_hidden(self, visible: Tensor, noise: Noise) -> Tensor:
        """Returns h drawn from p(h | v), float32 [n, hidden]."""
        return _drawn(self.hidden_mean(visible), self.hidden_units, noise)

    def visible_mean(self, hidden: Tensor) -> Tensor:
        """Returns E[v | h], float32 [n, visible], for h [n, hidden]."""
        with tf.name_scope('visible'):
            inputs = tf.matmul(hidden, self.weights, transpose_b=True) + self.visible_bias
            return _sigmoid(inputs) if self.visible_units == BERNOULLI else inputs

    def gibbs_step(self, visible: Tensor, noise: Noise) -> GibbsStep:
        """Takes a step of Gibbs sampling, v -> h -> v; all bits are drawn at once from a noise of its own."""
        if self._coins:
            noise.reserve(tf.shape(visible)[0] * self._coins)
        mean = self.visible_mean(self.sample_hidden(visible, noise))
        return GibbsStep(mean, _drawn(mean, self.visible_units, noise))

    @property
    def _coins(self) -> int:
        """Number of binary units: the random bits that a Gibbs step needs for each example."""
        units = zip(self.weights.shape.as_list(), (self.visible_units, self.hidden_units), strict=True)
        return sum(count for count, kind in units if kind == BERNOULLI)

    def free_energy(self, visible: Tensor) -> Tensor:
        """Returns F(v) = -log sum_h exp(-E(v, h)), float32 [n], in nats.

        For Gaussian hidden units the sum is an integral, without the constant log(2 pi) / 2 per unit.
        """
        # Not 'free_energy': the summary of that name would become 'free_energy_1'.
        with tf.name_scope('energy'):
            inputs = float32_product(visible, self.weights) + self.hidden_bias
            if self.hidden_units == BERNOULLI:
                hidden_term = tf.reduce_sum(tf.nn.softplus(inputs), axis=1)
            else:
                hidden_term = tf.reduce_sum(tf.square(inputs) - tf.square(self.hidden_bias), axis=1) / 2
            if self.visible_units == BERNOULLI:
                return -float32_matvec(visible, self.visible_bias) - hidden_term
            return tf.reduce_sum(tf.square(visible - self.visible_bias), axis=1) / 2 - hidden_term

    def gibbs(self, visible: Tensor, steps: int, noise: Noise) -> Tensor:
        """Returns v after some steps of Gibbs sampling (v -> h -> v) from a start, float32 [n, visible]."""

        def turn(number: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            drawn = self.gibbs_step(state, noise.fork(number)).sample
            drawn.set_shape(state.shape)
            return number + 1, drawn

        loop = [tf.constant(0), visible]
        return tf.while_loop(lambda number, _: number < steps, turn, loop, back_prop=False)[1]

    def gibbs_means(self, start: Tensor, steps: int, noise: Noise) -> Tensor:
        """Returns the means of the visible units in the step that follows some, float32 [n, visible]."""
        with tf.name_scope('gibbs_samples'):
            sampled = self.gibbs(start, steps, noise) if steps else start
            return self.visible_mean(self.sample_hidden(sampled, noise))


def _sigmoid(inputs: Tensor) -> Tensor:
    """Returns probabilities in float32: bfloat16 has no number between 0.996 and 1."""
    return tf.sigmoid(in_float32(inputs))


def _drawn(mean: Tensor, units: str, noise: Noise) -> Tensor:
    return noise.coins(mean) if units == BERNOULLI else mean + noise.normal(tf.shape(mean))
