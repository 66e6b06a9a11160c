"""Places in an endless sequence of epochs, and the order in which the examples of each epoch are read.

A place is the number of an epoch, and that of one of its n examples. Places are packed as epoch * n + number,
int64, so that they sort by epoch and then by stored order. Positions, which count consumed examples, are
packed in the same way: at position p is the example that epoch p // n yields after p % n others.
"""

import itertools
from collections.abc import Iterator, Sized
from typing import NamedTuple, TypeVar

import numpy as np

from estimator_lab.base.shares import EVERY, Slice
from estimator_lab.data.archives.blocks import WINDOW, BlockOrder
from estimator_lab.data.archives.mixture import Mixture
from estimator_lab.data.archives.shuffling import keys_of, permuted, permuted_each

N = TypeVar('N', int, np.ndarray)

ENDLESS = 2**62
"""The position where an order without end ends."""

_TOGETHER = 4096  # places that a worker looks up at once


class EpochIndex(NamedTuple):
    """An example as an order names it: random changes depend on the epoch.

    Attributes:
      epoch: number of the pass, from 0.
      number: of the example in its data set.
    """

    epoch: int
    number: int


def pack(epoch: N | int, number: N, size: int) -> N:
    """Returns places packed, given the epochs and the numbers in [0, size)."""
    return epoch * size + number


def unpack(packed: N, size: int) -> tuple[N, N]:
    """Returns the epochs and the numbers of packed places; all are of epoch 0 if `size` is 0, for unknown."""
    if not size:
        return packed * 0, packed
    return packed // size, packed % size


class Places:
    """The endless sequence of the places of examples: each epoch has each of them once.

    Data sets, streams and input functions all read examples with random access in one of these orders.

    Args:
      examples: whose numbers are ordered.
      shuffle: whether each epoch is shuffled; else examples keep the stored order.
      seed: of the shuffling, together with the epoch.
      block_counts: examples of each block if they are shuffled by blocks, int64 [blocks].
      mixture: groups of examples that have epochs of their own; an epoch of the sequence is then n places.
      lanes: the number of ranks with which the order began, for which blocks and groups are dealt out.
    """

    def __init__(
        self,
        examples: Sized,
        shuffle: bool = False,
        seed: int = 0,
        block_counts: np.ndarray | None = None,
        mixture: Mixture | None = None,
        lanes: int = 1,
    ) -> None:
        self._size, self._shuffle, self._seed, self._mixture = len(examples), shuffle, seed, mixture
        self._groups, self._lanes = mixture.count if mixture else 1, lanes
        self._blocks: list[BlockOrder] = []  # of each group
        if block_counts is not None and shuffle:
            window = max(WINDOW // self._groups, 1)
            of_groups = mixture.block_counts(block_counts) if mixture else ()
            self._blocks = [
                BlockOrder(counts, f'{seed} group {group}', window, lanes)
                for group, counts in enumerate(of_groups)
            ] or [BlockOrder(block_counts, seed, lanes=lanes)]

    def batches(self, start: int, end: int = ENDLESS, own: Slice = EVERY) -> Iterator[np.ndarray]:
        """Yields the places of a slice of each global batch between two positions, many batches at a time.

        Only the last batch may be incomplete; it is then yielded alone, and may be empty for some slices.

        Args:
          start: position at which the first global batch begins.
          end: where an epoch ends, and the last global batch with it.
          own: the part of each global batch.

        Yields:
          Packed places, int64 [batches, examples of the slice]; of a slice of turns [examples].
        """
        group = own.group
        together = max(min(_TOGETHER * own.count, self._size) // group, 1) * group
        for first in range(start, end, together):
            last = min(first + together, end)
            whole = last - (last - first) % group
            if first < whole:
                yield self._divided(first, whole, own)
            if whole < last:
                yield self._divided(whole, last, own)

    def _divided(self, start: int, end: int, own: Slice) -> np.ndarray:
        """Returns the packed places of a slice of whole global batches, or of one that may be incomplete."""
        if own.turns:
            positions = np.arange(start, end)
            return self._at(positions[own.has_turn(*unpack(positions, self._size))])
        starts = np.arange(start, end, own.group)[:, np.newaxis]
        positions = starts + np.arange(own.number, min(own.group, end - start), own.count)
        return self._at(positions.ravel()).reshape(positions.shape)

    def _at(self, positions: np.ndarray) -> np.ndarray:
        """Returns the packed places at ascending positions."""
        if self._mixture:
            return self._mixed(self._mixture, positions)
        epochs, numbers = unpack(positions, self._size)
        if self._shuffle:
            ends = np.flatnonzero(np.diff(epochs, append=-1)) + 1
            for begin, end in itertools.pairwise([0, *ends.tolist()]):
                own, epoch = numbers[begin:end], epochs.item(begin)
                numbers[begin:end] = (
                    self._blocks[0].numbers(epoch, own)
                    if self._blocks
                    else permuted(own, self._size, self._seed, epoch)
                )
        return pack(epochs, numbers, self._size)

    def _mixed(self, mixture: Mixture, positions: np.ndarray) -> np.ndarray:
        """Returns the places at positions of a mixture, with the epochs of their groups.

        Each lane draws from the groups by the same pattern, so that each rank has its shares of them.
        """
        draws, lanes = np.divmod(positions, self._lanes)
        groups, earlier, sizes = mixture.at(draws)
        epochs, numbers = np.divmod(earlier * self._lanes + lanes, sizes)
        if self._shuffle:
            numbers = self._shuffled(numbers, sizes, epochs * mixture.count + groups)
        epochs %= ENDLESS // self._size  # a small group of large data has many
        return pack(epochs, mixture.numbers(groups, numbers), self._size)

    def _shuffled(self, places: np.ndarray, sizes: np.ndarray, orders: np.ndarray) -> np.ndarray:
        """Returns the numbers of examples within their groups.

        Args:
          places: of each group, within its epochs.
          sizes: of the groups.
          orders: epochs * groups + group.
        """
        different, which = np.unique(orders, return_inverse=True)
        names, numbers = [], places.copy()
        for number, order in enumerate(different.tolist()):
            epoch, group = divmod(order, self._groups)
            names.append(f'seed {self._seed} epoch {epoch} group {group}')
            if self._blocks:
                here = np.flatnonzero(which == number)
                numbers[here] = self._blocks[group].numbers(epoch, places[here])
        return numbers if self._blocks else permuted_each(places, sizes, keys_of(names)[:, which])
