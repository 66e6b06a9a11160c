"""What a network computes on its way: named tensors, at which pictures, dreams and styles look.

A network returns its output and its endpoints, from the input to the output. A head publishes them in the
graph of PREDICT, where whoever opened a trained model finds them again.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from estimator_lab.tf1 import Tensor, tf

COLLECTION = 'estimator_lab/endpoints'
"""The graph's collection of published endpoints; each is a line of JSON, which a MetaGraph can hold."""

LOGITS = 'logits'
"""The endpoint that a classifier's probabilities are taken of."""


class Endpoint(NamedTuple):
    """One tensor on the way.

    Attributes:
      values: float32 [batch, height, width, maps] or [batch, units], behind normalisation and activation.
      kernel: the weights that made it, as its layer holds them: of a convolution [height, width, channels,
        maps] (the last two change places in a transposed one), of a dense layer [inputs, units]; None for
        what has none, such as pooling.
    """

    values: Tensor
    kernel: Tensor | None = None

    @property
    def is_map(self) -> bool:
        """Whether a convolution made it."""
        return self.kernel is not None and self.values.shape.rank == 4


Endpoints = Mapping[str, Endpoint]
"""By name, from the input to the output."""


def publish(endpoints: Endpoints) -> None:
    """Notes endpoints in their graph, for `published`."""
    for name, endpoint in endpoints.items():
        kernel = None if endpoint.kernel is None else tf.identity(endpoint.kernel).name
        line = json.dumps({'name': name, 'values': endpoint.values.name, 'kernel': kernel})
        tf.add_to_collection(COLLECTION, line)


def published(graph: Any) -> dict[str, Endpoint]:
    """Returns the endpoints that were published in a graph; none for a model function of other people's."""
    found = {}
    for line in graph.get_collection(COLLECTION):
        fields = json.loads(line)
        kernel = fields['kernel'] and graph.get_tensor_by_name(fields['kernel'])
        found[fields['name']] = Endpoint(graph.get_tensor_by_name(fields['values']), kernel)
    return found


def maps_of(endpoints: Endpoints) -> dict[str, Tensor]:
    """Returns what the convolutions make of the images, float32 [batch, height, width, maps] by name."""
    return {name: endpoint.values for name, endpoint in endpoints.items() if endpoint.is_map}


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
        if shape[0] == math.prod(image_shape):
            return {'receptive_fields': tf.reshape(endpoint.kernel, [*image_shape, shape[1]])}
        break
    return {}
