"""Mixtures: archives or labels that have fixed shares of every stretch of an order."""

import hashlib
import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.json_input import shown
from estimator_lab.data.archives.index import Index
from estimator_lab.data.examples.member import Member

Shares = tuple[tuple[str, int], ...]
"""Names of archives or labels, and their shares as whole numbers."""

_LONGEST_PERIOD = 100_000
_LONGEST_TEXT = 100
_MOST_BY_BLOCKS = 8  # groups, each of which has blocks in memory


def shares_of(weights: Any) -> Shares:
    """Returns weights as the smallest whole numbers that are in their proportion; () for None.

    Those that would be of more than 100,000 together, such as 1 / 3 as a float, are rounded to about as many.

    Raises:
      FlagError: they are not positive numbers by name.
    """
    if weights is None:
        return ()
    try:
        given = dict(weights) if isinstance(weights, Mapping) else {}
        exact = {name: Fraction(str(weight)) for name, weight in given.items() if name and name == str(name)}
        if len(exact) == len(given) and min(exact.values(), default=0) > 0:
            return tuple(_in_proportion(exact).items())
    except (ValueError, ZeroDivisionError):
        pass
    raise FlagError(
        f'{option.weights}={shown(weights)} must be positive numbers by archive or by label, such as '
        "{'a.tar': 0.7, 'b.tar': 0.3}."
    )


def _in_proportion(exact: Mapping[str, Fraction]) -> dict[str, int]:
    """Returns the smallest whole numbers in a proportion, or in nearly that one."""
    whole = math.lcm(*(weight.denominator for weight in exact.values()))
    shares = {name: int(weight * whole) for name, weight in exact.items()}
    common, total = math.gcd(*shares.values()), sum(shares.values())
    if total <= common * _LONGEST_PERIOD:
        return {name: share // common for name, share in shares.items()}
    return {name: max(round(Fraction(share * _LONGEST_PERIOD, total)), 1) for name, share in shares.items()}


def parse_weights(text: str) -> Shares:
    """Returns the shares in 'a.tar=0.7,b.tar=0.3'; none for ''.

    Raises:
      FlagError: they are not positive numbers by name, or a name is given twice.
    """
    if not text:
        return ()
    parts = [part.rpartition('=') for part in text.split(',')]
    if not all(equals for _, equals, _ in parts):
        raise FlagError(f'{option.weights} takes NAME=WEIGHT,NAME=WEIGHT, not {shown(text)}.')
    weights = {name.strip(): weight.strip() for name, _, weight in parts}
    if len(weights) < len(parts):
        raise FlagError(f'{option.weights}={shown(text)} names an archive or a label twice.')
    return shares_of(weights)


def shares_text(shares: Shares) -> str:
    """Returns shares in words, for people and to compare them: 'a.tar=7,b.tar=3', or a digest of many."""
    text = ','.join(f'{name}={share}' for name, share in shares)
    digest = hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:16]
    return text if len(text) <= _LONGEST_TEXT else f'{len(shares):,} shares {digest}'


class Numbered(Protocol):
    """Examples by number."""

    indexes: Sequence[Index]

    @property
    def block_counts(self) -> np.ndarray | None:
        """How many examples each block has; None if they are not shuffled by blocks."""

    def values(self, of: Callable[[Index], np.ndarray]) -> np.ndarray:
        """Returns what a function of an index has for each of its members, of all examples in use."""

    def members(self, places: np.ndarray) -> Iterator[Member]:
        """Yields the examples at some packed places."""


class Mixture:
    """Groups of examples with fixed shares: each is an endless sequence of epochs of its own.

    In the first n positions, the number of examples of a group differs from its share by less than one, for
    any n.

    Args:
      groups: the group of each example, int [examples].
      shares: of the groups, as whole numbers; their sum is the period.

    Attributes:
      count: number of groups.
    """

    def __init__(self, groups: np.ndarray, shares: Sequence[int]) -> None:
        self.count = len(shares)
        self._shares, self._sizes = np.array(shares), np.bincount(groups, minlength=self.count)
        self._numbers = np.argsort(groups, kind='stable').astype(np.min_scalar_type(len(groups)))
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._pattern = dealt(shares)
        self._before = np.empty(len(self._pattern), np.int64)  # positions of the same group before each
        counts = itertools.chain.from_iterable(map(range, shares))
        self._before[np.argsort(self._pattern, kind='stable')] = list(counts)

    @classmethod
    def of(cls, examples: Numbered, shares: Shares) -> 'Mixture':
        """Returns a mixture of examples; see `groups_of`."""
        return cls(groups_of(examples, shares), [share for _, share in shares])

    def at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the group at each position, how many of it come earlier, and its number of examples."""
        periods, places = np.divmod(positions, len(self._pattern))
        groups = self._pattern[places]
        return groups, periods * self._shares[groups] + self._before[places], self._sizes[groups]

    def block_counts(self, counts: np.ndarray) -> list[np.ndarray]:
        """Returns how many examples of each group blocks have, given those of all, in stored order."""
        blocks = np.repeat(np.arange(len(counts)), counts)[self._numbers]
        of_groups = np.split(blocks, self._starts[1:])
        return [np.unique(own, return_counts=True)[1] for own in of_groups]

    def numbers(self, groups: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """Returns the numbers of examples, given their numbers within their groups, int64."""
        return self._numbers[self._starts[groups] + ranks].astype(np.int64)


def groups_of(examples: Numbered, shares: Shares) -> np.ndarray:
    """Returns the share of each example, int [examples].

    Shares are of labels; or of archives, by their paths or names, or patterns of these.

    Raises:
      FlagError: an example has no share, an archive has several, or a share has no example; or blocks
        would be read for a few examples each.
    """
    numbers = {name: number for number, (name, _) in enumerate(shares)}
    is_of_labels = any(label in numbers for index in examples.indexes for label in index.labels)

    def of_index(index: Index) -> np.ndarray:
        if is_of_labels:
            return np.array([numbers.get(label, -1) for label in index.labels])[index.label_ids]
        path = index.source.name
        names = path, Path(path).name
        found = [n for name, n in numbers.items() if any(fnmatchcase(one, name) for one in names)]
        if len(found) > 1:
            raise FlagError(f'{option.weights}: {path!r} has several weights: give each archive one.')
        return np.full(len(index), found[0] if found else -1)

    if examples.block_counts is not None and (is_of_labels or len(shares) > _MOST_BY_BLOCKS):
        what = 'labels' if is_of_labels else f'more than {_MOST_BY_BLOCKS} archives'
        raise FlagError(
            f'{option.weights} of {what} would read each block for a few examples: give '
            f'{option.shuffle_blocks}=0.'
        )
    groups = examples.values(of_index)
    if (groups < 0).any():
        (member,) = examples.members(np.flatnonzero(groups < 0)[:1])
        name, what = (member.label, 'label') if is_of_labels else (member.archive, 'archive')
        raise FlagError(f'{option.weights}: {name!r} has no weight: give each {what} one.')
    sizes = np.bincount(groups, minlength=len(shares))
    if not sizes.all():
        name = shares[int(np.argmin(sizes))][0]
        raise FlagError(f'{option.weights}: no example is of {name!r}.')
    return groups


def dealt(shares: Sequence[int]) -> np.ndarray:
    """Returns the group at each position of a period, int64; see `Mixture`.

    Each item of a group has a first and a last position that keep the group near its share. The item with the
    earliest last position is taken, of those that may be. Source: Tijdeman, The chairman assignment problem,
    Discrete Mathematics 32, 1980.
    """
    period, scale = sum(shares), max(2 * len(shares) - 2, 1)  # the slack is 1 / scale of an item

    def window(group: int, item: int) -> tuple[int, int]:
        share = shares[group] * scale
        return -(-(item * scale + 1) * period // share), ((item + 1) * scale - 1) * period // share + 1

    waiting = [(*window(group, 0), group, 0) for group in range(len(shares))]
    heapq.heapify(waiting)
    ready: list[tuple[int, int, int]] = []
    pattern = np.empty(period, np.int64)
    for position in range(period):
        while waiting and waiting[0][0] <= position + 1:
            _, last, group, item = heapq.heappop(waiting)
            heapq.heappush(ready, (last, group, item))
        _, group, item = heapq.heappop(ready)
        pattern[position] = group
        heapq.heappush(waiting, (*window(group, item + 1), group, item + 1))
    return pattern
