"""What a network computes on its way: named tensors, at which pictures, dreams and styles look.

A network returns its output and its endpoints, from the input to the output. A head publishes them in the
graph of PREDICT, where whoever opened a trained model finds them again.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from estimator_lab.tf1 import Tensor, tf

COLLECTION = 'estimator_lab/endpoints'
"""The graph's collection of published endpoints; each is a line of JSON, which a MetaGraph can hold."""

LOGITS = 'logits'
"""The endpoint that a classifier's probabilities are taken of."""

LOGITS_AFTER_STEPS = 'logits_after_steps'
"""The same after some of the steps of a sequence, [batch, steps, classes]."""


class Endpoint(NamedTuple):
    """One tensor on the way.

    Attributes:
      values: float32 [batch, height, width, maps], [batch, steps, units] or [batch, units], behind
        normalisation and activation.
      kernel: the weights that made it, as its layer holds them: of a convolution [height, width, channels,
        maps] (the last two change places in a transposed one), of a dense layer [inputs, units]; None for
        what has none, such as pooling.
      probe: of states over time, what the gradient by them is taken by, [batch, steps, units]; None for none.
    """

    values: Tensor
    kernel: Tensor | None = None
    probe: Tensor | None = None

    @property
    def is_sequence(self) -> bool:
        """Whether there are values for each step of a sequence."""
        return self.values.shape.rank == 3

    @property
    def is_map(self) -> bool:
        """Whether a convolution made it."""
        return self.kernel is not None and self.values.shape.rank == 4


Endpoints = Mapping[str, Endpoint]
"""By name, from the input to the output."""

Layers = Iterator[tuple[str, Endpoint]]
"""The endpoints by name, from the input to the output, each made when it is asked for."""


class Layered(NamedTuple):
    """A network that is built layer by layer: on images of any size, as far as somebody wants to look.

    Attributes:
      layers: makes the endpoints of images, float32 [batch, height, width, channels] in [0, 1].
      smallest: side in pixels of the smallest image of which something is left.
      fixed_from: the first endpoint that takes images of the network's own size only; '' for none.
    """

    layers: Callable[[Tensor], Layers]
    smallest: int
    fixed_from: str


def publish(endpoints: Endpoints) -> None:
    """Notes endpoints in their graph, for `published`."""
    for name, endpoint in endpoints.items():
        kernel = None if endpoint.kernel is None else tf.identity(endpoint.kernel).name
        probe = None if endpoint.probe is None else endpoint.probe.name
        line = json.dumps({'name': name, 'values': endpoint.values.name, 'kernel': kernel, 'probe': probe})
        tf.add_to_collection(COLLECTION, line)


def published(graph: Any) -> dict[str, Endpoint]:
    """Returns the endpoints that were published in a graph; none for a model function of other people's."""
    found = {}
    for line in graph.get_collection(COLLECTION):
        fields = json.loads(line)
        values, kernel, probe = (
            fields[part] and graph.get_tensor_by_name(fields[part]) for part in Endpoint._fields
        )
        found[fields['name']] = Endpoint(values, kernel, probe)
    return found


def maps_of(endpoints: Endpoints) -> dict[str, Tensor]:
    """Returns what the convolutions make of the images, float32 [batch, height, width, maps] by name."""
    return {name: endpoint.values for name, endpoint in endpoints.items() if endpoint.is_map}


def states_of(endpoints: Endpoints) -> dict[str, Tensor]:
    """Returns what layers that read a sequence give, float32 [batch, steps, units] by name."""
    return {
        name: endpoint.values
        for name, endpoint in endpoints.items()
        if endpoint.is_sequence and endpoint.kernel is not None
    }


def gates_of(endpoints: Endpoints) -> dict[str, Tensor]:
    """Returns the gates of such layers, float32 [batch, steps, units] by name."""
    return {
        name: endpoint.values
        for name, endpoint in endpoints.items()
        if endpoint.is_sequence and endpoint.kernel is None and name != LOGITS_AFTER_STEPS
    }


def first_filters(endpoints: Endpoints, image_shape: Sequence[int]) -> dict[str, Tensor]:
    """Returns what the first layer looks for, as images, under the name of the picture.

    Args:
      endpoints: of a network.
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
