"""The perceptual network: the fixed loss network of Johnson et al. 2016."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from estimator_lab.tf1 import Tensor, tf

RANDOM_LAYERS = {'conv1': 32, 'conv2': 64, 'conv3': 128, 'conv4': 128}
"""Name -> maps of each layer of `random_network`."""

_SEED = 2016

# Operations allowed between pixels and a layer. None of them reads or writes anything but tensors.
_ELEMENTWISE = (
    'Add AddN AddV2 BiasAdd Cast Elu Identity LeakyRelu Maximum Minimum Mul Neg NoOp RealDiv Relu Relu6 '
    'Rsqrt Select SelectV2 Selu Sigmoid Softplus Softsign Square SquaredDifference Sub Tanh'
)
_OF_MAPS = (
    'AvgPool BatchMatMulV2 Conv2D DepthwiseConv2dNative FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 '
    'MatMul MaxPool Mean Sum'
)
_OF_SHAPES = (
    'Concat ConcatV2 Const ExpandDims MirrorPad Pack Pad PadV2 Placeholder Reshape Shape Squeeze '
    'StridedSlice Tile Transpose'
)
OPERATIONS = frozenset(f'{_ELEMENTWISE} {_OF_MAPS} {_OF_SHAPES}'.split())

Perceive = Callable[[Tensor, Sequence[str]], dict[str, Tensor]]
"""(pictures, names of layers) -> name -> the layer's maps, float32 [batch, height, width, maps]."""


@dataclass(frozen=True)
class PerceptualNetwork:
    """A network up to the layers that a loss uses, for pictures of one size.

    Attributes:
      graph: a GraphDef with placeholders for pictures and weights.
      pictures: name of the pictures' placeholder, float32 [batch, height, width, channels] in [0, 1].
      layers: name of a layer -> name of its tensor, in the order from input to output.
      weights: name of a placeholder -> its value.
    """

    graph: Any
    pictures: str
    layers: Mapping[str, str]
    weights: Mapping[str, np.ndarray]

    def in_graph(self) -> Perceive:
        """Adds the weights to the current graph; returns the function that computes layers for pictures.

        The weights are local variables: they are not trained, and checkpoints do not contain them.
        """
        with tf.variable_scope('perceptual'):
            values = {f'{name}:0': frozen(value) for name, value in self.weights.items()}

        def perceive(pictures: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
            found = tf.import_graph_def(
                self.graph,
                {self.pictures: pictures, **values},
                [self.layers[layer] for layer in layers],
                name='perceived',
            )
            return dict(zip(layers, found, strict=True))

        return perceive


def frozen(value: np.ndarray) -> Tensor:
    """Returns the value of a local variable; a constant would be written with every saved graph."""

    def initial() -> Tensor:
        first = tf.py_func(lambda: value, [], tf.float32)
        return tf.ensure_shape(first, value.shape)

    variable = tf.Variable(
        initial, trainable=False, collections=[tf.GraphKeys.LOCAL_VARIABLES], use_resource=True
    )
    return variable.read_value()


def without_weights(graph: Any, names: Sequence[str]) -> tuple[Any, dict[str, np.ndarray]]:
    """Replaces constants of a frozen network by placeholders.

    Args:
      graph: a GraphDef.
      names: names of the constants.

    Returns:
      (the new GraphDef, name -> value of each constant).
    """
    weights: dict[str, np.ndarray] = {}
    stripped = tf.GraphDef()
    stripped.CopyFrom(graph)
    for node in stripped.node:
        if node.name in names:
            weights[node.name] = tf.make_ndarray(node.attr['value'].tensor)
            shape = tf.TensorShape(weights[node.name].shape).as_proto()
            node.op = 'Placeholder'
            del node.attr['value']
            node.attr['shape'].shape.CopyFrom(shape)
    return stripped, weights


def random_network(channels: int) -> PerceptualNetwork:
    """Returns a network of random filters, for use without a trained network.

    Random filters distinguish textures (Ustyuzhaninov et al. 2016, 'Texture synthesis using shallow
    convolutional networks with random filters'), objects less well.

    Args:
      channels: channels of the pictures, which may have any size.
    """
    random = np.random.default_rng(_SEED)
    weights: dict[str, np.ndarray] = {}
    layers: dict[str, str] = {}
    with tf.Graph().as_default() as graph:
        pictures = tf.placeholder(tf.float32, [None, None, None, channels], 'pictures')
        maps = pictures - 0.5
        for name, count in RANDOM_LAYERS.items():
            if layers:
                maps = tf.nn.avg_pool2d(maps, 2, 2, 'SAME')
            size = (3, 3, maps.shape.as_list()[3], count)
            # He et al. 2015: keeps the scale of the activations.
            weights[name] = random.normal(0, np.sqrt(2 / np.prod(size[:3])), size).astype(np.float32)
            kernel = tf.placeholder(tf.float32, size, name)
            maps = tf.nn.relu(tf.nn.conv2d(maps, kernel, 1, 'SAME'))
            layers[name] = maps.name
        return PerceptualNetwork(graph.as_graph_def(), pictures.name, layers, weights)
