"""The one list of activation functions, by the name that a hyper-parameter gives them."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from estimator_lab.core.hparams import hparam
from estimator_lab.tf1 import tf

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
    return hparam(default, f'of {of}: {", ".join(ACTIVATIONS)}', ACTIVATIONS.__contains__)


@dataclasses.dataclass(frozen=True)
class ActivationParams:
    """Parameters of a network whose layers have an activation to choose."""

    activation: str = activation_hparam('relu')
    slope: float = hparam(0.2, 'of leaky_relu below 0, in [0, 1)', lambda v: 0 <= v < 1)

    def activation_function(self, name: str = '') -> Callable[[Any], Any]:
        """Returns the activation of that name, by default of the layers; a leaky ReLU has the slope."""
        name = name or self.activation
        return functools.partial(tf.nn.leaky_relu, alpha=self.slope) if name == _LEAKY else ACTIVATIONS[name]
