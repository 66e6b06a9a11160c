"""The perceptual loss: a perceptual network, and its Gram matrices for the picture of each style."""

import hashlib
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from estimator_lab.base.regular_files import open_regular
from estimator_lab.core.model.array_file import read_array, write_arrays
from estimator_lab.core.style.losses import gram_matrices
from estimator_lab.core.style.network import OPERATIONS, PerceptualNetwork, random_network
from estimator_lab.errors import DataError
from estimator_lab.tf1 import tf

FILE = 'style.npz'
"""Name of the file in a model_dir, which replaces the styles' pictures and the network's own folder."""

_ABOUT = 'about'
_GRAPH = 'graph'
_LONGEST_REASON = 200
_UNUSABLE = (
    *(OSError, EOFError, zipfile.BadZipFile, DecodeError),
    *(ValueError, LookupError, TypeError, AttributeError, RuntimeError),
)
_MOST_NODES = 10_000
_MOST_LAYERS = 100
_MOST_VALUES = 2**28  # of one tensor in the graph: 64 maps of 2048 x 2048
_RANDOM_CONTENT = 'conv2'
_PATTERN_SIDE = 128


@dataclass(frozen=True)
class PerceptualLoss:
    """A perceptual network and the styles.

    Attributes:
      network: the network, for pictures of the size in training.
      content_layer: the layer of the content loss.
      grams: style layer -> Gram matrices, float32 [styles, maps, maps], in the order from input to output.
      origin: name -> digest of the files that it was made from.
    """

    network: PerceptualNetwork
    content_layer: str
    grams: Mapping[str, np.ndarray]
    origin: Mapping[str, str]

    @property
    def styles(self) -> int:
        """Number of styles."""
        return len(next(iter(self.grams.values())))

    def save(self, path: Path) -> None:
        """Writes it to a file, atomically."""
        network = self.network
        about = {
            'pictures': network.pictures,
            'layers': dict(network.layers),
            'weights': {name: list(value.shape) for name, value in network.weights.items()},
            'content_layer': self.content_layer,
            'style_layers': list(self.grams),
            'origin': dict(self.origin),
        }
        arrays = {
            _ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8),
            _GRAPH: np.frombuffer(network.graph.SerializeToString(deterministic=True), np.uint8),
            **{f'weights_{n}': value for n, value in enumerate(network.weights.values())},
            **{f'gram_{n}': value for n, value in enumerate(self.grams.values())},
        }
        write_arrays(path, arrays)


def load_perceptual_loss(path: Path) -> PerceptualLoss:
    """Reads a file of `PerceptualLoss.save`, which may be untrusted.

    Its graph will be run, so that only `OPERATIONS` are allowed in it.

    Raises:
      DataError: if it cannot be read, or contains something else.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return _loaded(archive)
    except _UNUSABLE as error:
        reason = str(error).rstrip('.')[:_LONGEST_REASON]
        raise DataError(f'{path} has no usable style: {reason}.') from error


def _loaded(archive: zipfile.ZipFile) -> PerceptualLoss:
    about = json.loads(read_array(archive, _ABOUT, '|u1', (None,)).tobytes())
    graph = tf.GraphDef.FromString(read_array(archive, _GRAPH, '|u1', (None,)).tobytes())
    _check_graph(graph)
    layers, style_layers = dict(about['layers']), list(about['style_layers'])
    if not 0 < len(style_layers) <= len(layers) <= _MOST_LAYERS or about['content_layer'] not in layers:
        raise ValueError('it names layers that its network does not have')
    weights = {}
    for number, (name, shape) in enumerate(dict(about['weights']).items()):
        weights[name] = read_array(archive, f'weights_{number}', '<f4', tuple(map(int, shape)))
    grams: dict[str, np.ndarray] = {}
    for number, layer in enumerate(style_layers):
        grams[layer] = read_array(archive, f'gram_{number}', '<f4', (None, None, None))
        styles, *sides = grams[layer].shape
        if not styles or sides[0] != sides[1] or layer not in layers or styles != len(grams[style_layers[0]]):
            raise ValueError(f'the Gram matrices of a layer have the shape {list(grams[layer].shape)}')
    if not all(np.isfinite(value).all() for value in (*weights.values(), *grams.values())):
        raise ValueError('some of its numbers are not finite')
    network = PerceptualNetwork(graph, str(about['pictures']), layers, weights)
    _check_network(network, grams)
    return PerceptualLoss(network, about['content_layer'], grams, dict(about['origin']))


def _check_graph(graph: Any) -> None:
    """Raises ValueError for a graph that could do more than compute maps of pictures."""
    if len(graph.node) > _MOST_NODES or graph.library.function:
        raise ValueError('its graph is not that of a perceptual network')
    for node in graph.node:
        if node.op not in OPERATIONS:
            raise ValueError(f'its graph has the operation {node.op[:40]!r}')


def _check_network(network: PerceptualNetwork, grams: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError for a network that cannot be built, has other maps, or needs too much memory."""
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(network.graph, name='')
        for operation in graph.get_operations():
            for output in operation.outputs:
                sides = [side or 1 for side in output.shape.as_list()] if output.shape.rank else []
                if math.prod(sides) > _MOST_VALUES:
                    raise ValueError(f'its graph has a tensor of {math.prod(sides):,} values for a picture')
        for layer, name in network.layers.items():
            maps = graph.get_tensor_by_name(name).shape
            if maps.rank != 4 or (layer in grams and maps.as_list()[3] != grams[layer].shape[1]):
                raise ValueError(f'its layer {layer!r} has the shape {maps}')
        graph.get_tensor_by_name(network.pictures)


def targets_of(
    network: PerceptualNetwork, picture: np.ndarray, layers: Sequence[str]
) -> dict[str, np.ndarray]:
    """Returns layer -> Gram matrix of a picture, float32 [maps, maps].

    Args:
      network: a network for pictures of this size.
      picture: float32 [height, width, channels] in [0, 1].
      layers: names of the layers.
    """
    with tf.Graph().as_default(), tf.Session() as session:
        maps = network.in_graph()(tf.constant(picture[np.newaxis]), layers)
        grams = {layer: gram_matrices(values)[0] for layer, values in maps.items()}
        session.run(tf.local_variables_initializer())
        found: dict[str, np.ndarray] = session.run(grams)
        return found


def built_in_perceptual_loss(channels: int) -> PerceptualLoss:
    """Returns the default: random filters, and a drawn pattern as style, for pictures of 1 or 3 channels."""
    network = random_network(channels)
    targets = targets_of(network, pattern(channels), list(network.layers))
    grams = {layer: gram[np.newaxis] for layer, gram in targets.items()}
    return PerceptualLoss(network, _RANDOM_CONTENT, grams, {})


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


def digest(*parts: bytes) -> str:
    """Returns a short digest of some contents, 16 hexadecimal digits."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()[:16]
