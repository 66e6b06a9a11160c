"""What some models can do: a model's class names those that it has, and others ask `isinstance`."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from estimator_lab.core.endpoints import Layers
from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import Tensor

Companions = tuple[Mapping[str, Any], Mapping[str, Callable[[Path], None]]]
"""(parameters by name, functions that write a file by its name): see `HasCompanions`."""

Batches = Iterator[tuple[np.ndarray, Sequence[str]]]
"""Samples, float32 [n, height, width, channels] in [0, 1], and their n labels, '' for none."""

Paint = Callable[[Image.Image], np.ndarray]
"""Returns the painting of a photo, uint8 [height, width, channels]."""


@runtime_checkable
class HasNetwork(Protocol):
    """It has layers: gradient ascent can look at them, and style transfer can look with them.

    Layers that can be built for images of unknown size accept all that `Params.check` accepts.
    """

    @staticmethod
    @abstractmethod
    def network(images: Tensor, params: Any, noise: Noise | None = None) -> Layers:
        """Yields the layers by name.

        Args:
          images: float32 [batch, height, width, channels] in [0, 1].
          params: the model's parameters.
          noise: the noise of a training step, which drops units and normalises by the batch; or None.
        """


@dataclass(frozen=True)
class Drawing:
    """Samples that a model draws.

    Attributes:
      title: what they are, in words.
      batches: makes them, the same ones at each call.
    """

    title: str
    batches: Callable[[], Batches]


@runtime_checkable
class Draws(Protocol):
    """It makes samples."""

    draw: Callable[..., Drawing | None]
    """Returns its samples; None if its parameters train nothing that has any.

    Called with the trained model, a `runs.trained.Trained`. Its keyword-only parameters are the settings of
    `dream` that have a meaning for it, with a function for `data` that returns the first `count` images,
    float32 [count, height, width, channels], None if it is not given."""


class Generates:
    """An export also makes images from latent vectors.

    Its parameters have `latent_size`, and `conditional`, whether the images are of given labels.
    """


@runtime_checkable
class Inspects(Protocol):
    """It draws what else can be seen in one example."""

    @staticmethod
    @abstractmethod
    def inspect(
        params: Any, example: Mapping[str, Any], layers: Mapping[str, np.ndarray]
    ) -> dict[str, Image.Image]:
        """Returns pictures by the names of TensorBoard's tags.

        Args:
          params: the model's parameters.
          example: its features by name, where the tokens of a tree are texts.
          layers: the values of all endpoints for it, arrays without a batch dimension.
        """


@runtime_checkable
class Paints(Protocol):
    """It paints photos at their own size, by the parameters `mix`, `strength` and `preserve_colour`."""

    @staticmethod
    @abstractmethod
    def painter(run: Any) -> AbstractContextManager[Paint]:
        """Opens a trained model, a `runs.trained.Trained`, as a function, until a `with` block ends."""


@runtime_checkable
class HasPublishedWeights(Protocol):
    """Other programs publish weights of its network, and layers can keep them in training."""

    @staticmethod
    @abstractmethod
    def published_layouts(variables: Any) -> list[Any]:
        """Returns how weight files name the variables, whose shapes are given by name."""

    @staticmethod
    @abstractmethod
    def freezable(params: Any) -> list[str]:
        """Returns the layers that can be frozen, from the input to the last one before the logits."""


@runtime_checkable
class HasCompanions(Protocol):
    """Its parameters name trained models or pictures, which training opens."""

    @staticmethod
    @abstractmethod
    def companions(params: Any, model_dir: Path, resumed: Mapping[str, Any] | None) -> Companions:
        """Opens them.

        Args:
          params: the model's parameters.
          model_dir: the folder of the training.
          resumed: the hyper-parameters of the training that is resumed there; None for a new one.

        Returns:
          The parameters that they decide, by name; and functions that write what the model function reads,
          by names of files in model_dir.

        Raises:
          FlagError, DataError: for what can't be used.
        """
