"""Where other programs put a network's weights: names and shapes in their files, and what to turn round."""

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

Shapes = Mapping[str, Sequence[int]]
"""Of variables, by name, in the order of the network."""

KERAS_FOLDERS = r'(?!optimizer)(?:[^/]+/)*'
"""Folders of a Keras file that may precede the name of a layer."""

KERAS_LAYERS = r'(?:layers/functional/)?(?:layers|_layer_checkpoint_dependencies)'
"""Folder of the layers in a file of Keras 3."""

_NOTHING = re.compile(r'(?!)')


class Source(NamedTuple):
    """Where a variable's values are.

    Attributes:
      names: of the tensor in a file.
      shape: of the tensor.
      convert: its values -> those of the variable.
    """

    names: re.Pattern[str]
    shape: tuple[int, ...]
    convert: Callable[[np.ndarray], np.ndarray]


class Layout(NamedTuple):
    """How a file names the weights of a network.

    Attributes:
      whose: names they are, for sentences.
      sources: by the names of the variables, in the order of the network.
      layers: names of all tensors of such a file that belong to layers of the kind; one of them that is no
        source belongs to a larger network.
      refusal: why such a file cannot be used, for a network that computes in another way; '' if it can.
    """

    whose: str
    sources: Mapping[str, Source]
    layers: re.Pattern[str] = _NOTHING
    refusal: str = ''


def own_names(variables: Shapes) -> Layout:
    """Returns the layout of a checkpoint that names its variables as the network does."""
    return Layout(
        "the network's own names",
        {name: Source(re.compile(re.escape(name)), tuple(shape), as_is) for name, shape in variables.items()},
    )


def keras_vgg(variables: Shapes) -> list[Layout]:
    """Returns the layouts of Keras' files of a VGG, whose variables have slim's names.

    Keras 2 (and 1) name layers, `block1_conv1/block1_conv1/kernel:0`. Keras 3 counts them by kind,
    `layers/conv2d_1/vars/0`, also within a block that is a model of its own, `block1/layers/conv2d/vars/0`;
    files written by Keras 2 for Keras 3 say `_layer_checkpoint_dependencies` or `layers`. The input is blue,
    green, red there, and what comes to fc1 is a vector.
    """
    places = [place for name in variables if (place := _place_of(name))]
    convolutions = [place.layer for place in places if place.block and place.part == 0]
    styles: dict[str, tuple[Callable[[_Place], str], str]] = {
        'the names of Keras': (_by_name, rf'{KERAS_FOLDERS}block\d+_conv\d+/.*'),
        'the numbers of Keras 3': (
            functools.partial(_by_number, convolutions),
            rf'{KERAS_LAYERS}/conv2d(?:_\d+)?/vars/\d',
        ),
        'the blocks of Keras 3': (_by_block, rf'{KERAS_FOLDERS}block\d+/layers/conv2d(?:_\d+)?/vars/\d'),
    }
    return [
        Layout(
            whose,
            {
                place.variable: _keras_source(place, variables[place.variable], re.compile(names(place)))
                for place in places
            },
            re.compile(layers),
        )
        for whose, (names, layers) in styles.items()
    ]


_KERAS_DENSE = {6: 'fc1', 7: 'fc2', 8: 'predictions'}


class _Place(NamedTuple):
    """What the name of a VGG's variable says.

    Attributes:
      variable: its name.
      layer: that part of the name.
      block: of a convolution; 0 for fc6, fc7 and fc8.
      number: of the convolution in its block, from 1; 6, 7, 8.
      part: 0 for weights, 1 for biases.
    """

    variable: str
    layer: str
    block: int
    number: int
    part: int


def _place_of(variable: str) -> _Place | None:
    found = re.fullmatch(r'\w+?/(conv(\d)/conv\d_(\d)|fc(\d))/(weights|biases)', variable)
    if not found:
        return None
    layer, block, number, dense, part = found.groups()
    return _Place(variable, layer, int(block or 0), int(number or dense), ('weights', 'biases').index(part))


def _keras_source(place: _Place, shape: Sequence[int], names: re.Pattern[str]) -> Source:
    shape = tuple(shape)
    if place.part == 0 and not place.block:
        return Source(names, (math.prod(shape[:3]), shape[3]), lambda values: values.reshape(shape))
    if place.part == 0 and (place.block, place.number) == (1, 1):
        return Source(names, shape, red_first)
    return Source(names, shape, as_is)


def _by_name(place: _Place) -> str:
    layer = f'block{place.block}_conv{place.number}' if place.block else _KERAS_DENSE[place.number]
    part, initial = ('kernel', 'W') if place.part == 0 else ('bias', 'b')
    names = rf'(?:{layer}/)?(?:{part}|{layer}_{initial}(?:_\d+)?)(?::0)?'
    return rf'{KERAS_FOLDERS}{layer}/(?:{names}|vars/{place.part})'


def _by_number(convolutions: Sequence[str], place: _Place) -> str:
    if place.block:
        layer = f'conv2d{counted(convolutions.index(place.layer))}'
    else:
        layer = f'dense{counted(place.number - min(_KERAS_DENSE))}'
    return f'{KERAS_LAYERS}/{layer}/vars/{place.part}'


def _by_block(place: _Place) -> str:
    if not place.block:
        return r'(?!)'
    return rf'{KERAS_FOLDERS}block{place.block}/layers/conv2d{counted(place.number - 1)}/vars/{place.part}'


def counted(number: int) -> str:
    """Returns how Keras 3 tells layers of one kind apart: '', '_1', '_2' and so on."""
    return f'_{number}' if number else ''


def as_is(values: np.ndarray) -> np.ndarray:
    """Returns the values unchanged."""
    return values


def red_first(values: np.ndarray) -> np.ndarray:
    """Turns filters [height, width, 3, maps] for blue, green, red into such for red, green, blue."""
    return values[:, :, ::-1]
