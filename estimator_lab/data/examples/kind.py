"""A kind of example, such as images or trees: which files are examples, and how they become arrays."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from estimator_lab.base.pixels import SeenPixels
from estimator_lab.data.examples.labels import Vocabulary
from estimator_lab.data.examples.member import BadExampleError, Member

if TYPE_CHECKING:  # importing TensorFlow takes seconds, and most commands that read archives do without it
    from estimator_lab.data.images.options import ImageOptions
    from estimator_lab.tf1 import Tensor

CONTRAST = 'contrast'
"""A dimension of images: the largest difference of two values of a channel, in [0, 255]."""

Arrays = Mapping[str, np.ndarray]
"""Some examples: arrays by the feature's name, with a row for each."""


class Signature(NamedTuple):
    """Type and shape of a feature's array.

    Attributes:
      type: NumPy's name of it.
      shape: without the first dimension, the examples; None where it varies from batch to batch.
    """

    type: str
    shape: tuple[int | None, ...]


class ExampleDecoder(Protocol):
    """How members become arrays."""

    def read(self, members: Sequence[Member]) -> list[Any]:
        """Returns the example in each member, or a BadExampleError; many threads call it at the same time.

        Raises:
          DataError: an archive can't be read any more.
        """

    def collate(self, examples: Sequence[Any]) -> Arrays:
        """Returns the arrays of a batch."""


class Reader(ExampleDecoder, Protocol):
    """How members become arrays, and these become the features of a network; by default as they are."""

    @property
    def signature(self) -> Mapping[str, Signature]:
        """Types and shapes of the arrays of a batch, by name."""

    @property
    def keeps_all(self) -> bool:
        """Whether examples that were read stay in memory, so that `in_memory` returns them."""
        return False

    def in_memory(self, members: Sequence[Member]) -> list[Any] | None:
        """Returns the examples that were read of members; None if one was not, or is bad."""
        return None

    def blank(self) -> Arrays:
        """Returns one example that stands in for a batch whose members are all bad."""

    def features(self, arrays: 'Mapping[str, Tensor]') -> 'Mapping[str, Tensor]':
        """Returns, in a graph, the features of a model function for the arrays of a batch."""
        return arrays

    def plain(self) -> 'Reader':
        """Returns the same reader without random changes, for evaluation."""
        return self

    def serving_receiver(
        self, keeps_size: bool, more: 'Callable[[], Mapping[str, Mapping[str, Tensor]]]'
    ) -> Callable[[], Any]:
        """Returns a function that builds the `ServingInputReceiver` of an export.

        Args:
          keeps_size: whether images keep their size instead of being scaled.
          more: returns further receivers by name, each with its tensors by feature, of which the last one
            counts.
        """


@dataclass(frozen=True)
class ReaderOptions:
    """What decides how examples become arrays; each kind uses what applies to it.

    Attributes:
      images: how images become pixels.
      cache_megabytes: of decoded images that may be kept in memory.
      examples: how many different ones there are; None if unknown.
      tokens: of trees, in the order of their numbers.
      vocabulary: the labels; None if there are none.
    """

    images: 'ImageOptions'
    cache_megabytes: int = 0
    examples: int | None = None
    tokens: Sequence[str] = ()
    vocabulary: Vocabulary | None = None


@dataclass(frozen=True)
class Look:
    """What the first look at some training examples shows.

    Attributes:
      pixels: of images, their range, mean and deviation; None for other kinds, or if none can be decoded.
      mean_image: the mean image after scaling, float32 [height, width, channels]; None for other kinds.
      caution: a sentence for the user at the start; '' for none.
      floats: whether they have more levels than 8 bits hold.
    """

    pixels: SeenPixels | None = None
    mean_image: np.ndarray | None = None
    caution: str = ''
    floats: bool = False


class Kind:
    """A kind of example; `data.archives.kinds` lists them.

    Attributes:
      name: in records, indexes and the registry of models.
      noun: its plural, for messages.
      settings: names of the settings of a run that apply to this kind only.
      has_pixels: whether an example is an array of pixels, [height, width, channels].
      has_lines: whether an example is a line of a text, not a file.
      label_help: a sentence that says where labels come from.
      dimensions: names of the numbers that `examine` returns.
      fields: suffixes of the members that together are one example; () if each member is one.
    """

    name: str
    noun: str
    settings: frozenset[str] = frozenset()
    has_pixels = False
    has_lines = False
    label_help = ''
    dimensions: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    def accepts(self, name: str) -> bool:
        """Whether a file of that name is an example; hidden files are not."""
        return False

    def example_name(self, name: str) -> str:
        """Returns the name of the example of which a member of that name is a part, or all."""
        return name

    def recognises(self, head: bytes) -> bool:
        """Whether a file without a suffix is an example, by its first HEAD_BYTES."""
        return False

    def line_name(self, number: int, line: bytes) -> str:
        """Returns the name of the example in line `number`, from 1, of a text."""
        return f'{number}'

    def examine(self, data: bytes) -> tuple[int, ...]:
        """Decodes an example and returns its size: a number for each of `dimensions`. Thread-safe.

        Raises:
          BadExampleError: it can't be decoded.
        """
        raise BadExampleError('it cannot be decoded')

    def reader(self, options: ReaderOptions) -> Reader:
        """Returns how examples become arrays."""
        raise NotImplementedError

    def data_params(self, settings: Any, examples: Iterable[Member], total: int | None) -> dict[str, Any]:
        """Returns the parameters of a model that all training examples decide, by name.

        Args:
          settings: of the run.
          examples: the training examples in stored order.
          total: their number; None if they can be read only once.
        """
        return {}

    def look(self, settings: Any, examples: Iterable[Member]) -> Look:
        """Returns what some training examples show, for a run with these settings."""
        return Look()

    def record(self, folder: Path, params: Mapping[str, Any]) -> None:
        """Writes what `restore` reads into a model_dir."""

    def restore(self, folder: Path) -> dict[str, Any]:
        """Returns the parameters of `data_params` that a model_dir holds."""
        return {}
