"""Takes the network out of a trained model, to be part of another model with fixed weights."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from estimator_lab.base.errors import DataError
from estimator_lab.base.settings import settings_of
from estimator_lab.core.endpoints import Endpoints
from estimator_lab.models.fixed_network import FixedNetwork
from estimator_lab.runs.trained import Trained
from estimator_lab.runs.weights.checkpoint import open_checkpoint
from estimator_lab.tf1 import tf


def without_weights(trained: Trained, more: Mapping[str, Any] | None = None) -> FixedNetwork:
    """Returns the network of a model that has a `network`, with its hyper-parameters and more parameters."""
    hparams = {name: getattr(trained.params, name) for name in settings_of(trained.architecture.params)}
    return FixedNetwork(trained.model, {**hparams, **(more or {})}, trained.shape.channels, {})


def layers_of(network: FixedNetwork, image_shape: Sequence[int]) -> Endpoints:
    """Returns the layers of a network for images [height, width, channels], for their names and shapes."""
    with tf.Graph().as_default():
        return dict(network.layers(tf.placeholder(tf.float32, [None, *image_shape])))


def with_weights(
    network: FixedNetwork,
    trained: Trained,
    layers: Sequence[str],
    image_shape: Sequence[int | None],
    flag: str,
) -> FixedNetwork:
    """Returns the network with the weights of a model, up to the last of the layers.

    Raises:
      DataError: a variable is missing or not float32, as in a layer of another size.
    """
    missing = set(layers)
    with tf.Graph().as_default():
        for name, _ in network.layers(tf.placeholder(tf.float32, [None, *image_shape])):
            missing.discard(name)
            if not missing:
                break
        shapes = {variable.op.name: variable.shape.as_list() for variable in tf.global_variables()}
    with open_checkpoint(trained.held) as reader:
        if any(reader.get_variable_to_shape_map().get(name) != shape for name, shape in shapes.items()):
            raise DataError(f'{flag}={trained.model_dir} does not hold the weights of its network.')
        return replace(network, weights={name: reader.get_tensor(name) for name in shapes})
