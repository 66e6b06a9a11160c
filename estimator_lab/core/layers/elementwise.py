"""Element-wise layers: activation functions, chosen by name, and dropout."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from estimator_lab.core.step.noise import Noise
from estimator_lab.settings import setting
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


def activation_hparam(default: str, of: str = 'the layers') -> Any:
    """Returns the hyper-parameter that chooses an activation, with a default."""
    return setting(default, f'of {of}: {", ".join(ACTIVATIONS)}', ACTIVATIONS.__contains__)


@dataclasses.dataclass(frozen=True)
class ActivationParams:
    """Parameters of a network whose layers have an activation to choose."""

    activation: str = activation_hparam('relu')
    slope: float = setting(0.2, 'of leaky_relu below 0, in [0, 1)', lambda v: 0 <= v < 1)

    def activation_function(self, name: str = '') -> Callable[[Any], Any]:
        """Returns the activation of that name, by default of the layers; a leaky ReLU has the slope."""
        name = name or self.activation
        return functools.partial(tf.nn.leaky_relu, alpha=self.slope) if name == _LEAKY else ACTIVATIONS[name]


def dropout(values: Tensor, rate: float, noise: Noise | None, shape: Tensor | None = None) -> Tensor:
    """Sets a share of the values to 0 and divides the others by what is left (Srivastava et al. 2014).

    `tf.layers.dropout` counts its draws from the start of the process: behind a restart it would begin anew.

    Args:
      values: float32 [batch, ...].
      rate: share that is dropped, in [0, 1).
      noise: decides which; None, as in EVAL and PREDICT, drops nothing.
      shape: of the draws, which hold along the axes that are 1 in it; None draws for each value.

    Returns:
      float32 of the same shape and mean.
    """
    if noise is None or not rate:
        return values
    with tf.name_scope('dropout'):
        kept = noise.uniform(tf.shape(values) if shape is None else shape) >= rate
        if shape is not None:
            return values * (tf.cast(kept, tf.float32) / (1 - rate))
        return tf.where(kept, values / (1 - rate), tf.zeros_like(values))
