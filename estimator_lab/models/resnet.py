"""Residual networks (He et al. 2016, 'Deep residual learning for image recognition') of 18 to 152 layers.

A convolution 7x7 and a pooling, then four blocks of units; each unit adds what its convolutions compute to
its input. There are three published variants of the networks, which differ in where a block halves the sides
of its maps, in the scale of the pixels, and in details. Weights of one compute nonsense in another.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from estimator_lab.base.settings import setting
from estimator_lab.core.heads.classification import classification_or_features_spec
from estimator_lab.core.heads.model import Model
from estimator_lab.core.heads.model_function import Args, model_function
from estimator_lab.core.layers.convolution import Convolution
from estimator_lab.core.layers.elementwise import dropout
from estimator_lab.core.layers.imagenet import less_mean, standardised
from estimator_lab.core.layers.normalization import Update
from estimator_lab.core.model.endpoints import LOGITS, Endpoint, Layered, Layers
from estimator_lab.core.model.hparams import at_least_1, is_share, structural
from estimator_lab.core.model.params import ClassifierParams, learning_rate_hparam
from estimator_lab.core.model.resnet_layouts import resnet_layouts
from estimator_lab.core.step.noise import Noise
from estimator_lab.errors import FlagError
from estimator_lab.tf1 import EstimatorSpec, Tensor, tf

# Units in each block: their table 1.
_UNITS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_BOTTLENECKS = (50, 101, 152)
_WIDENING = 4  # of the last convolution of a bottleneck
_SHRINK = 32  # of the sides: by the first convolution, the pooling and three blocks
_STEM = 'conv1'


class _Variant(NamedTuple):
    """What distinguishes the variants.

    Attributes:
      scope: of the variables, with the depth in it.
      pixels: what the first convolution receives of images in [0, 1].
      unit: scope of a unit's layers within it, with '/' in front.
      biased: whether convolutions have biases, although batch normalisation follows.
      strides: of the convolutions of a bottleneck that halves the sides.
    """

    scope: str
    pixels: Callable[[Tensor], Tensor]
    unit: str = ''
    biased: bool = False
    strides: tuple[int, int, int] = (1, 2, 1)


_V1_5, _V1, _SLIM = 'v1.5', 'v1', 'slim'
_VARIANTS = {
    _V1_5: _Variant('resnet_{}', standardised),
    _V1: _Variant('keras_resnet_{}', less_mean, biased=True, strides=(2, 1, 1)),
    _SLIM: _Variant('resnet_v1_{}', less_mean, unit='/bottleneck_v1'),
}


@dataclasses.dataclass(frozen=True)
class Params(ClassifierParams):
    """Parameters of the network; the defaults are torchvision's ResNet-50."""

    depth: int = structural(50, f'layers with weights: {", ".join(map(str, _UNITS))}', _UNITS.__contains__)
    variant: str = structural(
        _V1_5,
        f"whose weights fit: {_V1_5} torchvision's, {_V1} Keras', {_SLIM} tf-slim's",
        _VARIANTS.__contains__,
    )
    filters: int = structural(
        64, 'filters of the first convolution; other layers have multiples of it', at_least_1
    )
    dropout_rate: float = setting(
        0.0, 'share of the values dropped before the logits in training, in [0, 1)', is_share
    )
    learning_rate: float = learning_rate_hparam(0.0001)


def check(params: Params) -> None:
    """Raises FlagError for images that are too small, and for a variant that does not have the depth."""
    height, width, _ = params.image_shape
    if min(height, width) < _SHRINK:
        raise FlagError(
            f'--image_size={min(height, width)} is too small: the network needs at least {_SHRINK} pixels.'
        )
    if params.variant != _V1_5 and params.depth not in _BOTTLENECKS:
        raise FlagError(
            f'--hparams=variant={params.variant} exists with depth={", ".join(map(str, _BOTTLENECKS))}, not '
            f'{params.depth}.'
        )


def freezable(params: Params) -> list[str]:
    """Returns the names of the layers that --freeze accepts."""
    return [_STEM, *(f'block{block}_{unit}' for block, unit in _positions(params.depth))]


def _positions(depth: int) -> Iterator[tuple[int, int]]:
    for block, units in enumerate(_UNITS[depth], 1):
        for unit in range(1, units + 1):
            yield block, unit


class _Unit:
    """A residual unit: two convolutions 3x3, or a bottleneck of 1x1, 3x3 and 1x1, added to the input.

    Args:
      params: of the network.
      block: number of the block, from 1.
      unit: number of the unit in the block, from 1.
      inputs: maps of its input.
      stride: 2 if it halves the sides.
    """

    def __init__(self, params: Params, block: int, unit: int, inputs: int, stride: int) -> None:
        variant, is_deep = _VARIANTS[params.variant], params.depth in _BOTTLENECKS
        scope = f'{variant.scope.format(params.depth)}/block{block}/unit_{unit}{variant.unit}'
        width = params.filters * 2 ** (block - 1)
        sizes, maps = ((1, 3, 1), (width, width, width * _WIDENING)) if is_deep else ((3, 3), (width, width))
        strides = (variant.strides if is_deep else (2, 1)) if stride > 1 else (1,) * len(sizes)

        def layer(name: str, *how: Any) -> Convolution:
            return convolution(params, f'block{block}_{unit}', f'{scope}/{name}', *how)

        self.maps = maps[-1]
        self._stride = stride
        self._convolutions = [
            layer(f'conv{n}', count, size, step, tf.identity if n == len(sizes) else tf.nn.relu)
            for n, (count, size, step) in enumerate(zip(maps, sizes, strides, strict=True), 1)
        ]
        # A shortcut with a change of width has weights; tf-slim only halves others, He et al. never do so.
        has_weights = inputs != self.maps
        self._shortcut = layer('shortcut', self.maps, 1, stride, tf.identity) if has_weights else None

    def __call__(self, values: Tensor, training: bool) -> tuple[Endpoint, list[Update]]:
        """Returns the sum, float32 [batch, height, width, maps], and the updates of the moving averages."""
        shortcut = values
        changes: list[Update] = []
        if self._shortcut is not None:
            endpoint, changes = self._shortcut(values, training)
            shortcut = endpoint.values
        elif self._stride > 1:
            shortcut = values[:, :: self._stride, :: self._stride]
        for convolution in self._convolutions:
            endpoint, more = convolution(values, training)
            values, changes = endpoint.values, [*changes, *more]
        return Endpoint(tf.nn.relu(values + shortcut), endpoint.kernel), changes


def convolution(
    params: Params,
    layer: str,
    scope: str,
    maps: int,
    size: int,
    stride: int,
    activation: Callable[[Tensor], Tensor] = tf.nn.relu,
) -> Convolution:
    """Returns a convolution with batch normalisation, as the variant has it, frozen with its layer."""
    variant = _VARIANTS[params.variant]
    return Convolution(
        scope,
        maps,
        (size, size),
        'SAME',
        activation,
        normalized=True,
        stride=stride,
        biased=variant.biased,
        trainable=layer not in params.frozen,
    )


class Network:
    """The network; its layers are created once and can be called several times."""

    def __init__(self, params: Params) -> None:
        scope = _VARIANTS[params.variant].scope.format(params.depth)
        self._variant, self._dropout_rate = params.variant, params.dropout_rate
        self._stem = convolution(params, _STEM, f'{scope}/{_STEM}', params.filters, 7, 2)
        self._units: dict[str, _Unit] = {}
        maps, units = params.filters, _UNITS[params.depth]
        for block, unit in _positions(params.depth):
            # tf-slim halves the sides at the end of blocks 1, 2 and 3, the others at the start of 2, 3 and 4.
            halves = (
                (block < len(units) and unit == units[block - 1])
                if params.variant == _SLIM
                else (block > 1 and unit == 1)
            )
            added = _Unit(params, block, unit, maps, 2 if halves else 1)
            self._units[f'block{block}_{unit}'] = added
            maps = added.maps
        self._logits: Convolution | None = None
        if params.num_classes:
            self._logits = Convolution(f'{scope}/logits', params.num_classes, (1, 1), 'VALID')

    def __call__(
        self, images: Tensor, noise: Noise | None = None
    ) -> tuple[Tensor | None, dict[str, Endpoint], list[Update]]:
        """Returns the logits, the endpoints, and the updates of a training step.

        Args:
          images: float32 [batch, height, width, channels] in [0, 1]; grey ones are repeated three times.
          noise: random numbers of a training step, in which values are dropped and batch normalisation uses
            the batch; None for no dropout, and normalisation with the moving averages.

        Returns:
          The logits, float32 [batch, num_classes], None without labels. The endpoints are conv1 [batch,
          height / 2, width / 2, 64], pool1, block1_1 [batch, height / 4, width / 4, 256], ..., block4_3
          [batch, height / 32, width / 32, 2048], and global_pool [batch, 2048].
        """
        updates: list[Update] = []
        endpoints = dict(self.layers(images, noise, updates))
        logits = endpoints.pop(LOGITS, None)
        return logits and logits.values, endpoints, updates

    def layers(
        self, images: Tensor, noise: Noise | None = None, updates: list[Update] | None = None
    ) -> Layers:
        """Yields the same endpoints one by one, then the logits if there are labels.

        Args:
          images: as for a call, of any size.
          noise: as for a call.
          updates: a list that receives the updates of a training step.
        """
        found = updates if updates is not None else []
        training = noise is not None
        endpoint, changes = self._stem(_VARIANTS[self._variant].pixels(images), training)
        found += changes
        yield _STEM, endpoint
        values = self._pool(endpoint.values)
        yield 'pool1', Endpoint(values)
        for name, unit in self._units.items():
            endpoint, changes = unit(values, training)
            found += changes
            yield name, endpoint
            values = endpoint.values
        values = tf.reduce_mean(values, axis=[1, 2], keepdims=True)
        yield 'global_pool', Endpoint(tf.squeeze(values, [1, 2]))
        if self._logits is not None:
            logits, _ = self._logits(dropout(values, self._dropout_rate, noise))
            yield LOGITS, Endpoint(tf.squeeze(logits.values, [1, 2]), logits.kernel)

    def _pool(self, maps: Tensor) -> Tensor:
        """Returns the largest of each 3x3 values, every other place; all values are 0 or more."""
        if self._variant == _SLIM:
            return tf.nn.max_pool2d(maps, 3, 2, 'SAME')
        return tf.nn.max_pool2d(tf.pad(maps, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, 'VALID')


def layered(params: Params) -> Layered:
    """Returns the network layer by layer."""
    return Layered(Network(params).layers, _SHRINK, '')


@model_function(Params, check)
def model_fn(args: Args[Params]) -> EstimatorSpec:
    """Classifies images: see `core.heads.classification.classification_or_features_spec`.

    Features are float32 [batch, 2048].
    """
    logits, endpoints, updates = Network(args.params)(args.images, args.noise)
    return classification_or_features_spec(args, logits, endpoints, updates)


MODEL = Model(
    'resnet',
    Params,
    model_fn,
    check,
    layered=layered,
    published_layouts=resnet_layouts,
    freezable=freezable,
)
