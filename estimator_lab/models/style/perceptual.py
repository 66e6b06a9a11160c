"""The perceptual loss: a network with fixed weights, and its Gram matrices for the picture of each style.

Johnson et al. 2016 call it the loss network. A model's `style.npz` holds it: the name and the
hyper-parameters of the network's model, its weights by the names of the variables, and the Gram matrices.
"""

import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.regular_files import open_regular
from estimator_lab.base.whole_files import whole_file
from estimator_lab.core.endpoints import Layers
from estimator_lab.core.params import resolve
from estimator_lab.models.registry import find_model
from estimator_lab.models.style.losses import gram_matrices
from estimator_lab.tf1 import Tensor, tf

FILE = 'style.npz'
"""Name of the file in a model_dir, which replaces the styles' pictures and the network's own folder."""

RANDOM_LAYERS = {'conv1': 32, 'conv2': 64, 'conv3': 128, 'conv4': 128}
"""Name -> maps of each layer of the network of random filters."""

_SCOPE = 'perceptual'
_ABOUT = 'about'
_LONGEST_REASON = 200
_UNUSABLE = (
    *(OSError, EOFError, zipfile.BadZipFile, FlagError),
    *(ValueError, LookupError, TypeError, AttributeError, RuntimeError),
)
_MOST_LAYERS = 100
_RANDOM_CONTENT = 'conv2'
_RANDOM_SEED = 2016
_PATTERN_SIDE = 128


@dataclass(frozen=True)
class PerceptualNetwork:
    """A network with fixed weights, of which a loss compares some layers.

    Attributes:
      model: name of its model, which has a `network`; '' for random filters.
      hparams: hyper-parameters of the model, by name.
      channels: of the images that it accepts; grey pictures are repeated for 3.
      weights: values of its variables by name, as far as the layers need them.
    """

    model: str
    hparams: Mapping[str, Any]
    channels: int
    weights: Mapping[str, np.ndarray]

    def layers(self, pictures: Tensor) -> Layers:
        """Yields its layers by name, with new variables or those of the current scope.

        Args:
          pictures: float32 [batch, height, width, channels] in [0, 1], of any size.
        """
        if pictures.shape.as_list()[3] < self.channels:
            pictures = tf.tile(pictures, [1, 1, 1, self.channels])
        if not self.model:
            return _random_layers(pictures)
        network = find_model(self.model).network
        if network is None:
            raise FlagError(f'--model={self.model} has no network that can be built layer by layer.')
        return network(pictures, self._params)

    def perceive(self, pictures: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Returns the maps of layers by name, float32 [batch, height, width, maps].

        The weights are local variables, which all calls in a graph share: they are not trained, and
        checkpoints do not contain them.

        Args:
          pictures: float32 [batch, height, width, channels] in [0, 1].
          layers: names of the layers.

        Raises:
          LookupError: there is no such layer, or its weights are missing.
          ValueError: weights have another shape than the network's.
        """
        found: dict[str, Tensor] = {}
        with tf.variable_scope(_SCOPE, reuse=tf.AUTO_REUSE, custom_getter=self._fixed):
            for name, maps in self.layers(pictures):
                if name in layers:
                    found[name] = maps
                if len(found) == len(layers):
                    return {name: found[name] for name in layers}
        raise LookupError(f'its network has no layer {next(name for name in layers if name not in found)!r}')

    @cached_property
    def _params(self) -> Any:
        return resolve(
            find_model(self.model).params, {**self.hparams, 'image_shape': (224, 224, self.channels)}
        )

    def _fixed(self, getter: Any, name: str, *args: Any, **options: Any) -> Any:
        """Creates a local variable with the value in `weights`, for `tf.get_variable`."""
        value = self.weights.get(name.removeprefix(f'{_SCOPE}/'))
        if value is None:
            raise LookupError(f'it has no weights {name.removeprefix(f"{_SCOPE}/")}')

        def initial(shape: Sequence[int], dtype: Any = None, partition_info: Any = None) -> Tensor:
            if tuple(shape) != value.shape:
                raise ValueError(f'its {name} is {value.shape}, not {tuple(shape)}')
            return _without_constant(value)

        options.update(trainable=False, initializer=initial, collections=[tf.GraphKeys.LOCAL_VARIABLES])
        return getter(name, *args, **options)


def fixed(value: np.ndarray) -> Tensor:
    """Returns the value of a local variable, float32."""
    return tf.Variable(
        lambda: _without_constant(value),
        trainable=False,
        collections=[tf.GraphKeys.LOCAL_VARIABLES],
        use_resource=True,
    ).read_value()


def _without_constant(value: np.ndarray) -> Tensor:
    """Returns a value that no saved graph contains, as it would contain a constant."""
    return tf.ensure_shape(tf.py_func(lambda: value, [], tf.float32), value.shape)


def random_network(channels: int) -> PerceptualNetwork:
    """Returns a network of random filters, for use without a trained network.

    Random filters distinguish textures (Ustyuzhaninov et al. 2016, 'Texture synthesis using shallow
    convolutional networks with random filters'), objects less well.

    Args:
      channels: channels of the pictures, which may have any size.
    """
    random, inputs = np.random.default_rng(_RANDOM_SEED), channels
    weights: dict[str, np.ndarray] = {}
    for name, count in RANDOM_LAYERS.items():
        size = (3, 3, inputs, count)
        # He et al. 2015: keeps the scale of the activations.
        weights[name] = random.normal(0, np.sqrt(2 / np.prod(size[:3])), size).astype(np.float32)
        inputs = count
    return PerceptualNetwork('', {}, channels, weights)


def _random_layers(pictures: Tensor) -> Iterator[tuple[str, Tensor]]:
    maps = pictures - 0.5
    for number, (name, count) in enumerate(RANDOM_LAYERS.items()):
        if number:
            maps = tf.nn.avg_pool2d(maps, 2, 2, 'SAME')
        kernel = tf.get_variable(name, [3, 3, maps.shape.as_list()[3], count])
        maps = tf.nn.relu(tf.nn.conv2d(maps, kernel, 1, 'SAME'))
        yield name, maps


@dataclass(frozen=True)
class PerceptualLoss:
    """A perceptual network, its layer for the content, and the Gram matrices of the styles.

    They are style layer -> float32 [styles, maps, maps], in the order from input to output.
    """

    network: PerceptualNetwork
    content_layer: str
    grams: Mapping[str, np.ndarray]

    @property
    def styles(self) -> int:
        """Number of styles."""
        return len(next(iter(self.grams.values())))

    def save(self, path: Path) -> None:
        """Writes it to a file, atomically."""
        network = self.network
        about = {
            'model': network.model,
            'hparams': dict(network.hparams),
            'channels': network.channels,
            'weights': {name: list(value.shape) for name, value in network.weights.items()},
            'content_layer': self.content_layer,
            'style_layers': list(self.grams),
        }
        arrays = {
            _ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8),
            **{f'weights_{n}': value for n, value in enumerate(network.weights.values())},
            **{f'gram_{n}': value for n, value in enumerate(self.grams.values())},
        }
        with whole_file(path) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type] # any name is one


def load_perceptual_loss(path: Path) -> PerceptualLoss:
    """Reads a file of `PerceptualLoss.save`, which may be untrusted.

    Raises:
      DataError: it cannot be read, or contains something else.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return _loaded(archive)
    except _UNUSABLE as error:
        reason = str(error).rstrip('.')[:_LONGEST_REASON]
        raise DataError(f'{path} has no usable style: {reason}.') from error


def _loaded(archive: zipfile.ZipFile) -> PerceptualLoss:
    about = json.loads(read_array(archive, _ABOUT, '|u1', (None,)).tobytes())
    if 'model' not in about:
        raise ValueError('an earlier version wrote it; train the style anew')
    style_layers, shapes = list(map(str, about['style_layers'])), dict(about['weights'])
    if not 0 < len(style_layers) <= _MOST_LAYERS or about['channels'] not in (1, 3):
        raise ValueError('it has no layers')
    weights = {
        name: read_array(archive, f'weights_{number}', '<f4', tuple(map(int, shape)))
        for number, (name, shape) in enumerate(shapes.items())
    }
    grams = {
        layer: read_array(archive, f'gram_{number}', '<f4', (None, None, None))
        for number, layer in enumerate(style_layers)
    }
    if not all(np.isfinite(value).all() for value in (*weights.values(), *grams.values())):
        raise ValueError('some of its numbers are not finite')
    network = PerceptualNetwork(str(about['model']), dict(about['hparams']), about['channels'], weights)
    loss = PerceptualLoss(network, str(about['content_layer']), grams)
    _check(loss)
    return loss


def read_array(
    archive: zipfile.ZipFile, name: str, kind: str, expected: tuple[int | None, ...]
) -> np.ndarray:
    """Returns an array of such a file, after checking its type, shape (None for any length) and size.

    Raises:
      LookupError: there is no array of that name.
      ValueError: the array has another type or shape, is compressed, or claims more bytes than the file has.
    """
    info = archive.getinfo(f'{name}.npy')
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise ValueError(f'its {name} is compressed')
    with archive.open(info) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f'its {name} has an unknown format')
        shape, in_columns, found = np.lib.format.read_array_header_1_0(file)
        right = len(shape) == len(expected) and all(
            wanted in (length, None) for length, wanted in zip(shape, expected, strict=True)
        )
        if found != np.dtype(kind) or not right:
            raise ValueError(f'its {name} is {found} {shape}')
        size = math.prod(shape) * found.itemsize
        if not 0 <= size <= info.file_size:
            raise ValueError(f'its {name} claims {size} bytes, more than are there')
        return np.frombuffer(file.read(size), found).reshape(shape, order='F' if in_columns else 'C')


def _check(loss: PerceptualLoss) -> None:
    """Raises ValueError or LookupError for a network that cannot be built, or has other maps."""
    with tf.Graph().as_default():
        pictures = tf.placeholder(tf.float32, [None, None, None, loss.network.channels])
        maps = loss.network.perceive(pictures, list({**loss.grams, loss.content_layer: None}))
    for layer, grams in loss.grams.items():
        count = maps[layer].shape.as_list()[-1]
        if maps[layer].shape.rank != 4 or grams.shape != (loss.styles, count, count) or not loss.styles:
            raise ValueError(f'the Gram matrices of a layer have the shape {list(grams.shape)}')


def targets_of(
    network: PerceptualNetwork, picture: np.ndarray, layers: Sequence[str]
) -> dict[str, np.ndarray]:
    """Returns layer -> Gram matrix [maps, maps] of a picture, float32 [height, width, channels] in [0, 1]."""
    with tf.Graph().as_default(), tf.Session() as session:
        maps = network.perceive(tf.constant(picture[np.newaxis]), layers)
        grams = {layer: gram_matrices(values)[0] for layer, values in maps.items()}
        session.run(tf.local_variables_initializer())
        found: dict[str, np.ndarray] = session.run(grams)
        return found


def built_in_perceptual_loss(channels: int) -> PerceptualLoss:
    """Returns the default: random filters, and a drawn pattern as style, for pictures of 1 or 3 channels."""
    network = random_network(channels)
    targets = targets_of(network, pattern(channels), list(RANDOM_LAYERS))
    grams = {layer: gram[np.newaxis] for layer, gram in targets.items()}
    return PerceptualLoss(network, _RANDOM_CONTENT, grams)


def pattern(channels: int) -> np.ndarray:
    """Returns the built-in style: rings of ink and two colours, float32 [128, 128, channels] in [0, 1]."""
    across, down = np.meshgrid(*2 * [np.linspace(-1, 1, _PATTERN_SIDE, dtype=np.float32)])
    rings = np.sin(40 * np.hypot(across - 0.3, down + 0.2) + 3 * np.sin(5 * across))
    hatching = np.sin(60 * (across + down))
    ink = np.clip(0.5 + 2 * rings + hatching, 0, 1)[..., np.newaxis]
    share = (0.5 + 0.5 * np.sin(7 * down - 4 * across))[..., np.newaxis]
    colours = share * np.array([0.1, 0.3, 0.6]) + (1 - share) * np.array([0.9, 0.5, 0.1])
    picture = (ink * colours + (1 - ink) * 0.95).astype(np.float32)
    return picture if channels == 3 else picture.mean(axis=2, keepdims=True)
