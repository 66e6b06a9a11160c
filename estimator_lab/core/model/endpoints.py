"""Endpoints: the named intermediate tensors of a network, for pictures, gradient ascent and styles.

A network returns its output and its endpoints, from the input to the output. A head publishes them in the
graph of PREDICT, where code that opens a trained model finds them.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from estimator_lab.tf1 import Tensor, tf

COLLECTION = 'estimator_lab/endpoints'
"""The graph's collection of published endpoints; each is a line of JSON, which a MetaGraph can store."""

LOGITS = 'logits'
"""The endpoint of a classifier's logits."""

LOGITS_AFTER_STEPS = 'logits_after_steps'
"""Logits after some of the steps of a sequence, [batch, steps, classes]."""


class Endpoint(NamedTuple):
    """One intermediate tensor.

    Attributes:
      values: float32 [batch, height, width, maps], [batch, steps, units] or [batch, units], after
        normalisation and activation.
      kernel: the weights of its layer: of a convolution [height, width, channels,
        maps] (the last two swapped in a transposed one), of a dense layer [inputs, units]; None if
        there are none, as for pooling.
      probe: for states over time, the tensor with respect to which their gradient is computed, [batch, steps,
        units]; else None.
    """

    values: Tensor
    kernel: Tensor | None = None
    probe: Tensor | None = None

    @property
    def is_sequence(self) -> bool:
        """Whether it has values for each step of a sequence."""
        return self.values.shape.rank == 3

    @property
    def is_map(self) -> bool:
        """Whether it is the output of a convolution."""
        return self.kernel is not None and self.values.shape.rank == 4


Endpoints = Mapping[str, Endpoint]
"""By name, from the input to the output."""

Layers = Iterator[tuple[str, Endpoint]]
"""The endpoints by name, from the input to the output, each built when it is requested."""


class Layered(NamedTuple):
    """A network that is built layer by layer, as far as needed, on images of any size.

    Attributes:
      layers: builds the endpoints for images, float32 [batch, height, width, channels] in [0, 1].
      smallest: side in pixels of the smallest possible image.
      fixed_from: the first endpoint that needs images of the training size; '' for none.
    """

    layers: Callable[[Tensor], Layers]
    smallest: int
    fixed_from: str


def publish(endpoints: Endpoints) -> None:
    """Adds endpoints to a collection of their graph, for `published`."""
    for name, endpoint in endpoints.items():
        kernel = None if endpoint.kernel is None else tf.identity(endpoint.kernel).name
        probe = None if endpoint.probe is None else endpoint.probe.name
        line = json.dumps({'name': name, 'values': endpoint.values.name, 'kernel': kernel, 'probe': probe})
        tf.add_to_collection(COLLECTION, line)


def published(graph: Any) -> dict[str, Endpoint]:
    """Returns the published endpoints of a graph; none for other model functions."""
    found = {}
    for line in graph.get_collection(COLLECTION):
        fields = json.loads(line)
        values, kernel, probe = (
            fields[part] and graph.get_tensor_by_name(fields[part]) for part in Endpoint._fields
        )
        found[fields['name']] = Endpoint(values, kernel, probe)
    return found


def maps_of(endpoints: Endpoints) -> dict[str, Tensor]:
    """Returns the feature maps of the convolutions, float32 [batch, height, width, maps] by name."""
    return {name: endpoint.values for name, endpoint in endpoints.items() if endpoint.is_map}


def states_of(endpoints: Endpoints) -> dict[str, Tensor]:
    """Returns the states of recurrent layers, float32 [batch, steps, units] by name."""
    return {
        name: endpoint.values
        for name, endpoint in endpoints.items()
        if endpoint.is_sequence and endpoint.kernel is not None
    }


def gates_of(endpoints: Endpoints) -> dict[str, Tensor]:
    """Returns the gates of recurrent layers, float32 [batch, steps, units] by name."""
    return {
        name: endpoint.values
        for name, endpoint in endpoints.items()
        if endpoint.is_sequence and endpoint.kernel is None and name != LOGITS_AFTER_STEPS
    }


def first_filters(endpoints: Endpoints, image_shape: Sequence[int]) -> dict[str, Tensor]:
    """Returns the filters of the first layer as images, by the name of their picture.

    Args:
      endpoints: those of a network.
      image_shape: (height, width, channels) of its input.

    Returns:
      float32 [height, width, channels, filters]: of a convolution as 'filters_NAME'; of a dense layer that
      sees a whole image as 'receptive_fields'. Nothing for any other first layer.
    """
    for name, endpoint in endpoints.items():
        if endpoint.kernel is None:
            continue
        shape = endpoint.kernel.shape.as_list()
        if len(shape) == 4:
            return {f'filters_{name}': endpoint.kernel}
        if shape[0] == math.prod(image_shape) and not endpoint.is_sequence:
            return {'receptive_fields': tf.reshape(endpoint.kernel, [*image_shape, shape[1]])}
        break
    return {}
