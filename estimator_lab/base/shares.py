"""Shares of a sequence for several machines: contiguous and equally large; as --part names them."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from estimator_lab.base.errors import FlagError, option

PART_HELP = 'only a share, such as 3/12: the third of twelve, in stored order; default: all'

_PART = re.compile(r'([0-9]{1,5})/([0-9]{1,5})', re.ASCII)


@dataclass(frozen=True)
class Share:
    """The share number `number` of `count`, from 1, which begins at a multiple of `unit`.

    Examples:
        >>> [Share(number, 3).within([4, 1, 2]) for number in (1, 2, 3)]
        [[range(0, 2), range(0, 0), range(0, 0)], [range(2, 4), range(0, 0), range(0, 0)], \
[range(4, 4), range(0, 1), range(0, 2)]]
    """

    number: int
    count: int
    unit: int = 1

    def within(self, sizes: Sequence[int]) -> list[range]:
        """Returns which examples of each archive belong to the share, given the numbers of their examples.

        Shares differ by one unit at most.
        """
        units = -(-sum(sizes) // self.unit)
        first, end = (n * units // self.count * self.unit for n in (self.number - 1, self.number))
        starts = itertools.accumulate(sizes, initial=0)
        return [
            range(min(max(first - start, 0), size), min(max(end - start, 0), size))
            for start, size in zip(starts, sizes, strict=False)
        ]

    def __str__(self) -> str:
        return f'{self.number}/{self.count}'


def share_of(part: str, unit: int = 1) -> Share | None:
    """Returns the share that --part names, such as '3/12', in units of some examples; None for ''.

    Raises:
      FlagError: there is no such share.
    """
    if not part:
        return None
    found = _PART.fullmatch(part)
    share = Share(int(found[1]), int(found[2]), unit) if found else Share(0, 0)
    if not 1 <= share.number <= share.count:
        raise FlagError(f'{option.part}={part} must be one of N shares, from 1/N to N/N, such as 3/12.')
    return share
