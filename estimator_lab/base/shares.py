"""A slice of positions: how workers, ranks and machines share data, so that each example is read once.

- Synchronous workers and ranks take every n-th of each `global_batch` positions, the first one its rank:
  `Slice(rank, world_size, global_batch)`.
- A worker at its own pace, as in asynchronous training, takes every n-th position, others in each epoch, so
  that a slow worker costs steps but no classes: `Slice(rank, n, n, turns=True)`.
- A machine takes a contiguous part of everything, in stored order: `--part=3/12` is `Slice(2, 12, ALL)`.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from estimator_lab.base.errors import FlagError, option

T = TypeVar('T')
N = TypeVar('N', int, np.ndarray)

ALL = 2**62
"""A group of all positions."""

PART_HELP = 'only a share, such as 3/12: the third of twelve, in stored order; default: all'

_PART = re.compile(r'([0-9]{1,5})/([0-9]{1,5})', re.ASCII)


@dataclass(frozen=True)
class Slice:
    """Part `number` of `count` of every `group` positions; the parts of a group differ by one at most.

    Examples:
        >>> list(Slice(1, 2, 4).of(range(8)))
        [1, 3, 5, 7]
        >>> [Slice(number, 3, ALL).within([4, 1, 2]) for number in range(3)]
        [[range(0, 2), range(0, 0), range(0, 0)], [range(2, 4), range(0, 0), range(0, 0)], \
[range(4, 4), range(0, 1), range(0, 2)]]
        >>> Slice(2, 2)
        Traceback (most recent call last):
        estimator_lab.base.errors.FlagError: rank=2 is not one of world_size=2: ranks go from 0 to 1.

    Attributes:
      number: of the part, from 0; the rank of a worker.
      count: number of parts; the world size.
      group: positions that are divided at a time; the global batch.
      turns: whether part k of epoch e is part k - e of a group, for workers at their own pace; `group` is
        then `count`.

    Raises:
      FlagError: there is no such part.
    """

    number: int = 0
    count: int = 1
    group: int = 1
    turns: bool = False

    def __post_init__(self) -> None:
        rank, world_size = self.number, self.count
        if world_size < 1:
            raise FlagError(f'world_size={world_size} must be at least 1.')
        if not 0 <= rank < world_size:
            raise FlagError(
                f'rank={rank} is not one of world_size={world_size}: ranks go from 0 to {world_size - 1}.'
            )
        if self.group < world_size:
            raise FlagError(
                f'global_batch={self.group} must have an example for each of world_size={world_size}.'
            )

    @property
    def places(self) -> range:
        """The positions of the part within its group."""
        return range(self.number, self.group, self.count)

    def of(self, sequence: Iterable[T]) -> Iterator[T]:
        """Returns the part of each group of an endless sequence, in order."""
        if self.count == 1:
            return iter(sequence)
        own = self.places
        return itertools.compress(sequence, itertools.cycle([place in own for place in range(self.group)]))

    def has_turn(self, epochs: N, positions: N) -> Any:
        """Whether positions within their epochs are in a part of turns."""
        return (epochs + positions) % self.count == self.number

    def within(self, sizes: Sequence[int]) -> list[range]:
        """Returns which examples of each archive are in the contiguous part of all, given their numbers."""
        total, starts = sum(sizes), itertools.accumulate(sizes, initial=0)
        begin, end = (number * total // self.count for number in (self.number, self.number + 1))
        return [
            range(min(max(begin - start, 0), size), min(max(end - start, 0), size))
            for start, size in zip(starts, sizes, strict=False)
        ]

    def __str__(self) -> str:
        return f'{self.number + 1}/{self.count}'


EVERY = Slice()
"""All positions."""


def part_of(part: str) -> Slice | None:
    """Returns the slice that --part names, such as '3/12'; None for ''.

    Raises:
      FlagError: there is no such part.
    """
    if not part:
        return None
    found = _PART.fullmatch(part)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise FlagError(f'{option.part}={part} must be one of N shares, from 1/N to N/N, such as 3/12.')
    return Slice(number - 1, count, ALL)
