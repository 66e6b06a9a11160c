"""The labels of an index's members, as numbers in the order of their first members."""

from array import array

import numpy as np

from estimator_lab.data.label_table import LabelTable
from estimator_lab.data.labels import label_of
from estimator_lab.data.tar.index_file import BESIDE


class LabelColumn:
    """Collects the labels of members in their stored order.

    Where files beside some members say their labels, those without such a file have none: the names of
    folders would be labels of another kind.

    Args:
      table: that gives all labels; None for names and files beside members.
    """

    def __init__(self, table: LabelTable | None) -> None:
        self._table = table
        self._numbers: dict[tuple[str, bool], int] = {}
        self._column: array[int] = array('Q')
        self._last: tuple[str, str | None] | None = None
        self._number = 0

    def add(self, name: str, given: str | None) -> None:
        """Takes in a member: its name, and its label where that is not its folder's."""
        source = name.rpartition('/')[0], given
        if source != self._last:  # members of one folder mostly follow each other
            label = (label_of(name), False) if given is None else (given, True)
            self._last, self._number = source, self._numbers.setdefault(label, len(self._numbers))
        self._column.append(self._number)

    def finish(self) -> tuple[np.ndarray, list[str], str]:
        """Returns the numbers [members], the labels by number, and an index's word for their origin."""
        are_given = any(given for _, given in self._numbers)
        labels: dict[str, int] = {}
        numbers = np.zeros(max(len(self._numbers), 1), np.uint32)
        for (label, given), number in self._numbers.items():
            text = label if given or not are_given else ''
            numbers[number] = labels.setdefault(text, len(labels))
        origin = self._table.fingerprint if self._table else BESIDE if are_given else ''
        return numbers[np.array(self._column, np.uint64)], list(labels), origin
