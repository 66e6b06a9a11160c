"""A small RBM by enumeration in NumPy, to test what the package samples or computes in closed form."""

import itertools
from typing import NamedTuple

import numpy as np


class ExactRbm(NamedTuple):
    """Binary units on both sides, few enough to enumerate all states."""

    weights: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray

    @classmethod
    def drawn(cls, visible, hidden, seed=0, scale=1.0):
        rng = np.random.default_rng(seed)
        sizes = ((visible, hidden), (visible,), (hidden,))
        return cls(*(scale * rng.normal(size=size) for size in sizes))

    def energies(self):
        """E(v, h) of all pairs, [2 ** visible, 2 ** hidden], in the order of `states`."""
        v, h = states(len(self.visible_bias)), states(len(self.hidden_bias))
        return -(v @ self.visible_bias)[:, None] - (h @ self.hidden_bias)[None] - v @ self.weights @ h.T

    def log_partition(self):
        return float(np.log(np.exp(-self.energies()).sum()))

    def visible_probabilities(self):
        """p(v) of all states, [2 ** visible]."""
        return np.exp(-self.energies()).sum(axis=1) / np.exp(self.log_partition())

    def hidden_mean(self, v):
        return 1 / (1 + np.exp(-(v @ self.weights + self.hidden_bias)))

    def log_likelihood_gradient(self, data):
        """Gradients of the mean log p(v) over rows of `data`, by weights, visible and hidden bias."""
        v, p = states(len(self.visible_bias)), self.visible_probabilities()
        h = self.hidden_mean(v)
        model = (v.T @ (p[:, None] * h), p @ v, p @ h)
        h = self.hidden_mean(data)
        seen = (data.T @ h / len(data), data.mean(axis=0), h.mean(axis=0))
        return [here - there for here, there in zip(seen, model, strict=True)]


def states(units):
    """All binary vectors, float [2 ** units, units]."""
    return np.array(list(itertools.product([0.0, 1.0], repeat=units)))
