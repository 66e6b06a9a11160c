"""A kind of example, as images or trees: which members are examples, and how they become arrays."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

import numpy as np

from estimator_lab.data.label_table import LabelTable
from estimator_lab.data.labels import Vocabulary
from estimator_lab.data.member import BadExampleError, Member

if TYPE_CHECKING:  # importing TensorFlow takes seconds, and most commands that read archives do without it
    from estimator_lab.tf1 import Tensor

K = TypeVar('K', bound='Kind')
Arrays = Mapping[str, np.ndarray]
"""Some examples: arrays by the feature's name, with a row for each."""


class Signature(NamedTuple):
    """Type and shape of a feature's array.

    Attributes:
      type: NumPy's name of it.
      shape: without the first dimension, that of the examples; None where it varies from batch to batch.
    """

    type: str
    shape: tuple[int | None, ...]


class BatchReader(Protocol):
    """How members become arrays.

    Many threads call `read_into` at the same time, each for its own places.
    """

    def begin(self, count: int) -> Any:
        """Returns room for the examples of up to `count` members."""

    def read_into(
        self, batch: Any, first: int, several: Sequence[Member]
    ) -> Sequence[BadExampleError | None]:
        """Reads members into the places from number `first` on.

        Returns:
          For each member why it is not a usable example, or None.

        Raises:
          DataError: an archive can't be read any more.
        """

    def finish(self, batch: Any, good: Sequence[bool]) -> Arrays:
        """Returns the examples of those places for which `good` is true."""


class FeatureReader(BatchReader, Protocol):
    """How members become arrays, and these become the features of a network."""

    @property
    def signature(self) -> Mapping[str, Signature]:
        """Types and shapes of the arrays of a batch, by name."""

    def blank(self) -> Arrays:
        """Returns one example that stands in for a batch whose members are all bad."""

    def features(self, arrays: 'Mapping[str, Tensor]') -> 'Mapping[str, Tensor]':
        """Returns, in a graph, the features of a model function for the arrays of a batch."""


class RowReader(FeatureReader, Protocol):
    """How members become numbers of rows: examples are kept in memory, in arrays that all batches share."""

    @property
    def shared(self) -> Arrays:
        """Arrays of all examples, which `features` needs as well as those of a batch."""

    def row_of(self, member: Member) -> int | BadExampleError | None:
        """Returns the row of a member, or why it has none; None if it was not read yet."""

    def arrays_of(self, rows: np.ndarray, places: np.ndarray) -> Arrays:
        """Returns the arrays of a batch.

        Args:
          rows: of its examples, int32 [n].
          places: of the examples among the members of the batch, int32 [n].
        """


class Reader(FeatureReader, Protocol):
    """How the members of a run become arrays that hold all of an example, and these become features."""

    def by_row(self) -> RowReader | None:
        """Returns a reader with the same features, of examples in memory; None if they are not kept there."""

    def plain(self) -> 'Reader':
        """Returns the same reader without random changes, for evaluation."""

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
      image_shape: (height, width, channels) to which images are scaled.
      decode: a value of --decode.
      augment: a value of --augment; '' for none.
      seed: of the augmentation.
      places: whether the places of examples in their batch are a feature, too.
      cache_megabytes: of decoded images that may be kept in memory.
      examples: how many different ones there are; None if unknown.
      tokens: of trees, in the order of their numbers.
      vocabulary: the labels; None if there are none.
    """

    image_shape: tuple[int, int, int]
    decode: str = 'exact'
    augment: str = ''
    seed: int = 0
    places: bool = False
    cache_megabytes: int = 0
    examples: int | None = None
    tokens: Sequence[str] = ()
    vocabulary: Vocabulary | None = None


class DataSettings(Protocol):
    """Settings of a run by which a kind finds its own parameters."""

    @property
    def data(self) -> Sequence[str]:
        """Where the examples are."""

    @property
    def tokens(self) -> Path | None:
        """File of the vocabulary of tokens."""

    @property
    def max_tokens(self) -> int:
        """Most tokens in a vocabulary."""

    @property
    def lowercase(self) -> bool:
        """Whether the tokens of a vocabulary are in lower case."""

    @property
    def vectors(self) -> Path | None:
        """File of vectors of tokens."""


@dataclass(frozen=True)
class Kind(ABC):
    """A kind of example; `data.kinds` lists them.

    Attributes:
      name: in records, indexes and the registry of models.
      noun: its plural, for messages.
      settings: names of the settings of a run that apply to this kind only.
      has_pixels: whether an example is an array of pixels, [height, width, channels].
      has_lines: whether an example may be a line of a text file.
      label_help: a sentence that says where labels come from.
      dimensions: names of the numbers that `examine` returns.
      labels: table of the labels; None if they come from folders, lines, or files next to the examples.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    settings: ClassVar[frozenset[str]] = frozenset()
    has_pixels: ClassVar[bool] = False
    has_lines: ClassVar[bool] = False
    label_help: ClassVar[str] = ''
    dimensions: ClassVar[tuple[str, ...]] = ()
    labels: LabelTable | None = None

    @abstractmethod
    def accepts(self, name: str) -> bool:
        """Whether a file of that name in an archive or a folder is an example; hidden files are not."""

    def recognises(self, head: bytes) -> bool:
        """Whether a file without a suffix is an example, by its first HEAD_BYTES."""
        return False

    def is_line(self, line: bytes) -> bool:
        """Whether a line of a text looks like an example."""
        return False

    def line_name(self, number: int, line: bytes) -> str:
        """Returns the name of an example that is line `number`, from 1, of a text."""
        raise NotImplementedError

    def examine(self, data: bytes) -> tuple[int, ...]:
        """Decodes an example and returns its size: a number for each of `dimensions`. Thread-safe.

        Raises:
          BadExampleError: it can't be decoded.
        """
        raise NotImplementedError

    def with_labels(self: K, labels: LabelTable | None) -> K:
        """Returns the same kind with labels from a table; from where they are by default for None."""
        return replace(self, labels=labels)

    def reader(self, options: ReaderOptions) -> Reader:
        """Returns how examples become arrays.

        Raises:
          FlagError: an option is not understood.
        """
        raise NotImplementedError

    def data_params(
        self, settings: DataSettings, examples: Callable[[], Iterable[Member]], total: int | None
    ) -> dict[str, Any]:
        """Returns parameters of the model that the training data decides, by name.

        Args:
          settings: of the run.
          examples: reads the training data from its beginning.
          total: how many examples that are; None if they can be read only once.

        Raises:
          FlagError: they can't be found with these settings.
          DataError: the data can't be read.
        """
        return {}

    def record(self, folder: Path, params: Mapping[str, Any]) -> None:
        """Writes those parameters into a model_dir.

        Raises:
          OSError: they can't be written.
        """
        return

    def restore(self, folder: Path) -> dict[str, Any]:
        """Returns those parameters as a model_dir has them.

        Raises:
          DataError: they can't be read.
        """
        return {}

    def serving_inputs(self, shape: Sequence[int]) -> dict[str, str]:
        """Describes the inputs of an export, by the receiver's name; '' is the default one.

        The last one's inputs are numbers only.

        Args:
          shape: (height, width, channels) of images.
        """
        raise NotImplementedError
