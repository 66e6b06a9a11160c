"""Endpoints: the named intermediate tensors of a network, for pictures, gradient ascent and styles.

A network is a generator that yields (name, tensor) from the input to the output. A head publishes them in the
graph, where code that opens a trained model finds them.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from estimator_lab.tf1 import Graph, Tensor, Variable, tf

LOGITS = 'logits'
"""The endpoint of a classifier's logits, float32 [batch, num_classes]."""

Layers = Iterator[tuple[str, Tensor]]
"""The layers of a network, each built when it is requested: a caller may stop early. Their first axis is the
batch. Never yield within a `tf.name_scope`: it would stay open in the caller."""

Endpoints = Mapping[str, Tensor]
"""By name, from the input to the output."""

_COLLECTION = 'estimator_lab/endpoints'
_SHAPES_ONLY = ('Identity', 'Reshape', 'Squeeze', 'Transpose')


def publish(name: str, tensor: Tensor) -> None:
    """Adds an endpoint to the collection of its graph; a MetaGraph stores it as NAME=TENSOR.

    Args:
      name: of the endpoint.
      tensor: its values; the first axis is the batch.
    """
    tf.add_to_collection(_COLLECTION, f'{name}={tensor.name}')


def publish_all(layers: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Publishes the layers of a network, pairs of name and tensor; returns them by name."""
    found = dict(layers)
    for name, tensor in found.items():
        publish(name, tensor)
    return found


def published(graph: Graph) -> dict[str, Tensor]:
    """Returns the published endpoints of a graph; none for other model functions."""
    # A MetaGraph returns them as bytes.
    lines = (tf.compat.as_str(line).partition('=') for line in graph.get_collection(_COLLECTION))
    return {name: graph.get_tensor_by_name(tensor) for name, _, tensor in lines}


def operation(tensor: Tensor) -> str:
    """Returns the type of the operation that computes a tensor's values, such as 'Relu' or 'MaxPool'."""
    op = tensor.op
    while op.type in _SHAPES_ONLY:
        op = op.inputs[0].op
    return op.type


def variables_of(endpoints: Endpoints) -> dict[str, list[Variable]]:
    """Returns the variables of each layer: what it is computed from, and preceding layers are not."""
    variables = {variable.op.name: variable for variable in tf.global_variables()}
    found: dict[str, list[Variable]] = {}
    seen: set[str] = set()
    for name, tensor in endpoints.items():
        sources, waiting = set(), [tensor.op]
        while waiting:
            op = waiting.pop()
            if op.name not in seen:
                seen.add(op.name)
                sources.add(op.name)
                waiting += [source.op for source in op.inputs]
        found[name] = [variable for each, variable in variables.items() if each in sources]
    return found


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax of the values of an endpoint, float32 [..., classes]."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def maps_of(endpoints: Endpoints) -> dict[str, Tensor]:
    """Returns the maps of convolutions, float32 [batch, height, width, maps] by name, without poolings."""
    return {
        name: tensor
        for name, tensor in endpoints.items()
        if tensor.shape.rank == 4 and not operation(tensor).endswith('Pool')
    }


def first_filters(graph: Graph, endpoints: Endpoints, image_shape: Sequence[int]) -> dict[str, Tensor]:
    """Returns the weights of the first layer as images [height, width, channels, filters], by name.

    A convolution's are 'filters_LAYER', a dense layer's 'receptive_fields' if it sees whole
    images, [height, width, channels]; otherwise there are none.
    """
    kernels = (v for v in graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES) if v.shape.rank in (2, 4))
    kernel = next(kernels, None)
    if kernel is not None and kernel.shape.rank == 4:
        return {f'filters_{next(iter(endpoints))}': kernel}
    if kernel is None or kernel.shape.as_list()[0] != math.prod(image_shape):
        return {}
    return {'receptive_fields': tf.reshape(kernel, [*image_shape, -1])}
