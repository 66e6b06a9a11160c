"""Where other programs put the weights of a residual network, whose variables have tf-slim's names."""

import functools
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from estimator_lab.core.model.weight_layouts import (
    KERAS_FOLDERS,
    KERAS_LAYERS,
    Layout,
    Shapes,
    Source,
    as_is,
    counted,
    red_first,
)

_TORCH_PREFIX = r'(?:(?:module|model|backbone)\.)?'
_NORM_PARTS = ('gamma', 'beta', 'moving_mean', 'moving_variance')
_TORCH_PARTS = {
    'weights': 'weight',
    'biases': 'bias',
    'gamma': 'weight',
    'beta': 'bias',
    'moving_mean': 'running_mean',
    'moving_variance': 'running_var',
}
_SLIM, _KERAS = 'resnet_v1_', 'keras_resnet_'
"""Beginnings of the scopes of these variants' variables."""

_Names = Callable[['_Place'], str]
_ToSource = Callable[[re.Pattern[str], '_Place', tuple[int, ...]], Source]


class _Place(NamedTuple):
    """What the name of a variable says.

    Attributes:
      variable: its name.
      layer: 'conv1', ..., 'shortcut' or 'logits'.
      part: 'weights', 'biases', 'gamma', 'beta', 'moving_mean' or 'moving_variance'.
      block: number of the block, from 1; 0 for the first convolution and the logits.
      unit: number of the unit in the block, from 1; 0 likewise.
    """

    variable: str
    layer: str
    part: str
    block: int
    unit: int

    @property
    def is_norm(self) -> bool:
        """Whether it belongs to batch normalisation."""
        return self.part in _NORM_PARTS

    @property
    def is_extra_bias(self) -> bool:
        """Whether only Keras has it."""
        return self.part == 'biases' and self.layer != 'logits'

    @property
    def number(self) -> int:
        """Number of a convolution in its unit; 0 for the shortcut."""
        return int(self.layer.removeprefix('conv')) if self.layer.startswith('conv') else 0


def resnet_layouts(variables: Shapes) -> list[Layout]:
    """Returns the layouts of torchvision's, Keras' and tf-slim's files of a ResNet.

    torchvision's kernels are [maps, channels, height, width], and its dense kernel is [classes, maps].
    Keras names layers, `conv2_block1_1_conv`. Keras 3 counts them by kind, `layers/conv2d_1/vars/0`. Keras'
    input is blue, green, red. Each of the three has its own variant of the network, which the scope of the
    variables tells; the layouts of the other two have a `refusal`.

    Args:
      variables: in the order of the network.
    """
    places = [place for name in variables if (place := _place_of(name))]
    scope = next(iter(variables), '')
    is_keras, is_slim = scope.startswith(_KERAS), scope.startswith(_SLIM)
    conv2d = [place.variable for place in _in_order_of_keras(places) if place.part == 'weights']
    styles: dict[str, tuple[_Names, _ToSource, str, str]] = {
        'the names of torchvision': (
            _torch_name,
            _torch_source,
            rf'{_TORCH_PREFIX}layer\d+\.\d+\..*\.(?:weight|bias|running_mean|running_var)',
            '' if not is_keras and not is_slim else 'v1.5',
        ),
        'the names of Keras': (
            _keras_name,
            _keras_source,
            rf'{KERAS_FOLDERS}conv\d_block\d+_\d_(?:conv|bn)/.*',
            '' if is_keras else 'v1',
        ),
        'the numbers of Keras 3': (
            functools.partial(_keras_number, conv2d),
            _keras_source,
            rf'{KERAS_LAYERS}/(?:conv2d|batch_normalization)(?:_\d+)?/vars/\d',
            '' if is_keras else 'v1',
        ),
        'the names of tf-slim': (_slim_name, _as_stored, '(?!)', '' if is_slim else 'slim'),
    }
    return [
        Layout(
            whose,
            {
                place.variable: source(re.compile(names(place)), place, tuple(variables[place.variable]))
                for place in places
                if not (variant and place.is_extra_bias)
            },
            re.compile(layers),
            variant and f'whose network computes in another way: give --hparams=variant={variant}',
        )
        for whose, (names, source, layers, variant) in styles.items()
    ]


def _place_of(variable: str) -> _Place | None:
    found = re.fullmatch(
        r'\w+/(?:block(\d)/unit_(\d+)/(?:bottleneck_v1/)?)?(conv\d|shortcut|logits)/(?:BatchNorm/)?(\w+)',
        variable,
    )
    if not found:
        return None
    block, unit, layer, part = found.groups()
    return _Place(variable, layer, part, int(block or 0), int(unit or 0))


def _torch_name(place: _Place) -> str:
    part = re.escape(_TORCH_PARTS[place.part])
    if place.layer == 'logits':
        return rf'{_TORCH_PREFIX}fc\.{part}'
    if place.layer == 'shortcut':
        layer = f'downsample.{int(place.is_norm)}'
    else:
        layer = f'{"bn" if place.is_norm else "conv"}{place.number}'
    unit = f'layer{place.block}.{place.unit - 1}.' if place.block else ''
    return rf'{_TORCH_PREFIX}{re.escape(unit + layer)}\.{part}'


def _torch_source(names: re.Pattern[str], place: _Place, shape: tuple[int, ...]) -> Source:
    if place.part != 'weights':
        return Source(names, shape, as_is)
    height, width, channels, maps = shape
    if place.layer == 'logits':
        return Source(names, (maps, channels), lambda values: values.T.reshape(shape))
    return Source(names, (maps, channels, height, width), lambda values: values.transpose(2, 3, 1, 0))


def _keras_name(place: _Place) -> str:
    if place.layer == 'logits':
        layer = 'predictions'
    else:
        unit = f'conv{place.block + 1}_block{place.unit}_{place.number}' if place.block else 'conv1'
        layer = f'{unit}_{"bn" if place.is_norm else "conv"}'
    part = {'weights': 'kernel', 'biases': 'bias'}.get(place.part, place.part)
    return rf'{KERAS_FOLDERS}{layer}/(?:(?:{layer}/)?{part}(?::0)?|vars/{_keras_part(place)})'


def _keras_number(convolutions: Sequence[str], place: _Place) -> str:
    layer = 'dense'
    if place.layer != 'logits':
        own = next(n for n, name in enumerate(convolutions) if name.startswith(_layer_of(place)))
        layer = f'{"batch_normalization" if place.is_norm else "conv2d"}{counted(own)}'
    return f'{KERAS_LAYERS}/{layer}/vars/{_keras_part(place)}'


def _in_order_of_keras(places: Sequence[_Place]) -> list[_Place]:
    """Returns the places in the order of Keras' model, whose shortcuts precede the last convolution."""
    order = {'conv1': 1, 'conv2': 2, 'shortcut': 3, 'conv3': 4}
    return sorted(
        (place for place in places if place.layer in order),
        key=lambda place: (place.block, place.unit, order[place.layer]),
    )


def _layer_of(place: _Place) -> str:
    """Returns the scope of a layer's variables, with '/' at the end."""
    scope, _, _ = place.variable.partition('/BatchNorm/')
    return f'{scope if place.is_norm else scope.rpartition("/")[0]}/'


def _keras_part(place: _Place) -> int:
    return _NORM_PARTS.index(place.part) if place.is_norm else int(place.part == 'biases')


def _keras_source(names: re.Pattern[str], place: _Place, shape: tuple[int, ...]) -> Source:
    if place.part != 'weights':
        return Source(names, shape, as_is)
    if place.layer == 'logits':
        return Source(names, shape[2:], lambda values: values.reshape(shape))
    return Source(names, shape, as_is if place.block else red_first)


def _slim_name(place: _Place) -> str:
    unit = f'block{place.block}/unit_{place.unit}/bottleneck_v1/' if place.block else ''
    norm = 'BatchNorm/' if place.is_norm else ''
    return rf'resnet_v1_\d+/{unit}{place.layer}/{norm}{place.part}'


def _as_stored(names: re.Pattern[str], place: _Place, shape: tuple[int, ...]) -> Source:
    return Source(names, shape, as_is)
