"""Examples in memory: all are decoded before the first batch, which then is a few numbers of rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import read_batches
from estimator_lab.data.kind import Arrays, ExampleReader
from estimator_lab.data.labels import Vocabulary
from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.order import IndexedOrder
from estimator_lab.data.table import Table

_READ_AT_ONCE = 64
_BATCHES_AT_ONCE = 64  # batches that are handed to TensorFlow together: a few numbers for each example


class Examples(NamedTuple):
    """Some examples on their way into TensorFlow: arrays of n rows, n keys, n class ids, and their weight.

    They make up `batches` batches of equal size. Keys are bytes.
    """

    arrays: Arrays
    keys: np.ndarray
    ids: np.ndarray
    weight: float = 1.0
    batches: int = 1


class InMemory:
    """The examples of an order, as rows of a table.

    Args:
      order: of the examples.
      reader: which fills its table with the examples that it reads.
      table: that table.
      vocabulary: maps labels to ids; None for no labels.
      batch_size: members in a batch.
      report: counts the examples, and the bad ones.
    """

    def __init__(
        self,
        order: IndexedOrder,
        reader: ExampleReader,
        table: Table,
        vocabulary: Vocabulary | None,
        batch_size: int,
        report: InputReport,
    ) -> None:
        self._order, self._reader, self._table = order, reader, table
        self._id_of = vocabulary.id_of if vocabulary else lambda label: 0
        self._batch_size, self._report = batch_size, report
        self._rows = np.empty(0, np.int32)  # by place in the stored order; 0 for a bad example
        self._ids = np.empty(0, np.int64)
        self._keys = np.empty(0, object)
        self._bad: dict[int, Member] = {}

    def epoch(self, fill: 'Fill') -> Iterator[Examples]:
        """Yields the batches of epoch 0; see `onwards`."""
        self._fill(fill)
        places = self._order.positions(0, len(self._order))
        size = self._batch_size * _BATCHES_AT_ONCE
        whole = len(places) - len(places) % self._batch_size
        for first in range(0, whole, size):
            some = places[first : min(first + size, whole)]
            yield from self._batches(some, len(some) // self._batch_size)
        if whole < len(places):
            yield from self._batches(places[whole:], 1)

    def onwards(self, consumed: int, fill: 'Fill') -> Iterator[Examples]:
        """Yields the batches from a position on, without end; one whose members are all bad has no rows.

        Args:
          consumed: position in the order.
          fill: passes on the members that are decoded first; fewer of them when training is asked to stop.

        Raises:
          DataError: an archive can't be read, or too many examples are bad.
        """
        if not self._fill(fill) or not len(self._order):
            return
        size = self._batch_size * _BATCHES_AT_ONCE
        while True:
            places = self._order.positions(consumed, size) % len(self._order)
            yield from self._batches(places, _BATCHES_AT_ONCE)
            consumed += size

    def _fill(self, fill: 'Fill') -> bool:
        """Decodes what the table lacks; returns whether it is complete."""
        if len(self._rows) == len(self._order) > 0:
            return True
        missing = (member for member in self._order.stored() if self._table.row(member) is None)
        quiet = InputReport(self._report.kind, lambda line: None)  # batches report what is bad
        for _ in read_batches(fill(missing), _READ_AT_ONCE, self._reader, quiet):
            pass
        rows, ids, keys = [], [], []
        for place, member in enumerate(self._order.stored()):
            row = self._table.row(member)
            if row is None:
                return False
            if isinstance(row, BadExampleError):
                self._bad[place] = member
            rows.append(row if isinstance(row, int) else 0)
            ids.append(self._id_of(member.label))
            keys.append(member.key)
        self._rows, self._ids = np.array(rows, np.int32), np.array(ids, np.int64)
        self._keys = encoded_keys(keys)
        return True

    def _batches(self, places: np.ndarray, count: int) -> Iterator[Examples]:
        """Yields `count` batches: together, or one by one if some of their members are bad."""
        if not (self._bad and (self._rows[places] == 0).any()):
            self._report.count_good(len(places))
            yield self._examples(places, count)
            return
        for first in range(0, len(places), self._batch_size):
            some = places[first : first + self._batch_size]
            for place in some.tolist():
                if place in self._bad:
                    reason = self._table.row(self._bad[place])
                    assert isinstance(reason, BadExampleError)
                    self._report.count(self._bad[place], reason)
                else:
                    self._report.count_good(1)
            yield self._examples(some[self._rows[some] > 0], 1)

    def _examples(self, places: np.ndarray, count: int) -> Examples:
        return Examples({ROW: self._rows[places]}, self._keys[places], self._ids[places], batches=count)


Fill = Callable[[Iterable[Member]], Iterator[Member]]
ROW = 'row'
"""Name of the array of rows, int32 [n]."""


def encoded_keys(keys: Sequence[str]) -> np.ndarray:
    """Returns keys as bytes, object [n]: names in an archive; those that are not UTF-8 are restored."""
    return np.array([key.encode('utf-8', 'surrogateescape') for key in keys], object)
