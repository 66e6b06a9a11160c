"""What is in a network's graph, whichever model built it: its convolutions, its first weights, its logits."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from estimator_lab.tf1 import tf

_BEHIND_A_CONVOLUTION = (
    *('BiasAdd', 'FusedBatchNorm', 'FusedBatchNormV3'),
    *('Relu', 'Relu6', 'Elu', 'Selu', 'LeakyRelu', 'Sigmoid', 'Tanh', 'Softplus', 'Softsign'),
)
_CONVOLUTION, _TRANSPOSED = 'Conv2D', 'Conv2DBackpropInput'
_PASS_ON = ('Identity', 'Reshape', 'StopGradient')


class Convolution(NamedTuple):
    """One convolution.

    Attributes:
      name: 'conv1', 'conv2', ... in the order in which they were built, or 'transposed_conv1', ...
      kernel: float32 [height, width, channels, filters]; the last two change places in a transposed one.
      maps: behind bias, normalisation and activation, float32 [batch, height, width, filters].
    """

    name: str
    kernel: Any
    maps: Any


def convolutions(graph: Any) -> list[Convolution]:
    """Returns the convolutions of a graph; it must have no gradients yet, which look like transposed ones."""
    found = []
    for kind, name in ((_CONVOLUTION, 'conv'), (_TRANSPOSED, 'transposed_conv')):
        operations = [operation for operation in graph.get_operations() if operation.type == kind]
        for number, operation in enumerate(operations, 1):
            kernel = operation.inputs[1]
            found.append(Convolution(f'{name}{number}', kernel, _activations(operation.outputs[0])))
    return found


def receptive_fields(graph: Any, image_shape: Sequence[int]) -> Any | None:
    """Returns the weights of the first dense layer that sees a whole image, each unit's as one.

    Args:
      graph: of the network.
      image_shape: (height, width, channels).

    Returns:
      float32 [height, width, channels, units]; None where there is no such layer.
    """
    pixels = math.prod(image_shape)
    for operation in graph.get_operations():
        if operation.type != 'MatMul' or operation.get_attr('transpose_b'):
            continue
        shape = operation.inputs[1].shape
        if shape.rank == 2 and shape[0] == pixels:
            return tf.reshape(operation.inputs[1], [*image_shape, shape[1]])
    return None


def logits_of(probabilities: Any) -> Any:
    """Returns what a softmax was taken of; where it can't be found, the log of the probabilities.

    Args:
      probabilities: float32 [batch, classes].
    """
    operation = probabilities.op
    while operation.type in _PASS_ON:
        operation = operation.inputs[0].op
    return operation.inputs[0] if operation.type == 'Softmax' else tf.log(probabilities)


def _activations(tensor: Any) -> Any:
    while True:
        behind = [user for user in tensor.consumers() if user.type in _BEHIND_A_CONVOLUTION]
        if len(behind) != 1:
            return tensor
        tensor = behind[0].outputs[0]
