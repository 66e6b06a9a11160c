"""Member name -> label; label <-> id."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from estimator_lab.base.printable import printable
from estimator_lab.base.regular_files import read_regular, why_unread
from estimator_lab.errors import DataError

UNKNOWN_ID = -1
_MOST_BYTES = 2**26  # of a vocabulary; a million labels of 60 letters


def label_of(name: str) -> str:
    """The member's parent folder: 'train/n000001/0001_01.jpg' -> 'n000001', 'x.jpg' -> ''.

    Examples:
        >>> label_of('train/n000001/0001_01.jpg')
        'n000001'
        >>> label_of('0001_01.jpg')
        ''
    """
    folder = name.rpartition('/')[0].rstrip('/')
    label = folder.rpartition('/')[2]
    return '' if label in ('.', '..') else label


@dataclass(frozen=True)
class Vocabulary:
    """The labels of a classifier in the order of their ids, which are 0, 1, 2, ...

    Examples:
        >>> vocabulary = Vocabulary(('cat', 'dog'))
        >>> vocabulary.id_of('dog'), vocabulary.id_of('fox'), vocabulary.label(0)
        (1, -1, 'cat')
        >>> Vocabulary(('cat',))
        Traceback (most recent call last):
        estimator_lab.errors.DataError: One class only: 'cat'; a classifier needs at least two.

    Raises:
      DataError: a label occurs twice, or there are fewer than two.
    """

    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        twice = [label for label, count in Counter(self.labels).items() if count > 1]
        if twice:
            raise DataError(f'The label {twice[0]!r} occurs twice in the vocabulary.')
        if not self.labels:
            raise DataError('No class: the vocabulary is empty; a classifier needs at least two.')
        if len(self.labels) == 1:
            raise DataError(f'One class only: {self.labels[0]!r}; a classifier needs at least two.')

    def __len__(self) -> int:
        return len(self.labels)

    def id_of(self, label: str) -> int:
        """The label's id, `UNKNOWN_ID` if it isn't in the vocabulary."""
        return self._ids.get(label, UNKNOWN_ID)

    def label(self, id_: int) -> str:
        """The label of an id in [0, len).

        Raises:
          IndexError: the id is out of range, `UNKNOWN_ID` included.
        """
        if not 0 <= id_ < len(self):
            raise IndexError(f'label id {id_} is not in [0, {len(self)})')
        return self.labels[id_]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {label: id_ for id_, label in enumerate(self.labels)}


def read_vocabulary(path: Path) -> Vocabulary:
    """Reads a vocabulary from a text file of one label a line; empty lines are skipped.

    Labels are compared in their printable form; the file may hold either that or the original text.

    Raises:
      DataError: the file can't be read, or its labels are not a vocabulary.
    """
    try:
        lines = read_regular(path, _MOST_BYTES).decode().split('\n')
    except (OSError, ValueError) as error:
        raise DataError(f'--vocabulary={path} cannot be read: {why_unread(error)}.') from error
    try:
        return Vocabulary(tuple(printable(line.strip()) for line in lines if line.strip()))
    except DataError as error:
        raise DataError(f'--vocabulary={path}: {error}') from error
