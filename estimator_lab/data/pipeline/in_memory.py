"""Examples in memory: batches as numbers, without looking at members.

Once each member of an order with random access has been read, all that a batch needs is in arrays: the order
is a permutation of places, from which rows, keys and class ids follow.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from estimator_lab.data.kind import RowReader
from estimator_lab.data.labels import Vocabulary
from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.order.order import IndexedOrder
from estimator_lab.data.pipeline.datasets import ROWS_AT_ONCE, Examples, encoded_keys, grouped
from estimator_lab.data.pipeline.report import InputReport

Read = Callable[[Iterable[Member]], Iterator[Examples]]


class InMemory:
    """The examples of an order: they are read as members in a first epoch, and are in memory from then on.

    Args:
      order: of the examples.
      reader: which puts them into memory.
      vocabulary: maps labels to ids; None for no labels.
      batch_size: members in a batch.
      report: counts the examples, and the bad ones.
    """

    def __init__(
        self,
        order: IndexedOrder,
        reader: RowReader,
        vocabulary: Vocabulary | None,
        batch_size: int,
        report: InputReport,
    ) -> None:
        self._order = order
        self._reader = reader
        self._id_of = vocabulary.id_of if vocabulary else lambda label: 0
        self._batch_size = batch_size
        self._report = report
        self._is_complete = False
        self._rows = np.empty(len(order), np.int32)  # -1 for a bad example
        self._ids = np.empty(len(order), np.int64)
        self._keys = np.empty(0, object)
        self._bad: dict[int, tuple[Member, BadExampleError]] = {}

    def epoch(self, read: Read) -> Iterator[Examples]:
        """Yields the batches of epoch 0; see `onwards`."""
        if not self._look_up():
            yield from read(self._order.epoch(0))
            return
        places = self._order.places(0)
        for some, batches in grouped(len(places), self._batch_size, ROWS_AT_ONCE):
            yield from self._batches(places[some], batches)

    def onwards(self, start: int, read: Read) -> Iterator[Examples]:
        """Yields the batches from a position on, without end; one whose members are all bad has no rows.

        Args:
          start: position in the order.
          read: yields the batches of members; fewer than all of them when training is asked to stop.

        Raises:
          DataError: as `read` raises it, or too many examples are bad.
        """
        while not self._look_up():
            members = self._until_whole_epoch(start)
            seen = self._report.seen
            yield from read(islice(self._order.onwards(start), members))
            if self._report.seen < seen + members:
                return
            start += members
        for places in self._order.places_onwards(start, ROWS_AT_ONCE * self._batch_size):
            yield from self._batches(places, ROWS_AT_ONCE)

    def _until_whole_epoch(self, start: int) -> int:
        """Returns how many members whole batches have until the end of the first whole epoch."""
        size = max(len(self._order), 1)
        members = (-(-start // size) + 1) * size - start
        return -(-members // self._batch_size) * self._batch_size

    def _look_up(self) -> bool:
        """Returns whether all examples are in memory; finds their rows, keys and ids if they are."""
        if self._is_complete:
            return True
        keys: list[str] = []
        for place, member in enumerate(self._order.stored()):
            row = self._reader.row_of(member)
            if row is None:
                return False
            if isinstance(row, BadExampleError):
                self._bad[place], row = (member, row), -1
            self._rows[place] = row
            self._ids[place] = self._id_of(member.label)
            keys.append(member.key)
        self._keys = encoded_keys(keys)
        self._is_complete = True
        return True

    def _batches(self, places: np.ndarray, count: int) -> Iterator[Examples]:
        """Yields `count` batches: together, or one by one if some of their members are bad."""
        if self._bad and (self._rows[places] < 0).any():
            for first in range(0, len(places), self._batch_size):
                yield self._without_bad(places[first : first + self._batch_size])
            return
        self._report.count_good(len(places))
        within = np.arange(len(places), dtype=np.int32) % self._batch_size
        yield self._examples(places, within, count)

    def _without_bad(self, places: np.ndarray) -> Examples:
        for place in places.tolist():
            if place in self._bad:
                self._report.count(*self._bad[place])
            else:
                self._report.count_good(1)
        good = np.flatnonzero(self._rows[places] >= 0)
        return self._examples(places[good], good.astype(np.int32), 1)

    def _examples(self, places: np.ndarray, within: np.ndarray, count: int) -> Examples:
        arrays = self._reader.arrays_of(self._rows[places], within)
        return Examples(arrays, self._keys[places], self._ids[places], batches=count)
