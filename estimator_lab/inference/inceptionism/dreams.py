"""Gradient ascent as `dream` requests it: on a photo or noise, or for each channel of a layer."""

import contextlib
from dataclasses import dataclass

import numpy as np

from estimator_lab.base.errors import FlagError
from estimator_lab.base.progress import Progress
from estimator_lab.core.endpoints import LOGITS
from estimator_lab.inference.inceptionism.ascent import (
    Ascent,
    Dreamt,
    dream,
    dream_waves,
    octave_sizes,
)
from estimator_lab.inference.inceptionism.photo import Photo, open_photo
from estimator_lab.inference.inceptionism.view import MOST_SIDE, Layer, View, find_layer, middle_layer
from estimator_lab.inference.settings import AscentSettings
from estimator_lab.runs.model import Trained

NOISE = 0.05
"""Standard deviation of the noise around grey at which a dream without a photo begins."""

_ITERATIONS, _STEP_SIZE = 10, 1.5  # DeepDream's
_ITERATIONS_OF_NOISE, _STEP_SIZE_OF_NOISE = 80, 4.0  # in all octaves
_ITERATIONS_OF_WAVES = 120
_JITTER, _JITTERS_A_SIDE = 32, 6
_TV = 0.1
_SMOOTHING = 0.5
# With classes and dense layers, people and other networks recognise the result only if coarse outlines come
# first.
_SMOOTHINGS_A_SIDE = 14, 60
_ATLAS_SIDE = 96
_GREY = 0.5


@dataclass(frozen=True)
class Dreamer:
    """A layer to maximize by gradient ascent on images.

    Attributes:
      trained: the network.
      layer: the layer.
      channel: the only channel to maximize; None for all.
      settings: what else was asked for.
      steps: of gradient ascent in each octave; None for the default.
      seed: of noise and jitter.
    """

    trained: Trained
    layer: Layer
    channel: int | None
    settings: AscentSettings
    steps: int | None
    seed: int

    @property
    def what(self) -> str:
        """What is maximized, in words."""
        name = self.layer.name
        if self.channel is None:
            return name
        return self.channel_text(self.channel) if name == LOGITS else f'channel {self.channel} of {name}'

    def channel_text(self, channel: int) -> str:
        """Returns the name of a channel: a label for the logits, else its number."""
        return self.trained.record.vocabulary[channel] if self.layer.name == LOGITS else str(channel)

    def photo(self) -> Photo:
        """Returns what the ascent begins at: the user's image, or plain grey.

        Raises:
          DataError: the image can't be read.
          FlagError: it is too small.
        """
        channels, place = self.trained.shape.channels, self.settings.image
        if place is None:
            return Photo(np.full((1, *self._own_size(), channels), _GREY, np.float32), channels)
        photo = open_photo('image', place, channels)
        self._check_size(f'--image={place}', photo.size)
        return photo

    def dream(self, photo: Photo) -> Dreamt:
        """Runs gradient ascent on a photo."""
        with (
            contextlib.closing(Progress('Dreaming')) as progress,
            self._view(self.channel is not None) as view,
        ):
            return self._climb(view, photo.seen, [self.channel or 0], progress)

    def atlas(self, count: int) -> tuple[np.ndarray, list[str], np.ndarray]:
        """Maximizes each channel of the layer, beginning at noise.

        Args:
          count: how many channels, from the first on.

        Returns:
          (float32 [n, height, width, channels] in [0, 1]; the names of the channels; the objectives, float64
          [n], 0 for a channel that never responds.)
        """
        size = self._own_size()
        at_once = max(MOST_SIDE**2 // (size[0] * size[1]), 1)
        channels = list(range(min(count, self.layer.channels)))
        found: list[Dreamt] = []
        with contextlib.closing(Progress('Dreaming')) as progress, self._view(True) as view:
            for first in range(0, len(channels), at_once):
                some = channels[first : first + at_once]
                grey = np.full((len(some), *size, self.trained.shape.channels), _GREY, np.float32)
                done = first / len(channels), len(some) / len(channels)
                found.append(self._climb(view, grey, some, progress, done))
        images = np.concatenate([dreamt.images for dreamt in found])
        return images, list(map(self.channel_text, channels)), np.concatenate([d.after for d in found])

    def _climb(
        self,
        view: View,
        images: np.ndarray,
        channels: list[int],
        progress: Progress,
        done: tuple[float, float] = (0, 1),
    ) -> Dreamt:
        ascent = self._ascent(images.shape[1:3], self.in_waves)

        def told(octave: int, iteration: int, share: float) -> None:
            octaves = '' if self.in_waves else f'octave {octave} of {len(ascent.sizes)}, '
            progress(f'{octaves}iteration {iteration} of {ascent.iterations}', done[0] + done[1] * share)

        rng = np.random.default_rng(self.seed)
        if self.in_waves:
            return dream_waves(view, images.shape, channels, ascent, rng, told)
        return dream(view, images, 0 if self.settings.image else NOISE, channels, ascent, rng, told)

    @property
    def in_waves(self) -> bool:
        """Whether the amplitudes of waves change instead of pixels."""
        return self.settings.image is None and not self._is_coarse

    @property
    def _is_coarse(self) -> bool:
        """Whether the layer sees whole images, so that coarse outlines come first."""
        return self.layer.fixed or self.layer.name == LOGITS

    def _view(self, by_channel: bool) -> View:
        return View(self.trained, self.layer, by_channel)

    def _own_size(self) -> tuple[int, int]:
        """Returns (height, width) of a dream without a photo."""
        side = self.settings.size
        size = self.layer.sides if side is None else (side, side)
        if side is None and self.settings.atlas and not self.layer.fixed:
            height, width = size
            size = min(height, _ATLAS_SIDE), min(width, _ATLAS_SIDE)
        self._check_size('The dream' if side is None else f'--size={side}', size)
        return size

    def _ascent(self, size: tuple[int, int], in_waves: bool = False) -> Ascent:
        """Returns the parameters for images of a size; fills in the defaults that depend on it."""
        octaves = octave_sizes(*size, self.layer.smallest)
        iterations, step_size = _ITERATIONS, _STEP_SIZE
        if in_waves:
            iterations = _ITERATIONS_OF_WAVES
        elif self.settings.image is None:
            iterations, step_size = -(-_ITERATIONS_OF_NOISE // len(octaves)), _STEP_SIZE_OF_NOISE
        return Ascent(
            octaves,
            self.steps or iterations,
            step_size,
            min(_JITTER, round(min(size) / _JITTERS_A_SIDE)),
            _TV,
            self._smoothing(min(size)),
        )

    def _smoothing(self, side: int) -> tuple[float, float]:
        """Returns the standard deviations of the Gaussian in the first step and in the last."""
        if not self._is_coarse:
            return _SMOOTHING, _SMOOTHING
        first, last = _SMOOTHINGS_A_SIDE
        return side / first, side / last

    def _check_size(self, asked: str, size: tuple[int, int]) -> None:
        """Raises FlagError if an image is too small for the network."""
        least = self.layer.sides if self.layer.fixed else (self.layer.smallest,) * 2
        if size[0] < least[0] or size[1] < least[1]:
            raise FlagError(
                f'{asked} has {size[1]}x{size[0]} pixels, but {self.layer.name} of {self.trained.model_dir} '
                f'needs {least[1]}x{least[0]} or more.'
            )


def open_dreamer(
    trained: Trained, settings: AscentSettings, label: str = '', steps: int | None = None, seed: int = 1
) -> Dreamer:
    """Opens the layer that the settings name.

    Args:
      trained: a model with a `network`.
      settings: of the ascent.
      label: the class to maximize; '' for none.
      steps: of gradient ascent in each octave; None for the default.
      seed: of noise and jitter.

    Raises:
      FlagError: the layer, channel or label does not exist, or settings exclude each other.
    """
    _check_together(settings, label)
    name = settings.layer or (LOGITS if label else '')
    if not name and settings.image and settings.channel is None:
        name = middle_layer(trained)
    layer = find_layer(trained, name)
    channel = settings.channel
    if channel is not None and channel >= layer.channels:
        raise FlagError(
            f'--channel={channel} is out of range: {layer.name} has {layer.channels} channels, 0 to '
            f'{layer.channels - 1}.'
        )
    if label:
        channel = trained.class_id(label)
    return Dreamer(trained, layer, channel, settings, steps, seed)


def _check_together(settings: AscentSettings, label: str) -> None:
    """Raises FlagError for flags that exclude each other."""
    given = {
        '--label': bool(label),
        '--channel': settings.channel is not None,
        '--atlas': settings.atlas,
    }
    asked = [name for name, there in given.items() if there]
    if len(asked) > 1:
        raise FlagError(f'{asked[0]} and {asked[1]} exclude each other: each says what to maximize.')
    if label and settings.layer not in ('', LOGITS):
        raise FlagError(f'--label={label} looks at the last layer: --layer={settings.layer} has no meaning.')
    if settings.atlas and settings.image:
        raise FlagError('--image has no meaning for --atlas, which begins each channel with noise.')
    if settings.image and settings.size:
        raise FlagError(f'--size={settings.size} has no meaning for --image, which keeps its own size.')
