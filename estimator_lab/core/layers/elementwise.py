"""Element-wise layers: activation functions, chosen by name, and dropout."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from estimator_lab.base.settings import setting
from estimator_lab.core.model.hparams import is_share
from estimator_lab.core.step.noise import Noise
from estimator_lab.tf1 import Tensor, tf

_LEAKY = 'leaky_relu'

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    'elu': tf.nn.elu,
    _LEAKY: tf.nn.leaky_relu,
    'linear': tf.identity,
    'relu': tf.nn.relu,
    'selu': tf.nn.selu,
    'sigmoid': tf.nn.sigmoid,
    'softplus': tf.nn.softplus,
    'tanh': tf.nn.tanh,
}
"""Activation functions by the name that hyper-parameters use."""


def activation_hparam(default: str, of: str = 'the layers') -> Any:
    """Returns the hyper-parameter that chooses an activation, with a default."""
    return setting(default, f'of {of}: {", ".join(ACTIVATIONS)}', ACTIVATIONS.__contains__)


@dataclasses.dataclass(frozen=True)
class ActivationParams:
    """Parameters of a network with a choice of activation."""

    activation: str = activation_hparam('relu')
    slope: float = setting(
        0.2,
        'of leaky_relu below 0, in [0, 1)',
        is_share,
        used_if=lambda params: _LEAKY in params.activations,
    )

    @property
    def activations(self) -> tuple[str, ...]:
        """The names of all activations of the network."""
        return (self.activation,)

    def activation_function(self, name: str = '') -> Callable[[Any], Any]:
        """Returns the named activation, by default that of the layers; leaky ReLU gets the slope."""
        name = name or self.activation
        return functools.partial(tf.nn.leaky_relu, alpha=self.slope) if name == _LEAKY else ACTIVATIONS[name]


def dropout(values: Tensor, rate: float, noise: Noise | None, shape: Tensor | None = None) -> Tensor:
    """Sets a share of the values to 0 and divides the others by the rest (Srivastava et al. 2014).

    Examples:
        >>> with tf.Graph().as_default(), tf.Session() as session:
        ...     session.run(dropout(tf.ones([3]), 0.5, None)).tolist()
        [1.0, 1.0, 1.0]

    The draws depend on seed and global step only, so that a resumed run drops the same values as one that was
    never stopped. `tf.layers.dropout` would draw from the start again.

    Args:
      values: float32 [batch, ...].
      rate: share to drop, in [0, 1).
      noise: draws the random numbers; None, as in EVAL and PREDICT, drops nothing.
      shape: int32 shape of the draws, which are repeated along its axes of length 1; None draws for each
        value.

    Returns:
      float32 of the shape of `values`, with the same expected value.
    """
    if noise is None or not rate:
        return values
    with tf.name_scope('dropout'):
        kept = noise.uniform(tf.shape(values) if shape is None else shape) >= rate
        if shape is not None:
            return values * (tf.cast(kept, tf.float32) / (1 - rate))
        return tf.where(kept, values / (1 - rate), tf.zeros_like(values))
