"""Residual networks (He et al. 2016, 'Deep residual learning for image recognition') of 18 to 152 layers.

A convolution 7x7 and a pooling, then four blocks of units; each unit adds what its convolutions compute to
its input. This is torchvision's variant, v1.5: a bottleneck halves the sides in its convolution 3x3. The
variables have tf-slim's names within resnet_DEPTH.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from estimator_lab.base.errors import FlagError, option
from estimator_lab.core import classifier
from estimator_lab.core.abilities import HasNetwork, HasPublishedWeights
from estimator_lab.core.endpoints import LOGITS, Layers, publish_all
from estimator_lab.core.layers import network_pixels
from estimator_lab.core.model import Model, arguments
from estimator_lab.core.noise import Noise, dropout
from estimator_lab.core.params import AnyOptimizer, ClassifierParams, other_default, share, structural
from estimator_lab.models.published import Convolution, standardised
from estimator_lab.runs.weights.layouts import Layout, PublishedTensor, Shapes
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

# Units in each block: their table 1.
_UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_BOTTLENECKS = (50, 101, 152)
_WIDENING = 4  # of the last convolution of a bottleneck
_SHRINK = 32  # of the sides: by the first convolution, the pooling and three blocks
_STEM = 'conv1'
_TORCH_PREFIX = r'(?:(?:module|model|backbone)\.)?'
_TORCH_PARTS = {
    'weights': 'weight',
    'biases': 'bias',
    'gamma': 'weight',
    'beta': 'bias',
    'moving_mean': 'running_mean',
    'moving_variance': 'running_var',
}


@dataclasses.dataclass(frozen=True)
class Params(AnyOptimizer, ClassifierParams):
    """Parameters of the network; the defaults are torchvision's ResNet-50."""

    depth: int = structural(50, 'layers with weights', choices=tuple(_UNITS))
    filters: int = structural(
        64, 'filters of the first convolution; other layers have multiples of it', lower=1
    )
    dropout_rate: float = share(0.0, 'share of the values dropped before the logits in training')
    learning_rate: float = other_default(ClassifierParams, 'learning_rate', 0.0001)

    def check(self) -> None:
        """Raises FlagError for images that are too small."""
        side = min(self.image_shape[:2])
        if side < _SHRINK:
            raise FlagError(
                f'{option.image_size}={side} is too small: the network needs at least {_SHRINK} pixels.'
            )


def network(images: Tensor, params: Params, noise: Noise | None = None) -> Layers:
    """Yields the layers by name, then the logits, if there are labels: see `core.abilities.HasNetwork`.

    They are conv1 [batch, height / 2, width / 2, 64], pool1, block1_1 [batch, height / 4, width / 4, 256],
    ..., block4_3 [batch, height / 32, width / 32, 2048], and global_pool [batch, 2048]. Images have any size;
    grey ones are repeated three times.
    """
    scope = f'resnet_{params.depth}'
    x = standardised(network_pixels(images, params))
    stem = Convolution(tf.nn.relu, noise, normalized=True, trainable=_STEM not in params.frozen)
    x = stem(x, f'{scope}/{_STEM}', params.filters, (7, 7), stride=2)
    yield _STEM, x
    # All values are 0 or more, so zeros around them change no maximum.
    x = tf.nn.max_pool2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, 'VALID')
    yield 'pool1', x
    for block, unit in _positions(params.depth):
        x = _unit(x, params, block, unit, noise)
        yield f'block{block}_{unit}', x
    x = tf.reduce_mean(x, axis=[1, 2], keepdims=True)
    yield 'global_pool', tf.squeeze(x, [1, 2])
    if params.num_classes:
        x = dropout(x, params.dropout_rate, noise)
        logits = Convolution()(x, f'{scope}/logits', params.num_classes, (1, 1), padding='VALID')
        yield LOGITS, tf.squeeze(logits, [1, 2])


def _unit(values: Tensor, params: Params, block: int, unit: int, noise: Noise | None) -> Tensor:
    """Returns a residual unit: two convolutions 3x3, or 1x1, 3x3 and 1x1, added to the input."""
    width = params.filters * 2 ** (block - 1)
    is_deep = params.depth in _BOTTLENECKS
    sizes, maps = ((1, 3, 1), (width, width, width * _WIDENING)) if is_deep else ((3, 3), (width, width))
    stride = 2 if block > 1 and unit == 1 else 1
    halving = 1 if is_deep else 0  # the convolution 3x3 that halves the sides
    scope = f'resnet_{params.depth}/block{block}/unit_{unit}'
    trainable = f'block{block}_{unit}' not in params.frozen
    linear = Convolution(noise=noise, normalized=True, trainable=trainable)
    layer = dataclasses.replace(linear, activation=tf.nn.relu)
    shortcut = values
    if values.shape.as_list()[3] != maps[-1]:
        shortcut = linear(values, f'{scope}/shortcut', maps[-1], (1, 1), stride=stride)
    for number, (count, size) in enumerate(zip(maps, sizes, strict=True)):
        convolution = linear if number + 1 == len(sizes) else layer
        step = stride if number == halving else 1
        values = convolution(values, f'{scope}/conv{number + 1}', count, (size, size), step)
    return tf.nn.relu(values + shortcut)


def _positions(depth: int) -> Iterator[tuple[int, int]]:
    for block, units in enumerate(_UNITS[depth], 1):
        for unit in range(1, units + 1):
            yield block, unit


def freezable(params: Params) -> list[str]:
    """Returns the names of the layers that --freeze accepts."""
    return [_STEM, *(f'block{block}_{unit}' for block, unit in _positions(params.depth))]


def torch_layout(variables: Shapes) -> list[Layout]:
    """Returns the layout of torchvision's files of a ResNet: layer1.0.conv1.weight, fc.bias.

    Its kernels are [maps, channels, height, width], and its dense kernel is [classes, maps].
    """
    sources = {}
    for name, shape in variables.items():
        match = re.fullmatch(
            r'\w+/(?:block(\d)/unit_(\d+)/)?(conv\d|shortcut|logits)/(?:BatchNorm/)?(\w+)', name
        )
        if not match:
            continue
        block, unit, layer, part = match.groups()
        is_norm = part not in ('weights', 'biases')
        if layer == 'logits':
            scope = 'fc'
        elif layer == 'shortcut':
            scope = f'downsample.{int(is_norm)}'
        else:
            scope = layer.replace('conv', 'bn') if is_norm else layer
        if block:
            scope = f'layer{block}.{int(unit) - 1}.{scope}'
        names = re.compile(rf'{_TORCH_PREFIX}{re.escape(scope)}\.{_TORCH_PARTS[part]}')
        if part != 'weights':
            sources[name] = PublishedTensor(names, tuple(shape))
            continue
        height, width, channels, maps = shape
        of_file = (maps, channels) if layer == 'logits' else (maps, channels, height, width)
        sources[name] = PublishedTensor(names, of_file, partial(_from_torch, shape))
    layers = rf'{_TORCH_PREFIX}layer\d+\.\d+\..*\.(?:weight|bias|running_mean|running_var)'
    return [Layout('the names of torchvision', sources, re.compile(layers))]


def _from_torch(shape: Sequence[int], values: np.ndarray) -> np.ndarray:
    """Turns torchvision's [maps, channels, height, width] or [classes, maps] round."""
    return np.moveaxis(values, (0, 1), (-1, -2)).reshape(shape)


def model_fn(
    features: Features,
    labels: Tensor | None,
    mode: Mode,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
) -> EstimatorSpec:
    """Classifies images, or returns features [batch, 2048]: see `core.classifier`."""
    args = arguments(Params, features, labels, mode, params, config)
    layers = publish_all(network(args.images, args.params, args.noise))
    if mode == tf.estimator.ModeKeys.PREDICT:
        return classifier.predict_spec(args, layers)
    loss = classifier.loss(args, layers)
    if mode == tf.estimator.ModeKeys.EVAL:
        return classifier.eval_spec(args, layers, loss)
    return classifier.train_spec(args, layers, loss)


class ResNet(Model[Params], HasNetwork, HasPublishedWeights):
    """ResNet-18 to ResNet-152."""

    name = 'resnet'
    params = Params
    model_fn = staticmethod(model_fn)
    network = staticmethod(network)
    published_layouts = staticmethod(torch_layout)
    freezable = staticmethod(freezable)


MODEL = ResNet()
