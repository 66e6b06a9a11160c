"""Makes the targets of style transfer: --hparams=perceptual=MODEL_DIR,style_image=wave.jpg.

The perceptual network is frozen up to the last layer used. With the Gram matrices of the style pictures it is
saved in the run's folder.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.base.printable import safe_name
from estimator_lab.console.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.conventions import IMAGE, to_unit_range
from estimator_lab.core.heads.model import AnyModel
from estimator_lab.core.model.endpoints import Endpoint, published
from estimator_lab.core.style.network import OPERATIONS, PerceptualNetwork, random_network, without_weights
from estimator_lab.core.style.perceptual_loss import (
    FILE,
    PerceptualLoss,
    digest,
    load_perceptual_loss,
    pattern,
    targets_of,
)
from estimator_lab.data.examples import read_example
from estimator_lab.data.files import SkippedFiles
from estimator_lab.data.folder import files_below
from estimator_lab.data.images.decode import open_image
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.member import BadExampleError
from estimator_lab.errors import DataError, FlagError
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.runs.record import Record
from estimator_lab.tf1 import tf

_NETWORK_FLAG, _PICTURE_FLAG = '--hparams=perceptual', '--hparams=style_image'
_SMALLEST_SIDE = 32  # pixels of a style picture
_MOST_OBLONG = 8
_MOST_STYLES = 64
_LONGEST_PLACE = 200  # characters, as in a record
_STYLE_LAYERS = 4  # by default
_CONTENT_LAYER = 1  # of these


@dataclass(frozen=True)
class Style:
    """A style picture.

    Attributes:
      name: of the style.
      data: the encoded picture.
      place: its path, for errors.
    """

    name: str
    data: bytes
    place: str

    def picture(self, channels: int, side: int) -> np.ndarray:
        """Returns its pixels, float32 [height, width, channels] in [0, 1].

        Args:
          channels: 1 or 3.
          side: pixels of the shorter side; larger pictures are scaled down to it.

        Raises:
          DataError: it is not a picture, or too small.
        """
        try:
            image = open_image(self.data)
        except BadExampleError as error:
            raise DataError(f'{_PICTURE_FLAG}={self.place} is not a picture: {error}.') from error
        shorter, longer = sorted(image.size)
        if shorter < _SMALLEST_SIDE or longer > _MOST_OBLONG * shorter:
            raise DataError(
                f'{_PICTURE_FLAG}={self.place} has {image.width} x {image.height} pixels: a style needs at '
                f'least {_SMALLEST_SIDE} across and down, and no side {_MOST_OBLONG} times the other.'
            )
        image = image.convert('L' if channels == 1 else 'RGB')
        if shorter > side:
            width, height = (round(length * side / shorter) for length in image.size)
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        return to_unit_range(np.asarray(image).reshape(image.height, image.width, channels))


@dataclass(frozen=True)
class StyleTargets:
    """What a style model learns.

    Attributes:
      perceptual_loss: the network with the Gram matrices of the styles.
      styles: names of the styles.
    """

    perceptual_loss: PerceptualLoss
    styles: tuple[str, ...]


def open_style_targets(
    model: AnyModel, params: Any, model_dir: Path, previous: Record | None
) -> StyleTargets | None:
    """Returns the style targets of a run, from its folder if it goes on; None for other models.

    Args:
      model: the run's.
      params: its resolved parameters, with the size of the images.
      model_dir: the run's folder.
      previous: the record in that folder; None for a new one.

    Raises:
      FlagError: the network lacks a layer; the run began with other pictures or another network.
      DataError: a picture or a network can't be used.
    """
    if model.transform_net is None:
        return None
    for name in ('style_image', 'perceptual'):
        if len(getattr(params, name)) > _LONGEST_PLACE:
            raise FlagError(f'--hparams={name} has more than {_LONGEST_PLACE} characters: name a folder.')
    path = model_dir / FILE
    if previous is None or previous.model != model.name or not path.exists():
        return make_style_targets(params)
    perceptual_loss = load_perceptual_loss(path)
    _check_unchanged(params, previous, perceptual_loss, model_dir)
    styles = previous.hparams.get('styles')
    if not isinstance(styles, list) or [type(name) for name in styles] != [str] * perceptual_loss.styles:
        raise DataError(f'{path} has {perceptual_loss.styles} styles, but experiment.json lists others.')
    return StyleTargets(perceptual_loss, tuple(styles))


def make_style_targets(params: Any) -> StyleTargets:
    """Returns the style targets for these parameters; raises the errors of `open_style_targets`."""
    styles = read_styles(params.style_image)
    channels = params.image_shape[2]
    pictures = [style.picture(channels, params.style_size) for style in styles] or [pattern(channels)]
    source: _Source = _FolderSource(_open_network(params)) if params.perceptual else _RandomSource(channels)
    style_layers, content_layer = chosen_layers(source.layers(params.image_shape), params)
    wanted = list({**dict.fromkeys(style_layers), content_layer: None})
    network = source.network(params.image_shape, wanted)
    found = [targets_of(source.network(one.shape, style_layers), one, style_layers) for one in pictures]
    grams = {layer: np.stack([targets[layer] for targets in found]) for layer in style_layers}
    weights = digest(*(value.tobytes() for value in network.weights.values()))
    origin = {'style_image': _digest_of(styles), 'perceptual': weights}
    names = tuple(style.name for style in styles) or type(params).styles
    return StyleTargets(PerceptualLoss(network, content_layer, grams, origin), names)


def read_styles(places: str) -> list[Style]:
    """Returns style pictures.

    Args:
      places: paths with + between them, or a folder; '' for none.

    Raises:
      DataError: a picture does not exist or can't be read; a folder has none.
      FlagError: there are too many.
    """
    if places and Path(places).is_dir():
        found = files_below(places, IMAGES, SkippedFiles())
        files = sorted(str(Path(places, path)) for path, *_ in found)
        if not files:
            raise DataError(f'{_PICTURE_FLAG}={places} holds no picture.')
    else:
        files = [places] if Path(places).is_file() else list(filter(None, places.split('+')))
    if len(files) > _MOST_STYLES:
        raise FlagError(f'{_PICTURE_FLAG}={places} are {len(files)} styles: {_MOST_STYLES} are allowed.')
    styles: list[Style] = []
    for file in files:
        try:
            data = read_example(file, IMAGES).data
        except DataError as error:
            raise DataError(f'{_PICTURE_FLAG}: {error}') from error
        name = safe_name(Path(file).stem)
        while name in {style.name for style in styles}:
            name += '_'
        styles.append(Style(name, data, file))
    return styles


def chosen_layers(layers: Mapping[str, Endpoint], params: Any) -> tuple[list[str], str]:
    """Returns the style layers, and the content layer.

    By default the style layers are the last convolution at each of the first four map sizes, for VGG-16
    conv1_2, conv2_2, conv3_3 and conv4_3; the content layer is the second of them, conv2_2 (Johnson et al.
    2016, section 4.1), or the only one.

    Args:
      layers: of the network, by name.
      params: the user's choice.

    Raises:
      FlagError: a layer does not exist; the message lists those that do.
      DataError: the network has no convolutions.
    """
    maps = {name: endpoint.values.shape.as_list()[1] for name, endpoint in layers.items() if endpoint.is_map}
    last_at = {size: name for name, size in maps.items()}
    if not last_at:
        raise DataError(
            f'{_NETWORK_FLAG}={params.perceptual} has no convolutions: name the folder of --model=vgg or cnn.'
        )
    usual = list(last_at.values())[:_STYLE_LAYERS]
    asked = [name.strip() for name in params.style_layers.split('+')] if params.style_layers else usual
    content = params.content_layer or usual[min(_CONTENT_LAYER, len(usual) - 1)]
    for flag, names in (('style_layers', asked), ('content_layer', [content])):
        for name in names:
            if name not in layers:
                raise FlagError(
                    f'--hparams={flag}={getattr(params, flag)}: the perceptual network has no layer '
                    f'{name!r}; it has {", ".join(layers)}.'
                )
    return [name for name in layers if name in asked], content


class _RandomSource:
    """Random filters, without --hparams=perceptual."""

    def __init__(self, channels: int) -> None:
        self._network = random_network(channels)

    def layers(self, shape: Sequence[int]) -> dict[str, Endpoint]:
        """Returns its layers, with maps of the sizes for pictures of that shape."""
        found = {}
        with tf.Graph().as_default():
            for number, name in enumerate(self._network.layers):
                side = max(shape[0] >> number, 1)
                maps = tf.placeholder(tf.float32, [None, side, side, 1])
                found[name] = Endpoint(maps, maps)
        return found

    def network(self, shape: Sequence[int], layers: Sequence[str]) -> PerceptualNetwork:
        """Returns the network."""
        return self._network


class _FolderSource:
    """A trained network, frozen for pictures of any size."""

    def __init__(self, trained: Trained) -> None:
        self._trained = trained

    def layers(self, shape: Sequence[int]) -> dict[str, Endpoint]:
        """Returns its layers with maps."""
        with tf.Graph().as_default() as graph:
            self._build(shape)
            found = published(graph)
            return {name: e for name, e in found.items() if e.values.shape.rank == 4}

    def network(self, shape: Sequence[int], layers: Sequence[str]) -> PerceptualNetwork:
        """Returns the network up to some layers, for pictures of that shape.

        Raises:
          DataError: it has an operation that is not allowed in a perceptual network.
          LabError: its checkpoint can't be restored.
        """
        with tf.Graph().as_default() as graph, tensorflow_errors_as_sentences():
            pictures = self._build(shape)
            tensors = {name: published(graph)[name].values for name in layers}
            outputs = [tensor.op.name for tensor in tensors.values()]
            needed = {
                node.name for node in tf.graph_util.extract_sub_graph(graph.as_graph_def(), outputs).node
            }
            variables = [v for v in tf.global_variables() if v.op.name in needed]
            with self._trained.session(variables) as session:
                frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), outputs)
        strange = {node.op for node in frozen.node} - OPERATIONS
        if strange:
            raise DataError(
                f'{_NETWORK_FLAG}={self._trained.model_dir} computes by {", ".join(sorted(strange))}, which '
                'no perceptual network does: name the folder of --model=vgg or cnn.'
            )
        parted, weights = without_weights(frozen, [v.op.name for v in variables])
        return PerceptualNetwork(parted, pictures.name, {n: t.name for n, t in tensors.items()}, weights)

    def _build(self, shape: Sequence[int]) -> Any:
        """Builds the network in the current graph; returns the placeholder for pictures."""
        trained = self._trained
        height, width, channels = shape
        own = trained.shape.channels
        tf.set_random_seed(0)  # --deterministic requires one, though nothing is random
        pictures = tf.placeholder(tf.float32, [None, *shape], IMAGE)
        seen = tf.tile(pictures, [1, 1, 1, own]) if channels == 1 else pictures
        params = dataclasses.replace(trained.params, image_shape=(height, width, own))
        try:
            dataclasses.replace(trained, params=params).predictions({IMAGE: seen})
        except FlagError as error:
            raise FlagError(f'{_NETWORK_FLAG}={trained.model_dir}: {error}') from error
        return pictures


_Source = _RandomSource | _FolderSource


def _open_network(params: Any) -> Trained:
    trained = open_trained(Path(params.perceptual), _NETWORK_FLAG)
    if not trained.kind.has_pixels:
        raise DataError(f'{_NETWORK_FLAG}={params.perceptual} looks at {trained.kind.noun}, not at images.')
    if trained.shape.channels == 1 and params.image_shape[2] == 3:
        raise DataError(
            f'{_NETWORK_FLAG}={params.perceptual} was trained on grey images: name one that was '
            'trained with --channels=3, or give --channels=1.'
        )
    return trained


def _check_unchanged(params: Any, previous: Record, perceptual_loss: PerceptualLoss, model_dir: Path) -> None:
    """Raises FlagError if a resumed run is given other pictures or another network."""
    found = {}
    if params.perceptual != previous.hparams.get('perceptual', ''):
        fresh = make_style_targets(dataclasses.replace(params, style_image='')).perceptual_loss
        found['perceptual'] = fresh.origin['perceptual']
    if params.style_image != previous.hparams.get('style_image', '') or _are_there(params.style_image):
        found['style_image'] = _digest_of(read_styles(params.style_image))
    for name, value in found.items():
        if perceptual_loss.origin.get(name) != value:
            raise FlagError(
                f'--model_dir={model_dir} was started with another --hparams={name} than '
                f'{getattr(params, name) or "none"}: name another folder, or none for a new one.'
            )


def _are_there(places: str) -> bool:
    return Path(places).exists() or all(Path(place).exists() for place in places.split('+'))


def _digest_of(styles: Sequence[Style]) -> str:
    return digest(*(style.data for style in styles))
