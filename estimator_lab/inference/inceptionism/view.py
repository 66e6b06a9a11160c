"""A trained network as far as one layer: how much it sees of what it looks for, and where there is more."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.console.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.core.model.endpoints import LOGITS, Endpoint, Layered
from estimator_lab.errors import FlagError
from estimator_lab.inference.inceptionism.objectives import (
    energy,
    filtered,
    gaussian,
    log_odds,
    of_channels,
    resemblance,
    total_variation,
)
from estimator_lab.inference.inceptionism.windows import Window, windows
from estimator_lab.runs.model import Trained
from estimator_lab.runs.precision import session_config
from estimator_lab.tf1 import Tensor, tf

MOST_SIDE = 448
"""Of a window in pixels, so that what the network keeps of it fits in memory."""

_MOST_LISTED = 40


@dataclass(frozen=True)
class Layer:
    """A layer of a network, and what it takes to look at it.

    Attributes:
      name: of its endpoint.
      channels: how many it has.
      sides: (height, width) of the images that the network was trained on.
      fixed: whether it sees images of just that size.
      smallest: side in pixels of the smallest image that it sees.
    """

    name: str
    channels: int
    sides: tuple[int, int]
    fixed: bool
    smallest: int


class Climb(NamedTuple):
    """Where it goes up from some images; float32 of their shape.

    Attributes:
      uphill: the gradient of the objective, smoothed.
      rough: the gradient of what the images' change has of total variation; None where nobody asked.
    """

    uphill: np.ndarray
    rough: np.ndarray | None = None


def find_layer(trained: Trained, name: str) -> Layer:
    """Returns a layer of a trained network.

    Args:
      trained: a model whose `dreams` has ASCENT.
      name: of an endpoint.

    Raises:
      FlagError: there is no such layer.
    """
    with tf.Graph().as_default():
        network = _layered(trained)
        images = tf.placeholder(tf.float32, [None, *trained.shape])
        endpoints = dict(network.layers(images))
    if not endpoints:
        raise FlagError(f'--model_dir={trained.model_dir} holds a network without layers to look at.')
    if name not in endpoints:
        asked = f'--layer={name} is no layer of {trained.model_dir}' if name else '--layer is missing'
        if name == LOGITS:
            asked = f'--label is for a network with classes, which {trained.model_dir} is not'
        raise FlagError(f'{asked}; there are {listed(list(endpoints))}.')
    names = list(endpoints)
    fixed = bool(network.fixed_from) and names.index(name) >= names.index(network.fixed_from)
    sides = (trained.shape.height, trained.shape.width)
    channels = endpoints[name].values.shape.as_list()[-1]
    return Layer(name, channels, sides, fixed, max(sides) if fixed else network.smallest)


def listed(names: Sequence[str]) -> str:
    """Returns names as a sentence has them; of very many only the first."""
    more = f' and {len(names) - _MOST_LISTED:,} more' if len(names) > _MOST_LISTED else ''
    return ', '.join(names[:_MOST_LISTED]) + more


class View:
    """A network as far as a layer, in a session of its own, which ends with the `with` block.

    Args:
      trained: the model.
      layer: of it.
      by_channel: whether one channel for each image counts, and not all of them.
      guide: values of the layer that are to be imitated, float32 [..., channels]; None for none.
      precision: in which the network computes, one of `inference.precision.PRECISIONS`.

    Raises:
      LabError: if TensorFlow can't go on.
    """

    def __init__(
        self,
        trained: Trained,
        layer: Layer,
        by_channel: bool = False,
        guide: np.ndarray | None = None,
        precision: str = 'float32',
    ) -> None:
        self.layer = layer
        sides = layer.sides if layer.fixed else (None, None)
        with tf.Graph().as_default(), tensorflow_errors_as_sentences():
            tf.train.get_or_create_global_step()
            shape = [None, *sides, trained.shape.channels]
            self._images = tf.placeholder(tf.float32, shape, 'images')
            self._grounds = tf.placeholder(tf.float32, shape, 'grounds')
            self._channels = tf.placeholder(tf.int32, [None], 'channels')
            self._weights = tf.placeholder(tf.float32, [None], 'weights')
            self._values = _values_of(trained, layer.name, self._images)
            if guide is not None:
                self._objective = resemblance(self._values, guide)
            elif by_channel:
                grows = log_odds if layer.name == LOGITS else of_channels
                self._objective = grows(self._values, self._channels)
            else:
                self._objective = energy(self._values)
            (gradient,) = tf.gradients(self._objective, self._images)
            if gradient is None:
                raise FlagError(f'--layer={layer.name} lets no gradient through to the image.')
            (rough,) = tf.gradients(total_variation(self._images - self._grounds), self._images)
            self._climb = (filtered(gradient, self._weights), rough)
            creator = tf.train.ChiefSessionCreator(
                config=session_config(precision), checkpoint_filename_with_path=trained.checkpoint
            )
            self._session = tf.train.MonitoredSession(creator)

    def __enter__(self) -> 'View':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def values(self, images: np.ndarray) -> np.ndarray:
        """Returns what the layer makes of images, float32 [n, ..., channels]; see `climb` for the images."""
        with tensorflow_errors_as_sentences():
            return self._session.run(self._values, {self._images: images})

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
    ) -> Climb:
        """Returns where it goes up from images, window by window.

        Args:
          images: float32 [n, height, width, channels] in [0, 1].
          grounds: what they were before they changed, of their shape.
          channels: the channel of the layer that counts in each, where one does.
          smoothing: deviation in pixels of the Gaussian that smooths the gradient; 0 leaves it as it is.
          rough: whether total variation is wanted.
        """
        found = [np.zeros_like(images) for _ in range(1 + rough)]
        for rows, columns in self.windows(*images.shape[1:3]):
            place = (slice(None), rows, columns)
            more = {self._grounds: grounds[place], self._weights: gaussian(smoothing)}
            parts = self._run(list(self._climb[: len(found)]), images[place], channels, more)
            for whole, part in zip(found, parts, strict=True):
                whole[place] += part
        return Climb(*found)

    def windows(self, height: int, width: int) -> list[Window]:
        """Returns the windows by which an image is seen."""
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
    """Builds a network as far as a layer; returns the values there."""
    found: Iterator[Endpoint] = (e for n, e in _layered(trained).layers(images) if n == name)
    return next(found).values


def _layered(trained: Trained) -> Layered:
    """Returns the network layer by layer."""
    assert trained.model.layered, 'a model whose layers can be looked at'
    return trained.model.layered(trained.params)
