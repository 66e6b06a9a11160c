"""Which examples are used: those of a split, those of one worker."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from estimator_lab.data.tar.index import Index, name_hash
from estimator_lab.errors import FlagError

T = TypeVar('T')

_HASHES = 2**64


class Part(NamedTuple):
    """The examples whose names hash into [low, high) of [0, 1); all by default.

    Examples:
        >>> names = [f'n000001/{number:04}.jpg' for number in range(1000)]
        >>> training, test = Part(0.0, 0.9), Part(0.9, 1.0)
        >>> all((name in training) != (name in test) for name in names)
        True
        >>> 50 < sum(name in test for name in names) < 150
        True

    Only the name of an example in its archive counts, so that two disjoint parts share no example, wherever
    the archive is and however its members are ordered.
    """

    low: float = 0.0
    high: float = 1.0

    def mask(self, index: Index) -> np.ndarray:
        """Returns which members belong to the part, bool [members]."""
        if self == EVERYTHING:
            return np.ones(len(index), bool)
        shares = index.name_hashes / _HASHES
        return (self.low <= shares) & (shares < self.high)

    def __contains__(self, name: object) -> bool:
        return self == EVERYTHING or self.low <= name_hash(str(name)) / _HASHES < self.high


@dataclass(frozen=True)
class WorkerShard:
    """The share of one worker in each global batch: the next `global_batch` examples of the global order.

    Examples:
        >>> list(WorkerShard(rank=1, world_size=2, global_batch=4).of(range(8)))
        [2, 3, 6, 7]
        >>> WorkerShard(rank=2, world_size=2)
        Traceback (most recent call last):
        estimator_lab.errors.FlagError: rank=2 is not one of world_size=2: ranks go from 0 to 1.

    A global batch is divided into parts that differ by one example at most, so that `world_size` workers
    together read each example exactly once, however many there are and whatever their archives' sizes.

    Attributes:
      rank: number of the worker, from 0.
      world_size: number of workers.
      global_batch: examples that all workers together read at a time; 0 for one each.
      keeps_pairs: whether the examples at places 0 and 1, 2 and 3, ... of each global batch stay together. A
        worker's part is then a range of places, not one of the stored order.

    Raises:
      FlagError: there is no such worker.
    """

    rank: int = 0
    world_size: int = 1
    global_batch: int = 0
    keeps_pairs: bool = False

    def __post_init__(self) -> None:
        if self.world_size < 1:
            raise FlagError(f'world_size={self.world_size} must be at least 1.')
        if not 0 <= self.rank < self.world_size:
            raise FlagError(
                f'rank={self.rank} is not one of world_size={self.world_size}: ranks go from 0 to '
                f'{self.world_size - 1}.'
            )
        if self.global_batch and self.global_batch < self.world_size:
            raise FlagError(
                f'global_batch={self.global_batch} must have an example for each of world_size='
                f'{self.world_size}.'
            )

    @property
    def window(self) -> int:
        """Examples of all workers in a global batch."""
        return self.global_batch or self.world_size

    @property
    def places(self) -> slice:
        """This worker's part of a global batch, as places in it."""
        size, count, unit = self.window, self.world_size, 2 if self.keeps_pairs else 1
        units = -(-size // unit)
        first, last = (unit * (rank * units // count) for rank in (self.rank, self.rank + 1))
        return slice(first, min(last, size))

    @property
    def own(self) -> int:
        """Examples of this worker in a global batch."""
        return self.places.stop - self.places.start

    def own_of(self, size: int) -> int:
        """Returns how many of `size` examples, from the first of a global batch on, are this worker's."""
        batches, rest = divmod(size, self.window)
        return batches * self.own + min(max(rest - self.places.start, 0), self.own)

    def of(self, sequence: Iterable[T]) -> Iterator[T]:
        """Yields this worker's part of each global batch of an endless sequence, in order."""
        if self.world_size == 1:
            yield from sequence
            return
        own, place = self.places, 0
        for item in sequence:
            if own.start <= place < own.stop:
                yield item
            del item  # before the next is read
            place = (place + 1) % self.window


EVERYTHING = Part()
ONLY_WORKER = WorkerShard()
