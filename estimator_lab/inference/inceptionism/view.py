"""A trained network up to one layer: an objective of its activations, and the gradient by the image."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from estimator_lab.base.errors import FlagError
from estimator_lab.core.endpoints import LOGITS, maps_of
from estimator_lab.core.model import Network
from estimator_lab.inference.inceptionism.objectives import (
    energy,
    filtered,
    gaussian,
    log_odds,
    of_channels,
    total_variation,
)
from estimator_lab.runs.model import Trained
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.tf1 import Tensor, tf

Window = tuple[slice, slice]
"""Rows and columns."""

MOST_SIDE = 448
"""Largest side of a window in pixels: its activations fit in memory."""

_MOST_LISTED = 40


@dataclass(frozen=True)
class Layer:
    """A layer of a network.

    Attributes:
      name: of its endpoint.
      channels: number of its channels.
      sides: (height, width) of the images that the network was trained on.
      fixed: whether it accepts only images of that size.
      smallest: side in pixels of the smallest image that it accepts.
    """

    name: str
    channels: int
    sides: tuple[int, int]
    fixed: bool
    smallest: int


def find_layer(trained: Trained, name: str) -> Layer:
    """Returns a layer of a trained network.

    Args:
      trained: a model with a `network`.
      name: of an endpoint.

    Raises:
      FlagError: the layer does not exist.
    """
    flexible, endpoints = _layers_of(trained, (None, None)), _layers_of(trained, trained.shape[:2])
    if not endpoints:
        raise FlagError(f'--model_dir={trained.model_dir} holds a network that publishes no layers.')
    if name not in endpoints:
        asked = f'--layer={name} is not a layer of {trained.model_dir}' if name else '--layer is missing'
        if name == LOGITS:
            asked = f'--label needs a network with classes, which {trained.model_dir} does not hold'
        raise FlagError(f'{asked}; there are {listed(list(endpoints))}.')
    fixed = name not in flexible
    sides = (trained.shape.height, trained.shape.width)
    channels = endpoints[name].shape.as_list()[-1]
    return Layer(name, channels, sides, fixed, max(sides) if fixed else _smallest_side(trained))


def middle_layer(trained: Trained) -> str:
    """Returns the name of the convolution two thirds of the way up; '' for a network without one.

    Lower ones see strokes only, higher ones whole objects that few photos resemble.
    """
    maps = list(maps_of(_layers_of(trained, trained.shape[:2])))
    return maps[2 * len(maps) // 3] if maps else ''


def _layers_of(trained: Trained, sides: Sequence[int | None]) -> dict[str, Tensor]:
    """Returns the layers that can be built for images of these sides, by name; for their shapes only."""
    found = {}
    with tf.Graph().as_default():
        images = tf.placeholder(tf.float32, [None, *sides, trained.shape.channels])
        try:
            for name, tensor in _network(trained)(images, trained.params):
                found[name] = tensor
        except (TypeError, ValueError):  # the first layer that needs images of a known size
            if None not in sides:
                raise
    return found


def _smallest_side(trained: Trained) -> int:
    """Returns the side of the smallest image that the model's check accepts."""
    channels = trained.shape.channels

    def fits(side: int) -> bool:
        try:
            trained.model.check(dataclasses.replace(trained.params, image_shape=(side, side, channels)))
        except FlagError:
            return False
        return True

    return next(side for side in itertools.count(1) if fits(side) or side >= min(trained.shape[:2]))


def listed(names: Sequence[str]) -> str:
    """Returns names with commas between them; of very many only the first."""
    more = f' and {len(names) - _MOST_LISTED:,} more' if len(names) > _MOST_LISTED else ''
    return ', '.join(names[:_MOST_LISTED]) + more


class View:
    """A network up to a layer, in its own session, which ends with the `with` block.

    Args:
      trained: the model.
      layer: the layer.
      by_channel: whether the objective is one channel for each image instead of all channels.

    Raises:
      FlagError: the image has no gradient.
      LabError: TensorFlow fails.
    """

    def __init__(
        self,
        trained: Trained,
        layer: Layer,
        by_channel: bool = False,
    ) -> None:
        self.layer = layer
        sides = layer.sides if layer.fixed else (None, None)
        with tf.Graph().as_default(), tensorflow_errors_as_sentences():
            shape = [None, *sides, trained.shape.channels]
            self._images = tf.placeholder(tf.float32, shape, 'images')
            self._grounds = tf.placeholder(tf.float32, shape, 'grounds')
            self._channels = tf.placeholder(tf.int32, [None], 'channels')
            self._weights = tf.placeholder(tf.float32, [None], 'weights')
            values = _values_of(trained, layer.name, self._images)
            if by_channel:
                grows = log_odds if layer.name == LOGITS else of_channels
                self._objective = grows(values, self._channels)
            else:
                self._objective = energy(values)
            (gradient,) = tf.gradients(self._objective, self._images)
            if gradient is None:
                raise FlagError(f'--layer={layer.name} has no gradient with respect to the image.')
            (rough,) = tf.gradients(total_variation(self._images - self._grounds), self._images)
            self._climb = (filtered(gradient, self._weights), rough)
            self._session = trained.session()

    def __enter__(self) -> 'View':
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def objective(self, images: np.ndarray, channels: Sequence[int]) -> np.ndarray:
        """Returns the objective, float64 [n], the mean over the windows; see `climb`."""
        found = [
            self._run(self._objective, images[:, rows, columns], channels)
            for rows, columns in self.windows(*images.shape[1:3])
        ]
        return np.mean(found, axis=0, dtype=np.float64)

    def climb(
        self,
        images: np.ndarray,
        grounds: np.ndarray,
        channels: Sequence[int],
        smoothing: float = 0.0,
        rough: bool = False,
    ) -> list[np.ndarray]:
        """Returns the gradients of the objective, window by window.

        Args:
          images: float32 [n, height, width, channels] in [0, 1].
          grounds: the images before they were changed, of the same shape.
          channels: the channel of the layer that counts in each image, if `by_channel`.
          smoothing: standard deviation in pixels of the Gaussian that smooths the gradient; 0 for none.
          rough: whether to return the gradient of the total variation of the change, too.

        Returns:
          [that of the objective, smoothed; that of the total variation if requested], float32 of the shape of
          the images.
        """
        found = [np.zeros_like(images) for _ in range(1 + rough)]
        for rows, columns in self.windows(*images.shape[1:3]):
            place = (slice(None), rows, columns)
            more = {self._grounds: grounds[place], self._weights: gaussian(smoothing)}
            parts = self._run(list(self._climb[: len(found)]), images[place], channels, more)
            for whole, part in zip(found, parts, strict=True):
                whole[place] += part
        return found

    def windows(self, height: int, width: int) -> list[Window]:
        """Returns the windows that cover an image."""
        sides = self.layer.sides if self.layer.fixed else (MOST_SIDE, MOST_SIDE)
        return windows(height, width, sides, self.layer.fixed)

    def _run(
        self,
        fetches: Any,
        images: np.ndarray,
        channels: Sequence[int],
        more: Mapping[Tensor, np.ndarray] = MappingProxyType({}),
    ) -> Any:
        with tensorflow_errors_as_sentences():
            feed = {self._images: images, self._channels: channels, **more}
            return self._session.run(fetches, feed)


def _values_of(trained: Trained, name: str, images: Tensor) -> Tensor:
    """Builds a network up to a layer; returns the activations of the layer."""
    layers = _network(trained)(images, trained.params)
    return next(tensor for each, tensor in layers if each == name)


def _network(trained: Trained) -> Network:
    assert trained.model.network, 'a model whose layers can be looked at'
    return trained.model.network


def windows(height: int, width: int, sides: Sequence[int], exact: bool) -> list[Window]:
    """Returns windows of equal size that cover an image and overlap as little as possible.

    Args:
      height: of the image in pixels.
      width: of the image in pixels.
      sides: (height, width) of a window, at most.
      exact: whether the windows have exactly these sides; the image must not be smaller then.
    """
    rows, columns = (_spans(length, side, exact) for length, side in zip((height, width), sides, strict=True))
    return [(row, column) for row in rows for column in columns]


def _spans(length: int, most: int, exact: bool) -> list[slice]:
    count = -(-length // most)
    side = most if exact else -(-length // count)
    starts = np.linspace(0, length - side, count).round().astype(int).tolist()
    return [slice(start, start + side) for start in starts]
