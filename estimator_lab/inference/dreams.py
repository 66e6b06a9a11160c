"""Gradient ascent as `dream` requests it: on a photo or noise, or for each channel of a layer."""

import contextlib
import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.keys import to_unit_range
from estimator_lab.base.outputs import check_suffix, written
from estimator_lab.base.progress import Progress
from estimator_lab.core.endpoints import LOGITS, maps_of
from estimator_lab.core.picture import as_picture, labelled_grid
from estimator_lab.data.examples import read_example
from estimator_lab.data.images.decode import open_image
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.member import BadExampleError
from estimator_lab.inference.ascent import MOST_SIDE, Layer, Objective, climb, climb_waves, octave_sizes
from estimator_lab.inference.samples import PICTURES, format_of
from estimator_lab.inference.settings import DreamSettings
from estimator_lab.runs.model import Trained
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.tf1 import Tensor, tf

_MOST_LISTED = 40  # layers
_STEPS, _PACE = 10, 1.5  # in each octave of a photo: DeepDream's
_STEPS_OF_NOISE, _PACE_OF_NOISE, _NOISE = 80, 4.0, 0.05  # steps in all octaves, from noise around grey
_STEPS_OF_WAVES = 120
# With classes and dense layers, people and other networks recognise the result only if coarse outlines come
# first.
_SMOOTHINGS_A_SIDE = 14, 60
_SMOOTHINGS = 0.5, 0.5  # pixels, of other layers
_ATLAS_SIDE = 96
_LEAST_TILE, _MOST_TILE = 96, 160
_GREY = 0.5
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # of ITU-R BT.601, as Pillow's
_JPEG_QUALITY = 95
_SHOWN = 1024  # pixels of the longer side in TensorBoard


@dataclass(frozen=True)
class Dream:
    """A picture made by gradient ascent.

    Attributes:
      run: the network.
      what: was maximized, in words.
      image: the picture.
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

    def thumbnail(self) -> Image.Image:
        """Returns the picture, made smaller if it is large."""
        small = self.image.copy()
        small.thumbnail((_SHOWN, _SHOWN))
        return small

    def save(self, path: Path) -> None:
        """Writes the picture.

        Raises:
          FlagError: the path can't be written, or is not that of a picture.
          LabError: the disk is full.
        """
        check_suffix('out', path, PICTURES)
        with written('out', path) as file:
            self.image.save(file, format_of(path), quality=_JPEG_QUALITY)


def dream(run: Trained, settings: DreamSettings) -> Dream:
    """Changes a photo or noise such that a layer, one of its channels or a class responds more.

    Args:
      run: a model with a `network`.
      settings: what is maximized.

    Raises:
      FlagError: the layer, channel or label does not exist; settings exclude each other; the image is too
        small.
      DataError: the photo can't be read.
      LabError: TensorFlow fails.
    """
    _check_together(settings)
    name = settings.layer or (LOGITS if settings.label else '')
    if not name and settings.image and settings.channel is None:
        name = middle_layer(run)
    layer, channel = find_layer(run, name), settings.channel
    if channel is not None and channel >= layer.channels:
        raise FlagError(
            f'--channel={channel} is out of range: {layer.name} has {layer.channels} channels, 0 to '
            f'{layer.channels - 1}.'
        )
    if settings.label:
        channel = run.class_id(settings.label)
    ascent = Ascent(run, layer, settings)
    with tensorflow_errors_as_sentences():
        return ascent.atlas() if settings.atlas else ascent.dream(channel)


def _check_together(settings: DreamSettings) -> None:
    """Raises FlagError for flags that exclude each other."""
    given = {
        '--label': bool(settings.label),
        '--channel': settings.channel is not None,
        '--atlas': settings.atlas,
    }
    asked = [name for name, there in given.items() if there]
    if len(asked) > 1:
        raise FlagError(f'{asked[0]} and {asked[1]} exclude each other: each says what to maximize.')
    if settings.label and settings.layer not in ('', LOGITS):
        raise FlagError(
            f'--label={settings.label} looks at the last layer: --layer={settings.layer} has no meaning.'
        )
    if settings.atlas and settings.image:
        raise FlagError('--image has no meaning for --atlas, which begins each channel with noise.')
    if settings.image and settings.size:
        raise FlagError(f'--size={settings.size} has no meaning for --image, which keeps its own size.')


@dataclass(frozen=True)
class Ascent:
    """Gradient ascent for a layer, with the parameters that suit it.

    Attributes:
      run: the network.
      layer: the layer.
      settings: what the user requested.
    """

    run: Trained
    layer: Layer
    settings: DreamSettings

    def dream(self, channel: int | None) -> Dream:
        """Returns the picture for a channel, or for all of them."""
        photo, place = None, self.settings.image
        images = self._grey(1)
        if place:
            photo = open_photo(place)
            images = seen_by(photo, self.run.shape.channels)
            self._check_size(f'--image={place}', images.shape[1:3])
        with (
            contextlib.closing(Progress('Dreaming')) as progress,
            self._objective(channel is not None) as objective,
        ):
            before, made, after = self._climb(objective, images, [channel or 0], progress)
        picture, notes = made[0], []
        if photo is not None and self.run.shape.channels < photo.shape[3]:
            notes = ['the network sees grey: the photo keeps its colours, only their brightness changes']
            picture = np.clip(photo + (made - images), 0, 1)[0]
        what = self.layer.name
        if channel is not None:
            text = self._channel_text(channel)
            what = text if what == LOGITS else f'channel {text} of {what}'
        if not after > before:
            notes.append(f'{what} did not increase: nothing in this image resembles what it responds to')
        return Dream(self.run, what, as_picture(picture), before, after, notes)

    def atlas(self) -> Dream:
        """Returns a grid with a picture of each channel from the first on."""
        before, images, after, names = self.of_channels()
        tile = max(min(images.shape[1], _MOST_TILE), _LEAST_TILE)
        title = f'What increases each channel of {self.layer.name}'
        return Dream(
            self.run, self.layer.name, labelled_grid(images, names, tile=tile, title=title), before, after
        )

    def of_channels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
        """Begins at noise for each channel from the first on, `settings.count` of them.

        Returns:
          (the objectives at the start, float64 [n]; the pictures, float32 [n, height, width, channels] in [0,
          1]; the objectives at the end, 0 for a channel that never responds; the names of the channels.)
        """
        channels = range(min(self.settings.count, self.layer.channels))
        height, width = self._own_size()
        at_once = max(MOST_SIDE**2 // (height * width), 1)
        parts = []
        with contextlib.closing(Progress('Dreaming')) as progress, self._objective(True) as objective:
            for first in channels[::at_once]:
                some = list(channels[first : first + at_once])
                done = first / len(channels), len(some) / len(channels)
                parts.append(self._climb(objective, self._grey(len(some)), some, progress, done))
        before, images, after = map(np.concatenate, zip(*parts, strict=True))
        return before, images, after, list(map(self._channel_text, channels))

    def _climb(
        self,
        objective: Objective,
        images: np.ndarray,
        channels: list[int],
        progress: Progress,
        done: tuple[float, float] = (0, 1),
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the objectives at the start, the pictures, and the objectives at the end."""
        _, height, width, _ = images.shape
        rng = np.random.default_rng(self.settings.seed)
        steps = self.settings.steps

        def told(share: float) -> None:
            progress(self.layer.name, done[0] + done[1] * share)

        if self.in_waves:
            images, made = climb_waves(objective, images.shape, channels, steps or _STEPS_OF_WAVES, rng, told)
        else:
            octaves = len(octave_sizes(height, width, self.layer.smallest))
            usual, pace, noise = -(-_STEPS_OF_NOISE // octaves), _PACE_OF_NOISE, _NOISE
            if self.settings.image:
                usual, pace, noise = _STEPS, _PACE, 0.0
            first, last = _SMOOTHINGS_A_SIDE
            side = min(height, width)
            smoothing = (side / first, side / last) if self._is_coarse else _SMOOTHINGS
            made = climb(objective, images, channels, steps or usual, rng, pace, noise, smoothing, told)
        return objective(images, channels), made, objective(made, channels)

    @property
    def in_waves(self) -> bool:
        """Whether the amplitudes of waves change instead of pixels."""
        return self.settings.image is None and not self._is_coarse

    @property
    def _is_coarse(self) -> bool:
        """Whether the layer sees whole images, so that coarse outlines come first."""
        return self.layer.fixed or self.layer.name == LOGITS

    def _channel_text(self, channel: int) -> str:
        """Returns the name of a channel: a label for the logits, else its number."""
        return self.run.labels[channel] if self.layer.name == LOGITS else str(channel)

    def _objective(self, by_channel: bool) -> Objective:
        return Objective(self.run, self.layer, by_channel)

    def _grey(self, count: int) -> np.ndarray:
        return np.full((count, *self._own_size(), self.run.shape.channels), _GREY, np.float32)

    def _own_size(self) -> tuple[int, int]:
        """Returns (height, width) of a dream without a photo."""
        side = self.settings.size
        height, width = self.layer.sides if side is None else (side, side)
        if side is None and self.settings.atlas and not self.layer.fixed:
            height, width = min(height, _ATLAS_SIDE), min(width, _ATLAS_SIDE)
        self._check_size('The dream' if side is None else f'--size={side}', (height, width))
        return height, width

    def _check_size(self, asked: str, size: Sequence[int]) -> None:
        """Raises FlagError if an image is too small for the network."""
        least = self.layer.sides if self.layer.fixed else (self.layer.smallest,) * 2
        if size[0] < least[0] or size[1] < least[1]:
            raise FlagError(
                f'{asked} has {size[1]}x{size[0]} pixels, but {self.layer.name} of {self.run.model_dir} '
                f'needs {least[1]}x{least[0]} or more.'
            )


def open_photo(place: str) -> np.ndarray:
    """Returns the pixels of a photo, float32 [1, height, width, 1 or 3] in [0, 1].

    Args:
      place: path of the file, or ARCHIVE:MEMBER.

    Raises:
      DataError: it does not exist, or is not an image.
    """
    try:
        image = open_image(read_example(place, IMAGES).data)
    except BadExampleError as reason:
        raise DataError(f'--image={place} cannot be decoded: {reason}.') from reason
    return to_unit_range(np.asarray(image)).reshape(1, image.height, image.width, -1)


def seen_by(photo: np.ndarray, channels: int) -> np.ndarray:
    """Returns what a network of 1 or 3 channels sees of a photo, float32 [1, height, width, channels]."""
    if channels == photo.shape[3]:
        return photo
    return (photo @ _LUMINANCE)[..., np.newaxis] if channels == 1 else np.repeat(photo, channels, axis=3)


def find_layer(run: Trained, name: str) -> Layer:
    """Returns a layer of a trained network.

    Args:
      run: a model with a `network`.
      name: of an endpoint.

    Raises:
      FlagError: the layer does not exist.
    """
    flexible, endpoints = _layers_of(run, (None, None)), _layers_of(run, run.shape[:2])
    if not endpoints:
        raise FlagError(f'--model_dir={run.model_dir} holds a network that publishes no layers.')
    if name not in endpoints:
        asked = f'--layer={name} is not a layer of {run.model_dir}' if name else '--layer is missing'
        if name == LOGITS:
            asked = f'--label needs a network with classes, which {run.model_dir} does not hold'
        more = f' and {len(endpoints) - _MOST_LISTED:,} more' if len(endpoints) > _MOST_LISTED else ''
        raise FlagError(f'{asked}; there are {", ".join(list(endpoints)[:_MOST_LISTED])}{more}.')
    fixed = name not in flexible
    sides = (run.shape.height, run.shape.width)
    channels = endpoints[name].shape.as_list()[-1]
    return Layer(name, channels, sides, fixed, max(sides) if fixed else _smallest_side(run))


def middle_layer(run: Trained) -> str:
    """Returns the name of the convolution two thirds of the way up; '' for a network without one.

    Lower ones see strokes only, higher ones whole objects that few photos resemble.
    """
    maps = list(maps_of(_layers_of(run, run.shape[:2])))
    return maps[2 * len(maps) // 3] if maps else ''


def _layers_of(run: Trained, sides: Sequence[int | None]) -> dict[str, Tensor]:
    """Returns the layers that can be built for images of these sides, by name; for their shapes only."""
    found = {}
    assert run.architecture.network, 'a model whose layers can be looked at'
    with tf.Graph().as_default():
        images = tf.placeholder(tf.float32, [None, *sides, run.shape.channels])
        try:
            for name, tensor in run.architecture.network(images, run.params):
                found[name] = tensor
        except (TypeError, ValueError):  # the first layer that needs images of a known size
            if None not in sides:
                raise
    return found


def _smallest_side(run: Trained) -> int:
    """Returns the side of the smallest image that the model's check accepts."""

    def fits(side: int) -> bool:
        shape = (side, side, run.shape.channels)
        try:
            run.architecture.check(dataclasses.replace(run.params, image_shape=shape))
        except FlagError:
            return False
        return True

    return next(side for side in itertools.count(1) if fits(side) or side >= min(run.shape[:2]))
