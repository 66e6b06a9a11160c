"""Gradient ascent on images, over octaves (DeepDream: Mordvintsev, Olah and Tyka 2015).

Each octave is the photo at one size plus the changes made in the smaller octaves; the last one has the
photo's own size. A step follows the gradient, scaled to a given mean absolute value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from estimator_lab.base.keys import UINT8_MAX
from estimator_lab.inference.inceptionism.fourier import Adam, Waves
from estimator_lab.inference.inceptionism.view import View

_OCTAVES, _OCTAVE_SCALE = 4, 1.4
_LARGEST = 3.0  # value of a gradient, in standard deviations


@dataclass(frozen=True)
class Ascent:
    """Parameters of gradient ascent.

    Attributes:
      sizes: (height, width) of the octaves in pixels, from the smallest to the images' own.
      iterations: steps in each octave.
      step_size: mean change of a pixel in a step, in grey levels of 255.
      jitter: pixels by which a step shifts the images at most.
      tv: weight of the gradient of the total variation; that of the objective has mean absolute value 1.
      smoothing: standard deviation in pixels of the Gaussian that smooths the gradient, in the first step and
        in the last; it decreases geometrically in between.
    """

    sizes: Sequence[tuple[int, int]]
    iterations: int
    step_size: float = 1.5
    jitter: int = 32
    tv: float = 0.0
    smoothing: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Dreamt:
    """The result of gradient ascent.

    Attributes:
      images: float32 [n, height, width, channels] in [0, 1].
      before: the objective at the start, float64 [n].
      after: the objective at the end, float64 [n].
    """

    images: np.ndarray
    before: np.ndarray
    after: np.ndarray


def dream(
    view: View,
    photos: np.ndarray,
    noise: float,
    channels: Sequence[int],
    ascent: Ascent,
    rng: np.random.Generator,
    told: Callable[[int, int, float], None] = lambda octave, iteration, share: None,
) -> Dreamt:
    """Runs gradient ascent on images.

    Args:
      view: the layer whose objective is maximized.
      photos: float32 [n, height, width, channels] in [0, 1].
      noise: standard deviation of the noise that is added at the smallest octave.
      channels: the channel that counts in each image, if `view` maximizes one.
      ascent: the parameters.
      rng: draws the noise and the jitter.
      told: called after each step with the octave and the iteration, counted from 1, and the share of all
        work that is done.
    """
    first = (len(photos), *ascent.sizes[0], photos.shape[3])
    change = noise * rng.standard_normal(first, np.float32) if noise else np.zeros(first, np.float32)
    before = view.objective(np.clip(photos + resized(change, photos.shape[1:3]), 0, 1), channels)
    pixels = np.cumsum([height * width for height, width in ascent.sizes])
    changes = [change]  # popped to free memory: each array of a large photo takes 50 MB and more
    for number, size in enumerate(ascent.sizes):
        grounds = resized(photos, size)
        images = grounds + resized(changes.pop(), size)
        np.clip(images, 0, 1, out=images)
        for iteration in range(ascent.iterations):
            done = (number * ascent.iterations + iteration) / (len(ascent.sizes) * ascent.iterations)
            images = _step(view, images, grounds, channels, ascent, done, rng)
            rest = (ascent.iterations - 1 - iteration) / ascent.iterations * size[0] * size[1]
            told(number + 1, iteration + 1, float((pixels[number] - rest) / pixels[-1]))
        changes.append(images - grounds)
    return Dreamt(images, before, view.objective(images, channels))


def dream_waves(
    view: View,
    shape: tuple[int, int, int, int],
    channels: Sequence[int],
    ascent: Ascent,
    rng: np.random.Generator,
    told: Callable[[int, int, float], None] = lambda octave, iteration, share: None,
) -> Dreamt:
    """Runs gradient ascent on images that start as noise, by the amplitudes of their waves.

    Args:
      view: the layer whose objective is maximized.
      shape: of the images, (n, height, width, channels).
      channels: the channel that counts in each image, if `view` maximizes one.
      ascent: the parameters, of which the iterations and the jitter count.
      rng: draws the noise and the jitter.
      told: see `dream`; there is one octave.
    """
    waves = Waves(shape, rng)
    adam = Adam(waves.amplitudes)
    images = waves.images()
    before = view.objective(images, channels)
    for iteration in range(1, ascent.iterations + 1):
        (uphill,) = _gradients(view, images, images, channels, ascent.jitter, 0.0, False, rng)
        adam.climb(waves.gradient(images, uphill))
        images = waves.images()
        told(1, iteration, iteration / ascent.iterations)
    return Dreamt(images, before, view.objective(images, channels))


def octave_sizes(height: int, width: int, smallest: int) -> list[tuple[int, int]]:
    """Returns (height, width) of up to four octaves, from the smallest to the image's own.

    Args:
      height: of the image in pixels.
      width: of the image in pixels.
      smallest: side in pixels of the smallest octave.
    """
    scales = [_OCTAVE_SCALE**number for number in reversed(range(1, _OCTAVES))]
    smaller = [(round(height / scale), round(width / scale)) for scale in scales]
    return [*(size for size in smaller if min(size) >= smallest), (height, width)]


def resized(images: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Returns images [n, height, width, channels] resized to (height, width) with a Lanczos filter."""
    if images.shape[1:3] == tuple(size):
        return images
    made = np.empty((len(images), *size, images.shape[3]), np.float32)
    for number, image in enumerate(images):
        for channel in range(images.shape[3]):
            plane = Image.fromarray(np.ascontiguousarray(image[:, :, channel]))
            made[number, :, :, channel] = plane.resize((size[1], size[0]), Image.Resampling.LANCZOS)
    return made


def _step(
    view: View,
    images: np.ndarray,
    grounds: np.ndarray,
    channels: Sequence[int],
    ascent: Ascent,
    done: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns the images after one step; `done` is the share of steps already taken, in [0, 1)."""
    first, last = ascent.smoothing
    smoothing = first * (last / first) ** done if first and last else first
    uphill, *rough = _gradients(
        view, images, grounds, channels, ascent.jitter, smoothing, bool(ascent.tv), rng
    )
    uphill = _clipped(uphill)
    length = np.mean(np.abs(uphill), axis=(1, 2, 3), keepdims=True)
    pace = ascent.step_size / UINT8_MAX
    uphill *= np.divide(pace, length, out=np.zeros_like(length), where=length > 0)
    uphill += images
    for gradient in rough:
        uphill -= pace * ascent.tv * gradient
    return np.clip(uphill, 0, 1, out=uphill)


def _gradients(
    view: View,
    images: np.ndarray,
    grounds: np.ndarray,
    channels: Sequence[int],
    jitter: int,
    smoothing: float,
    rough: bool,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Returns the gradients of `View.climb`, of images that are shifted by up to `jitter` pixels."""
    reach = _reach(view, images.shape[1:3], jitter)
    shift = rng.integers(-reach, reach, size=2, endpoint=True).tolist()
    places = [_reflected(side, by) for side, by in zip(images.shape[1:3], shift, strict=True)]
    below = _taken(grounds, places) if rough else grounds
    found = view.climb(_taken(images, places), below, channels, smoothing, rough)
    return [_put_back(gradient, places) for gradient in found]


def _reflected(side: int, shift: int) -> np.ndarray:
    """Returns the places of rows or columns in an image that is shifted, and reflected at its borders.

    Rolled around, the image would have an edge where its opposite borders meet, which the ascent enhances.

    Args:
      side: number of rows or columns.
      shift: of the image, in pixels; less than `side`.
    """
    return np.pad(np.arange(side), abs(shift), mode='symmetric')[abs(shift) - shift :][:side]


def _taken(images: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the rows and columns at some places of images [n, height, width, channels]."""
    rows, columns = places
    return np.take(np.take(images, rows, axis=1), columns, axis=2)


def _put_back(gradients: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the gradients of images for those of `_taken`: a pixel that was taken twice gets the sum."""
    for axis, taken in enumerate(places, 1):
        sums = np.zeros_like(gradients)
        lines, given = np.moveaxis(sums, axis, 0), np.moveaxis(gradients, axis, 0)
        for place, line in zip(taken.tolist(), given, strict=True):
            lines[place] += line
        gradients = sums
    return gradients


def _clipped(gradients: np.ndarray) -> np.ndarray:
    """Limits gradients to a few standard deviations of each image: single pixels no longer saturate.

    Args:
      gradients: float32 [n, height, width, channels]; changed in place.
    """
    limit = _LARGEST * np.std(gradients, axis=(1, 2, 3), keepdims=True)
    return np.clip(gradients, -limit, limit, out=gradients)


def _reach(view: View, size: Sequence[int], jitter: int) -> np.ndarray:
    """Returns the largest shift of rows and columns: with several windows, half of one, to hide the seams."""
    height, width = size
    rows, columns = view.windows(height, width)[0]
    sides = np.array([rows.stop - rows.start, columns.stop - columns.start])
    return np.where((sides < size) & (jitter > 0), np.maximum(sides // 2, jitter), jitter)
