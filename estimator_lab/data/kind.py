"""What tells one kind of example from another: which members it takes, and how they become arrays.

Tar, order, resume, report and packing know members only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from estimator_lab.data.bad_example import BadExampleError
from estimator_lab.data.order.order import ScheduledMember
from estimator_lab.data.tar.member import Wanted

if TYPE_CHECKING:  # loading TensorFlow takes seconds, and most of what reads archives does without it
    from estimator_lab.tf1 import Tensor

Arrays = Mapping[str, np.ndarray]
"""Some examples: arrays by the feature's name, with a row for each."""


class Signature(NamedTuple):
    """Type and shape of a feature's array.

    Attributes:
      type: NumPy's name of it.
      shape: behind the first dimension, that of the examples; None where it varies from batch to batch.
    """

    type: str
    shape: tuple[int | None, ...]


class Reader(Protocol):
    """How the members of a run become arrays.

    Many threads call `read_into` at the same time, each for places of its own.
    """

    @property
    def signature(self) -> Mapping[str, Signature]:
        """Of the arrays of a batch, by the feature's name."""

    def begin(self, count: int) -> Any:
        """Returns what the examples of up to `count` members are collected in."""

    def read_into(
        self, batch: Any, first: int, several: Sequence[ScheduledMember]
    ) -> Sequence[BadExampleError | None]:
        """Reads members, and puts their examples into the places from number `first` on.

        Returns:
          For each why it is no usable example, or None.

        Raises:
          DataError: an archive can't be read any more.
        """

    def finish(self, batch: Any, good: Sequence[bool]) -> Arrays:
        """Returns the examples of the good places; `good` says which, of each a member has come to or not."""

    def blank(self) -> Arrays:
        """Returns one example, which stands where all of a batch were bad."""

    def plain(self) -> 'Reader':
        """Returns the same without what it changes at random, for where nothing is learned."""

    def features(self, arrays: 'Mapping[str, Tensor]') -> 'Mapping[str, Tensor]':
        """Returns, in a graph, what a model function is given of the arrays of a batch."""


@dataclass(frozen=True)
class Kind:
    """A kind of example; `data.kinds` lists them.

    Attributes:
      wanted: its name and noun, and which members are of it.
      settings: names of the settings of a run that have a meaning for this kind only.
    """

    wanted: Wanted
    settings: frozenset[str]

    @property
    def name(self) -> str:
        """Its name in the registry of models and in an index."""
        return self.wanted.name

    @property
    def noun(self) -> str:
        """What people call some of them."""
        return self.wanted.noun
