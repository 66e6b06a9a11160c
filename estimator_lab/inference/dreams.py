"""What a model has learned, as pictures: samples, or gradient ascent on a photo, noise or each channel."""

import contextlib
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.keys import to_unit_range
from estimator_lab.base.outputs import check_suffix, written
from estimator_lab.base.progress import Progress
from estimator_lab.base.settings import path_from
from estimator_lab.core.abilities import Draws, HasNetwork
from estimator_lab.core.endpoints import LOGITS, maps_of
from estimator_lab.core.model import AnyModel
from estimator_lab.core.picture import as_picture, labelled_grid
from estimator_lab.core.registry import MODELS, find_model
from estimator_lab.data.archives.one_example import read_example
from estimator_lab.data.examples.member import BadExampleError
from estimator_lab.data.images.decode import GREY, open_image
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.inference.ascent import MOST_SIDE, AscentObjective, Layer, OnProgress, climb, climb_waves
from estimator_lab.inference.samples import PICTURES, Samples, check_known, format_of, sample
from estimator_lab.inference.settings import DreamSettings
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import Tensor, tf

_ASCENDS = {'layer', 'channel', 'image', 'size', 'atlas'}  # settings with a meaning for gradient ascent alone
_OF_ASCENT = {'label', 'count', 'steps', 'seed', *_ASCENDS}
_MOST_LISTED = 40  # layers
_STEPS = 10  # in each octave of a photo: DeepDream's
_STEPS_OF_OUTLINES, _STEPS_OF_STROKES = 120, 60
_ATLAS_SIDE = 96
_LEAST_TILE, _MOST_TILE = 96, 160
_JPEG_QUALITY = 95
_SHOWN = 1024  # pixels of the longer side in TensorBoard


@dataclass(frozen=True)
class Dream:
    """A picture made by gradient ascent.

    Attributes:
      what: was maximized, in words.
      before: the objective at the start, of each channel of an atlas, float64 [n].
      after: the same at the end.
      notes: further sentences about the picture.
    """

    run: Trained
    what: str
    image: Image.Image
    before: np.ndarray
    after: np.ndarray
    notes: Sequence[str] = ()

    def picture(self) -> Image.Image:
        """Returns the picture."""
        return self.image

    def text(self) -> str:
        """Returns what was maximized, and how far."""
        if len(self.after) > 1:
            silent = int((self.after == 0).sum())
            note = f'; {silent} of them respond to nothing' if silent else ''
            return f'{len(self.after)} channels of {self.what}{note}'
        before, after = float(self.before[0]), float(self.after[0])
        times = f', {after / before:.1f} times as much' if 0 < before < after else ''
        size = f'{self.image.width}x{self.image.height} pixels'
        return f'{self.what}, {size}; objective {before:.4g} at the start, {after:.4g} at the end{times}'

    def for_tensorboard(self) -> dict[str, Image.Image]:
        """Returns the picture by its name there, made smaller if it is large."""
        small = self.image.copy()
        small.thumbnail((_SHOWN, _SHOWN))
        return {self.what: small}

    def save(self, path: str | Path) -> None:
        """Writes the picture.

        Raises:
          FlagError: the path can't be written, or does not name a picture.
          LabError: the disk is full.
        """
        path = path_from('path', path)
        check_suffix('out', path, PICTURES)
        with written('out', path) as file:
            self.image.save(file, format_of(path), quality=_JPEG_QUALITY)


def ascend(run: Trained, settings: DreamSettings) -> Dream:
    """Changes a photo or noise such that a layer, one of its channels or a class responds more.

    Raises:
      FlagError: the layer, channel or label does not exist; settings exclude each other; the image is too
        small.
      DataError: the photo can't be read.
      LabError: TensorFlow fails.
    """
    _check_together(settings)
    layer, channel = _goal(run, settings)
    channels = list(range(min(settings.count, layer.channels))) if settings.atlas else [channel or 0]
    photo = open_photo(settings.image) if settings.image else None
    sides = _sides(settings, layer) if photo is None else photo.shape[1:3]
    _check_size(run, settings, layer, sides)
    with (
        tensorflow_errors_as_sentences(),
        contextlib.closing(Progress('Dreaming')) as progress,
        AscentObjective(run, layer, settings.atlas or channel is not None) as objective,
    ):
        on_progress = partial(progress, layer.name)
        if photo is None:
            before, images, after = from_noise(
                objective, (*sides, run.shape.channels), channels, settings, on_progress
            )
        else:
            seen = seen_by(photo, run.shape.channels)
            rng = np.random.default_rng(settings.seed)
            images = climb(objective, seen, channels, settings.steps or _STEPS, rng, on_progress)
            before, after = objective(seen, channels), objective(images, channels)
    names = [run.labels[number] if layer.name == LOGITS else str(number) for number in channels]
    if settings.atlas:
        tile = max(min(images.shape[1], _MOST_TILE), _LEAST_TILE)
        grid = labelled_grid(images, names, tile=tile, title=f'What increases each channel of {layer.name}')
        return Dream(run, layer.name, grid, before, after)
    what, notes = layer.name, []
    if channel is not None:
        what = names[0] if layer.name == LOGITS else f'channel {channel} of {layer.name}'
    if photo is not None and run.shape.channels < photo.shape[3]:
        notes = ['the network sees grey: the photo keeps its colours, only their brightness changes']
        images = np.clip(photo + (images - seen), 0, 1)
    if not after > before:
        notes.append(f'{what} did not increase: nothing in this image resembles what it responds to')
    return Dream(run, what, as_picture(images[0]), before, after, notes)


def from_noise(
    objective: AscentObjective,
    shape: Sequence[int],
    channels: Sequence[int],
    settings: DreamSettings,
    on_progress: OnProgress,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Begins at noise of a shape, (height, width, channels), for each channel of the layer.

    Returns:
      (the objectives at the start, float64 [n]; the pictures, float32 [n, height, width, channels] in [0, 1];
      the objectives at the end, 0 for a channel that never responds.)
    """
    at_once = max(MOST_SIDE**2 // (shape[0] * shape[1]), 1)
    usual = _STEPS_OF_OUTLINES if objective.layer.sees_whole_images else _STEPS_OF_STROKES
    steps = settings.steps or usual
    parts = []
    for first in range(0, len(channels), at_once):
        part = channels[first : first + at_once]

        def of_all(share: float, first: int = first, count: int = len(part)) -> None:
            on_progress((first + count * share) / len(channels))

        rng = np.random.default_rng(settings.seed)
        begin, end = climb_waves(objective, (len(part), *shape), part, steps, rng, of_all)
        parts.append((objective(begin, part), end, objective(end, part)))
    before, images, after = map(np.concatenate, zip(*parts, strict=True))
    return before, images, after


def _goal(run: Trained, settings: DreamSettings) -> tuple[Layer, int | None]:
    """Returns the layer, and its channel that counts; None for all."""
    name = settings.layer or (LOGITS if settings.label else '')
    takes_middle = not name and settings.image and settings.channel is None
    layer, channel = find_layer(run, None if takes_middle else name), settings.channel
    if channel is not None and channel >= layer.channels:
        raise FlagError(
            f'{option.channel}={channel} is out of range: {layer.name} has {layer.channels} channels, 0 to '
            f'{layer.channels - 1}.'
        )
    return layer, run.class_id(settings.label) if settings.label else channel


def _check_together(settings: DreamSettings) -> None:
    """Raises FlagError for flags that exclude each other."""
    given = {
        option.label: bool(settings.label),
        option.channel: settings.channel is not None,
        option.atlas: settings.atlas,
    }
    goals = [name for name, is_given in given.items() if is_given]
    if len(goals) > 1:
        raise FlagError(f'{goals[0]} and {goals[1]} exclude each other: each says what to maximize.')
    if settings.label and settings.layer not in ('', LOGITS):
        raise FlagError(
            f'{option.label}={settings.label} looks at the last layer: {option.layer}={settings.layer} has '
            'no meaning.'
        )
    if settings.atlas and settings.image:
        raise FlagError(
            f'{option.image} has no meaning for {option.atlas}, which begins each channel with noise.'
        )
    if settings.image and settings.size:
        raise FlagError(
            f'{option.size}={settings.size} has no meaning for {option.image}, which keeps its own size.'
        )


def _sides(settings: DreamSettings, layer: Layer) -> tuple[int, int]:
    """Returns (height, width) of a dream without a photo."""
    if settings.size:
        return settings.size, settings.size
    height, width = layer.sides
    if settings.atlas and not layer.fixed:
        return min(height, _ATLAS_SIDE), min(width, _ATLAS_SIDE)
    return height, width


def _check_size(run: Trained, settings: DreamSettings, layer: Layer, sides: Sequence[int]) -> None:
    """Raises FlagError if an image is too small for the network."""
    least = layer.sides if layer.fixed else (layer.smallest, layer.smallest)
    if sides[0] < least[0] or sides[1] < least[1]:
        given = f'{option.image}={settings.image}' if settings.image else f'{option.size}={sides[0]}'
        raise FlagError(
            f'{given} has {sides[1]}x{sides[0]} pixels, but {layer.name} of {run.model_dir} '
            f'needs {least[1]}x{least[0]} or more.'
        )


def open_photo(place: str) -> np.ndarray:
    """Returns the pixels of a photo, float32 [1, height, width, 1 or 3] in [0, 1].

    Raises:
      DataError: it does not exist, or is not an image.
    """
    try:
        image = open_image(read_example(place, IMAGES).data)
    except BadExampleError as reason:
        raise DataError(f'{option.image}={place} cannot be decoded: {reason}.') from reason
    return to_unit_range(np.asarray(image)).reshape(1, image.height, image.width, -1)


def seen_by(photo: np.ndarray, channels: int) -> np.ndarray:
    """Returns what a network of 1 or 3 channels sees of a photo, float32 [1, height, width, channels]."""
    if channels == photo.shape[3]:
        return photo
    return (photo @ GREY)[..., np.newaxis] if channels == 1 else np.repeat(photo, channels, axis=3)


def find_layer(run: Trained, name: str | None) -> Layer:
    """Returns a layer of a trained network, in a graph of its own; None for the middle one.

    That is the convolution two thirds of the way up: lower ones see strokes only, higher ones whole objects
    that few photos resemble.

    Raises:
      FlagError: the layer does not exist.
    """
    for sides in ((None, None), run.shape[:2]):  # for images of any size if possible
        images, layers = _build(run, sides)
        maps = list(maps_of(layers))
        chosen = maps[2 * len(maps) // 3] if name is None and maps else name
        if chosen in layers:
            smallest = _smallest_side(run) if None in sides else max(run.shape[:2])
            return Layer(chosen, images, layers[chosen], run.shape[:2], smallest)
    if not layers:
        raise FlagError(f'{option.model_dir}={run.model_dir} holds a network that publishes no layers.')
    if name == LOGITS:
        problem = f'{option.label} needs a network with classes, which {run.model_dir} does not hold'
    elif name:
        problem = f'{option.layer}={name} is not a layer of {run.model_dir}'
    else:
        problem = f'{option.layer} is missing'
    more = f' and {len(layers) - _MOST_LISTED:,} more' if len(layers) > _MOST_LISTED else ''
    raise FlagError(f'{problem}; there are {", ".join(list(layers)[:_MOST_LISTED])}{more}.')


def _build(run: Trained, sides: Sequence[int | None]) -> tuple[Tensor, dict[str, Tensor]]:
    """Returns images of these sides, and the layers that can be built for them, in a graph of their own."""
    layers = {}
    assert isinstance(run.architecture, HasNetwork), 'a model whose layers can be looked at'
    with tf.Graph().as_default():
        images = tf.placeholder(tf.float32, [None, *sides, run.shape.channels])
        try:
            for name, tensor in run.architecture.network(images, run.params):
                layers[name] = tensor
        except (TypeError, ValueError):  # the first layer that needs images of a known size
            if None not in sides:
                raise
    return images, layers


def _smallest_side(run: Trained) -> int:
    """Returns the side of the smallest image that the model's check accepts."""
    own = min(run.shape[:2])
    for side in range(1, own):
        shape = (side, side, run.shape.channels)
        with contextlib.suppress(FlagError):
            dataclasses.replace(run.params, image_shape=shape).check()
            return side
    return own


def make_dream(run: Trained, settings: DreamSettings, given: frozenset[str]) -> Dream | Samples:
    """Returns what a model has learned: samples, or by gradient ascent if one of its settings is given.

    Raises as `Run.dream`, and FlagError if a setting that the user gave does not apply to this model.
    """
    if not _draws(run.architecture):
        able = ', '.join(name for name in MODELS if _draws(find_model(name)))
        raise FlagError(
            f'{option.model_dir}={run.model_dir} holds {option.model}={run.model}, which does not dream: '
            f'{able} do.'
        )
    if not ascends(run, given):
        return sample(run, settings, given)
    check_known(run, given, _OF_ASCENT, 'layers')
    if 'count' in given and not settings.atlas:
        raise FlagError(f'{option.count} has no meaning without {option.atlas}, see --help.')
    return ascend(run, settings)


def ascends(run: Trained, given: frozenset[str]) -> bool:
    """Returns whether a model is drawn by gradient ascent, given the settings that the user gave."""
    model = run.architecture
    return isinstance(model, HasNetwork) and bool(given & _ASCENDS or not isinstance(model, Draws))


def _draws(model: AnyModel) -> bool:
    return isinstance(model, Draws | HasNetwork)
