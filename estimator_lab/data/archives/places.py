"""Places in an endless sequence of epochs, and the order in which the examples of each epoch are read.

A place is the number of an epoch, and that of one of its n examples. Places are packed as epoch * n + number,
int64, so that they sort by epoch and then by stored order. Positions, which count consumed examples, are
packed in the same way: at position p is the example that epoch p // n yields after p % n others.
"""

from collections.abc import Iterator, Sized
from typing import Any, TypeVar

import numpy as np

from estimator_lab.base.shares import EVERY, Slice
from estimator_lab.data.archives.blocks import BlockOrder
from estimator_lab.data.archives.shuffling import permuted

N = TypeVar('N', int, np.ndarray)

ENDLESS = 2**62
"""The position where an order without end ends."""

_TOGETHER = 4096  # places that a worker looks up at once


class Place(int):
    """The number of an example in its data set, which knows its epoch: random changes depend on it."""

    epoch: int

    def __new__(cls, epoch: int, number: int) -> 'Place':
        """Makes a number that knows its epoch."""
        made = super().__new__(cls, number)
        made.epoch = epoch
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Place, (self.epoch, int(self))


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
    """

    def __init__(
        self,
        examples: Sized,
        shuffle: bool = False,
        seed: int = 0,
        block_counts: np.ndarray | None = None,
    ) -> None:
        self._size, self._shuffle, self._seed = len(examples), shuffle, seed
        self._blocks = None if block_counts is None else BlockOrder(block_counts, seed)

    def batches(self, start: int, end: int = ENDLESS, own: Slice = EVERY) -> Iterator[np.ndarray]:
        """Yields the places of a slice of each global batch between two positions, many batches at a time.

        The examples of a batch are divided in stored order. Only the last batch may be incomplete; it is then
        yielded alone, and may be empty for some slices.

        Args:
          start: position at which the first global batch begins.
          end: where an epoch ends, and the last global batch with it.
          own: the part of each global batch; not one of turns.

        Yields:
          Packed places, int64 [batches, examples of the slice].
        """
        group = own.group
        together = max(min(_TOGETHER * own.count, self._size) // group, 1) * group
        for first in range(start, end, together):
            last = min(first + together, end)
            whole = last - (last - first) % group
            if first < whole:
                yield self._divided(first, whole, own)
            if whole < last:
                batch = self._divided(whole, whole + group, own)
                yield batch[batch < end][np.newaxis]

    def _divided(self, start: int, end: int, own: Slice) -> np.ndarray:
        """Returns the packed places of a slice of whole global batches, int64 [batches, its examples]."""
        batches = self._between(start, end).reshape(-1, own.group)
        return batches if own.count == 1 else np.sort(batches)[:, own.places]

    def _between(self, start: int, end: int) -> np.ndarray:
        """Returns the places at some positions, packed."""
        parts = [np.empty(0, np.int64)]
        while start < end:
            number, begin = unpack(start, self._size)
            stop = min(self._size, begin + end - start)
            numbers = np.arange(begin, stop)
            if self._shuffle and self._blocks:
                numbers = self._blocks.numbers(number, begin, stop)
            elif self._shuffle:
                numbers = permuted(numbers, self._size, self._seed, number)
            parts.append(pack(number, numbers, self._size))
            start += stop - begin
        return np.concatenate(parts)
