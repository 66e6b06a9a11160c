"""The one list of activation functions, by the name that a hyper-parameter gives them."""

from collections.abc import Callable
from typing import Any

from estimator_lab.tf1 import tf

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    'elu': tf.nn.elu,
    'leaky_relu': tf.nn.leaky_relu,
    'linear': tf.identity,
    'relu': tf.nn.relu,
    'selu': tf.nn.selu,
    'sigmoid': tf.nn.sigmoid,
    'softplus': tf.nn.softplus,
    'tanh': tf.nn.tanh,
}
