"""The perceptual loss: a network with fixed weights, and its Gram matrices for the picture of each style.

Johnson et al. 2016 call it the loss network. A model's `style.npz` holds it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from estimator_lab.core.endpoints import Layers
from estimator_lab.models.fixed_network import (
    FixedNetwork,
    network_in,
    open_network,
    read_array,
    write_network,
)
from estimator_lab.models.style.losses import gram_matrices
from estimator_lab.tf1 import Tensor, tf

FILE = 'style.npz'
"""Name of the file in a model_dir, which replaces the styles' pictures and the network's own folder."""

RANDOM_LAYERS = {'conv1': 32, 'conv2': 64, 'conv3': 128, 'conv4': 128}
"""Name -> maps of each layer of the network of random filters."""

_MOST_LAYERS = 100
_RANDOM_CONTENT = 'conv2'
_RANDOM_SEED = 2016
_PATTERN_SIDE = 128


class RandomNetwork(FixedNetwork):
    """A network of random filters, which belongs to no model: its name is ''."""

    def layers(self, images: Tensor) -> Layers:
        """Yields its layers; see `FixedNetwork.layers`."""
        return _random_layers(images)


def random_network(channels: int) -> RandomNetwork:
    """Returns a network of random filters for pictures of any size, for use without a trained network.

    Random filters distinguish textures (Ustyuzhaninov et al. 2016, 'Texture synthesis using shallow
    convolutional networks with random filters'), objects less well.
    """
    random, inputs = np.random.default_rng(_RANDOM_SEED), channels
    weights: dict[str, np.ndarray] = {}
    for name, count in RANDOM_LAYERS.items():
        size = (3, 3, inputs, count)
        # He et al. 2015: keeps the scale of the activations.
        weights[name] = random.normal(0, np.sqrt(2 / np.prod(size[:3])), size).astype(np.float32)
        inputs = count
    return RandomNetwork('', {}, channels, weights)


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

    network: FixedNetwork
    content_layer: str
    grams: Mapping[str, np.ndarray]

    @property
    def styles(self) -> int:
        """Number of styles."""
        return len(next(iter(self.grams.values())))

    def save(self, path: Path) -> None:
        """Writes it to a file, atomically."""
        more = {'content_layer': self.content_layer, 'style_layers': list(self.grams)}
        grams = {f'gram_{number}': value for number, value in enumerate(self.grams.values())}
        write_network(path, self.network, more, grams)


def load_perceptual_loss(path: Path) -> PerceptualLoss:
    """Reads a file of `PerceptualLoss.save`, which may be untrusted.

    Raises:
      DataError: it cannot be read, or contains something else.
    """
    with open_network(path, 'style') as (archive, about):
        layers = list(map(str, about['style_layers']))
        if not 0 < len(layers) <= _MOST_LAYERS:
            raise ValueError('it has no layers')
        network = network_in(archive, about, FixedNetwork if about['model'] else RandomNetwork)
        grams = {
            layer: read_array(archive, f'gram_{number}', '<f4', (None, None, None))
            for number, layer in enumerate(layers)
        }
        loss = PerceptualLoss(network, str(about['content_layer']), grams)
        _check(loss)
        return loss


def _check(loss: PerceptualLoss) -> None:
    """Raises ValueError or LookupError for a network that cannot be built, or has other maps."""
    with tf.Graph().as_default():
        pictures = tf.placeholder(tf.float32, [None, None, None, loss.network.channels])
        maps = loss.network.perceive(pictures, list({**loss.grams, loss.content_layer: None}))
    for layer, grams in loss.grams.items():
        count = maps[layer].shape.as_list()[-1]
        if maps[layer].shape.rank != 4 or grams.shape != (loss.styles, count, count) or not loss.styles:
            raise ValueError(f'the Gram matrices of a layer have the shape {list(grams.shape)}')


def targets_of(network: FixedNetwork, picture: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
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
