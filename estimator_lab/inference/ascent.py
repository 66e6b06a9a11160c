"""Gradient ascent on images: the objective of a layer, its gradient, and the steps that increase it.

A photo is changed over octaves (DeepDream: Mordvintsev, Olah and Tyka 2015): each octave is the photo at one
size plus the changes made in the smaller ones. A picture from noise is a sum of waves of decorrelated
colours, whose amplitudes are changed (Olah, Mordvintsev and Schubert 2017, 'Feature visualization', section
'Preconditioning and parameterization'): the gradient by the pixels is mostly of high frequencies, and natural
images of low ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.keys import UINT8_MAX
from estimator_lab.core.endpoints import LOGITS
from estimator_lab.data.images.decode import resize_floats
from estimator_lab.runs.trained import Trained
from estimator_lab.tf1 import Session, Tensor, tf

MOST_SIDE = 448
"""Largest side in pixels of a window of an image: its activations fit in memory."""

_OCTAVES, _OCTAVE_SCALE = 4, 1.4
_JITTER, _JITTERS_A_SIDE = 32, 6  # pixels by which a step shifts the image, at most
_JITTERS_OF_PLACES = 16  # the same where weights belong to a place: with 6, classes are clouds
_PACE = 1.5  # mean change of a pixel in a step, in grey levels of 255: DeepDream's
_TV = 0.1  # weight of the total variation's gradient; the objective's has mean absolute value 1
_LARGEST = 3.0  # value of a gradient, in standard deviations
_FLAT = 1e-6  # the square of a thousandth of the range: smaller gradients of pixels count as 0
_CONTRAST = 0.1  # standard deviation of amplitudes at the start: fainter noise moves few channels
_AMPLITUDE = 0.25  # of a wave of one pixel for a parameter of 1
_COARSE = 1.5  # slope of the amplitudes; with 1, classes are full of dots, with 2, without detail
_COARSE_PLACES = 2.0  # the same where weights belong to a place: with 1.5, dots fill whole areas
_FINE = 1.0  # the same for strokes; with 0.7, the finest waves fill some pictures
_WIDEST = 20  # length of the longest wave of strokes, in the layer's own pixels
_LEAST_WAVES = 1.5  # in the picture: a single one is a light area next to a dark one
_STROKES = 1.2  # standard deviation of the waves of strokes: 3 % of the pixels are nearly black or white
_RATE, _PACE_OF_STROKES = 0.05, 0.2  # of Adam; of steps as long as a share of the waves
_WIDE = 40  # pixels: with 20, areas become pale, with 100, they are tinted
_BLUR = {0: 0.787, 1: 0.1065, -1: 0.1065}  # a Gaussian with a deviation of half a pixel, by offset
# Of red, green and blue in [0, 1], of the pixels of 594 crops of 44 photos.
_COLOUR_COVARIANCE = np.array([[0.0744, 0.0570, 0.0458], [0.0570, 0.0670, 0.0566], [0.0458, 0.0566, 0.0883]])

OnProgress = Callable[[float], None]
"""Called after each step with the share of the work that is done."""


@dataclass(frozen=True)
class Layer:
    """A layer of a network, in a graph.

    Attributes:
      name: of its endpoint.
      images: the placeholder of the images, float32 [n, height, width, channels].
      values: its activations, float32 [n, ..., channels].
      sides: (height, width) of the images that the network was trained on.
      smallest: side in pixels of the smallest image that it accepts.
    """

    name: str
    images: Tensor
    values: Tensor
    sides: Sequence[int]
    smallest: int

    @property
    def channels(self) -> int:
        """Number of its channels."""
        return int(self.values.shape[-1])

    @property
    def fixed(self) -> bool:
        """Whether it accepts only images of the size that the network was trained on."""
        return self.images.shape[1:3].is_fully_defined()

    @property
    def sees_whole_images(self) -> bool:
        """Whether it does, so that coarse outlines count more than strokes."""
        return self.fixed or self.name == LOGITS


class AscentObjective:
    """What is maximized, of images in [0, 1], in a session that ends with the `with` block.

    Large images are looked at in windows, whose objectives are averaged.

    Args:
      run: the network.
      layer: the layer, to whose graph the objective is added. What counts is the mean square of its
        activations; with `by_channel`, the mean of one channel of each image times the channel's share of all
        activations in the same place, or for the logits log p / (1 - p) of its class. The logit alone
        (Simonyan et al. 2014) would also increase by evidence for other classes, and a channel alone by what
        all channels respond to.
      by_channel: whether one channel counts.

    Raises:
      FlagError: the layer does not depend on the image.
      LabError: the checkpoint can't be restored.
    """

    def __init__(self, run: Trained, layer: Layer, by_channel: bool = False) -> None:
        self.layer, self._images = layer, layer.images
        with self._images.graph.as_default():
            self._grounds = tf.placeholder(tf.float32, self._images.shape)
            self._channels = tf.placeholder(tf.int32, [None])
            counted = self._channels if by_channel else None
            self._objective = _objective(layer.values, counted, layer.name == LOGITS)
            (self._gradient,) = tf.gradients(self._objective, self._images)
            if self._gradient is None:
                raise FlagError(f'{option.layer}={layer.name} has no gradient with respect to the image.')
            (self._roughness,) = tf.gradients(_total_variation(self._images - self._grounds), self._images)
            self._session = run.session()

    def __enter__(self) -> 'AscentObjective':
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def __call__(self, images: np.ndarray, channels: Sequence[int]) -> np.ndarray:
        """Returns the objective of images [n, height, width, channels], float64 [n].

        `channels` has the channel that counts in each image.
        """
        objectives = [
            self._session.run(self._objective, {self._images: images[place], self._channels: channels})
            for place in self.windows(images)
        ]
        return np.mean(objectives, axis=0, dtype=np.float64)

    def gradient(self, images: np.ndarray, channels: Sequence[int]) -> np.ndarray:
        """Returns the gradient by the images, summed over the windows, float32 of their shape."""
        gradient = np.zeros_like(images)
        for place in self.windows(images):
            feed = {self._images: images[place], self._channels: channels}
            gradient[place] += self._session.run(self._gradient, feed)
        return gradient

    def roughness(self, images: np.ndarray, grounds: np.ndarray) -> np.ndarray:
        """Returns the gradient of the total variation of images less their grounds."""
        gradient = np.zeros_like(images)
        for place in self.windows(images):
            feed = {self._images: images[place], self._grounds: grounds[place]}
            gradient[place] += self._session.run(self._roughness, feed)
        return gradient

    def windows(self, images: np.ndarray) -> list[tuple[slice, slice, slice]]:
        """Returns windows of equal size that cover images and overlap as little as possible."""
        down, across = self.layer.sides if self.layer.fixed else (MOST_SIDE, MOST_SIDE)
        rows = _spans(images.shape[1], down, self.layer.fixed)
        columns = _spans(images.shape[2], across, self.layer.fixed)
        return [(slice(None), row, column) for row in rows for column in columns]

    def waves(self, shape: Sequence[int], rng: np.random.Generator) -> 'Waves':
        """Returns pictures that are sums of waves, in the same session; see `Waves`."""
        with self._images.graph.as_default():
            if not self.layer.sees_whole_images:
                return Waves(self._session, shape, _FINE, _WIDEST * self.stride, rng)
            return Waves(self._session, shape, _COARSE_PLACES if self.layer.fixed else _COARSE, None, rng)

    @property
    def stride(self) -> float:
        """Pixels of the image for each of a layer's own."""
        height, values = self.layer.sides[0], self.layer.values
        if values.shape.rank != 4:
            return height
        example = np.zeros((1, *self.layer.sides, self._images.shape[3]), np.float32)
        with values.graph.as_default():
            rows = self._session.run(tf.shape(values)[1], {self._images: example})
        return height / int(rows)


def _objective(values: Tensor, channels: Tensor | None, is_logits: bool) -> Tensor:
    """Returns the objective of the activations of a layer, float32 [n]; see `AscentObjective`."""
    if channels is None:
        return tf.reduce_mean(tf.square(values), axis=list(range(1, values.shape.rank)))
    own = tf.one_hot(channels, tf.shape(values)[-1], on_value=True, off_value=False)
    if not is_logits:
        # The cosine between the activations and the channel's axis (Carter et al. 2019, 'Activation atlas').
        values *= tf.abs(tf.nn.l2_normalize(values, axis=-1))
        values = tf.reduce_mean(values, axis=list(range(1, values.shape.rank - 1)))
    score = tf.reduce_sum(tf.where(own, values, tf.zeros_like(values)), axis=1)
    if not is_logits:
        return score
    return score - tf.reduce_logsumexp(tf.where(own, tf.fill(tf.shape(values), -np.inf), values), axis=1)


def _total_variation(images: Tensor) -> Tensor:
    """Returns the sum of the lengths of all pixels' gradients, a scalar (Rudin, Osher and Fatemi 1992)."""
    down = images[:, 1:, :-1] - images[:, :-1, :-1]
    right = images[:, :-1, 1:] - images[:, :-1, :-1]
    return tf.reduce_sum(tf.sqrt(tf.square(down) + tf.square(right) + _FLAT))


def _spans(length: int, most: int, exact: bool) -> list[slice]:
    count = -(-length // most)
    side = most if exact else -(-length // count)
    starts = np.linspace(0, length - side, count).round().astype(int).tolist()
    return [slice(start, start + side) for start in starts]


def climb(
    objective: AscentObjective,
    photos: np.ndarray,
    channels: Sequence[int],
    steps: int,
    rng: np.random.Generator,
    on_progress: OnProgress = lambda share: None,
) -> np.ndarray:
    """Returns photos, float32 [n, height, width, channels] in [0, 1], changed by gradient ascent.

    `channels` has the channel that counts in each photo; each octave has `steps`; `rng` draws the jitter.
    """
    sizes = octave_sizes(photos.shape[1], photos.shape[2], objective.layer.smallest)
    pixels = np.cumsum([height * width for height, width in sizes])
    change = np.zeros((len(photos), *sizes[0], photos.shape[3]), np.float32)
    for number, size in enumerate(sizes):
        grounds = resized(photos, size)
        images = np.clip(grounds + resized(change, size), 0, 1)
        for step in range(steps):
            uphill = _normalised(painted(blurred(_jittered_gradient(objective, images, channels, rng))))
            rough = objective.roughness(images, grounds)
            images = np.clip(images + _PACE / UINT8_MAX * (uphill - _TV * rough), 0, 1)
            rest = (steps - 1 - step) / steps * size[0] * size[1]
            on_progress(float((pixels[number] - rest) / pixels[-1]))
        change = images - grounds
    return images


def climb_waves(
    objective: AscentObjective,
    shape: Sequence[int],
    channels: Sequence[int],
    steps: int,
    rng: np.random.Generator,
    on_progress: OnProgress = lambda share: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns images before and after gradient ascent by the amplitudes of their waves; see `climb`."""
    waves = objective.waves(shape, rng)
    images = begin = waves.images()
    for step in range(1, steps + 1):
        waves.climb(_jittered_gradient(objective, images, channels, rng))
        images = waves.images()
        on_progress(step / steps)
    return begin, images


def _jittered_gradient(
    objective: AscentObjective, images: np.ndarray, channels: Sequence[int], rng: np.random.Generator
) -> np.ndarray:
    """Returns the gradient of images shifted at random, so that borders of windows leave no trace."""
    sides = images.shape[1:3]
    _, *window = objective.windows(images)[0]
    jitters_a_side = _JITTERS_OF_PLACES if objective.layer.fixed else _JITTERS_A_SIDE
    reach = min(_JITTER, round(min(sides) / jitters_a_side))
    # With several windows, half of one hides the seams.
    most = [
        max((part.stop - part.start) // 2, reach) if part.stop - part.start < side else reach
        for part, side in zip(window, sides, strict=True)
    ]
    # Mirrored at its borders: rolled around, the image would have edges where opposite borders meet.
    rows, columns = (
        np.pad(np.arange(side), abs(by), 'symmetric')[abs(by) - by :][:side]
        for by, side in zip(rng.integers(np.negative(most), most, endpoint=True).tolist(), sides, strict=True)
    )
    place = (slice(None), rows[:, np.newaxis], columns)
    gradient = np.zeros_like(images)
    np.add.at(gradient, place, objective.gradient(images[place], channels))
    return gradient


def blurred(images: np.ndarray) -> np.ndarray:
    """Returns images [n, height, width, channels] filtered by a narrow Gaussian."""
    for axis in (1, 2):
        images = np.sum([weight * np.roll(images, by, axis) for by, weight in _BLUR.items()], axis=0)
    return images


def painted(uphill: np.ndarray) -> np.ndarray:
    """Returns gradients [n, height, width, channels] that paint a photo, and do not tint it.

    Their colours vary as in photos, all channels together, and what is wider than strokes is left
    out: a network of few layers responds most to stronger colours, which would show nothing new.
    """
    axes, size = colour_axes(uphill.shape[-1]), uphill.shape[1:3]
    uphill = uphill @ (axes @ axes.T)
    return uphill - resized(resized(uphill, [-(-side // _WIDE) for side in size]), size)


def _normalised(uphill: np.ndarray) -> np.ndarray:
    """Returns gradients without outliers, which saturate single pixels, scaled to mean absolute value 1."""
    limit = _LARGEST * np.std(uphill, axis=(1, 2, 3), keepdims=True)
    clipped = np.clip(uphill, -limit, limit)
    length = np.mean(np.abs(clipped), axis=(1, 2, 3), keepdims=True)
    return np.divide(clipped, length, out=np.zeros_like(clipped), where=length > 0)


def octave_sizes(height: int, width: int, smallest: int) -> list[tuple[int, int]]:
    """Returns (height, width) of up to four octaves, from the smallest to the image's own."""
    scales = [_OCTAVE_SCALE**number for number in reversed(range(1, _OCTAVES))]
    smaller = [(round(height / scale), round(width / scale)) for scale in scales]
    return [*(size for size in smaller if min(size) >= smallest), (height, width)]


def resized(images: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Returns images [n, height, width, channels] resized to (height, width) with a Lanczos filter."""
    if images.shape[1:3] == tuple(size):
        return images
    return np.stack([resize_floats(image, *size) for image in images])


class Waves:
    """Images, a sigmoid of sums of waves, that start as faint noise around grey.

    The amplitude of a wave is its parameter divided by a power of its frequency. Outlines are drawn by steps
    of Adam (Kingma and Ba 2015). Strokes are drawn by steps along the gradient, with a contrast that stays
    the same: Adam would change all waves alike, so that the fine ones, which are most, fill the image with
    black and white pixels that many channels like. Waves longer than strokes are left out: with them, many
    channels would draw the same, a light area next to a dark one.

    Args:
      session: of the current graph.
      shape: (n, height, width, channels).
      slope: power of the frequency by which amplitudes are divided.
      longest: length of the longest wave of strokes, in pixels; None for outlines.
      rng: draws the parameters.
    """

    def __init__(
        self,
        session: Session,
        shape: Sequence[int],
        slope: float,
        longest: float | None,
        rng: np.random.Generator,
    ) -> None:
        count, height, width, channels = shape
        side = max(height, width)
        frequencies = np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width))
        waves_a_side = np.maximum(side * frequencies, 1)
        scale = _AMPLITUDE * np.sqrt(height * width) * side / waves_a_side**slope
        if longest is not None:
            scale *= frequencies * min(longest, side / _LEAST_WAVES) > 1
            # One parameter changes a wave with an amplitude twice as large, as its conjugate; the others are
            # changed by two. Along the gradient, the first would go twice as far.
            scale[:, 1 : (width + 1) // 2] *= 0.5**0.5
        start = _CONTRAST * rng.standard_normal((2, count, channels, *scale.shape), np.float32)

        def waves(parameters: Tensor) -> Tensor:
            parts = tf.unstack(parameters * scale.astype(np.float32))
            return tf.signal.irfft2d(tf.complex(*parts), [height, width])

        def contrast(parameters: Tensor) -> Tensor:
            squares = tf.reduce_mean(tf.square(waves(parameters)), axis=[1, 2, 3])
            return tf.sqrt(squares)[:, tf.newaxis, tf.newaxis, tf.newaxis] / _STROKES

        parameters = tf.Variable(start)
        self._images = tf.sigmoid(tf.einsum('nkhw,ck->nhwc', waves(parameters), colour_axes(channels)))
        self._uphill = tf.placeholder(tf.float32, shape)
        (gradient,) = tf.gradients(self._images, parameters, self._uphill)
        variables = [parameters]
        if longest is None:
            adam = tf.train.AdamOptimizer(_RATE)
            self._step = adam.apply_gradients([(-gradient, parameters)])
            variables += adam.variables()
        else:
            now, change = (tf.math.divide_no_nan(each, contrast(each)) for each in (parameters, gradient))
            moved = now + _PACE_OF_STROKES * change
            self._step = tf.assign(parameters, moved / contrast(moved))
        self._session = session
        session.run(tf.variables_initializer(variables))

    def images(self) -> np.ndarray:
        """Returns the images, float32 [n, height, width, channels] in (0, 1)."""
        images: np.ndarray = self._session.run(self._images)
        return images

    def climb(self, uphill: np.ndarray) -> None:
        """Takes a step, given the gradient of the objective by the images."""
        self._session.run(self._step, {self._uphill: uphill})


def colour_axes(channels: int) -> np.ndarray:
    """Returns axes of colours whose coordinates are uncorrelated in photos, float32 [channels, channels].

    Column k is axis k, scaled such that the longest one, of brightness, has length 1.
    """
    if channels == 1:
        return np.ones((1, 1), np.float32)
    variances, directions = np.linalg.eigh(_COLOUR_COVARIANCE)
    return (directions * np.sqrt(variances / variances.max())).astype(np.float32)
