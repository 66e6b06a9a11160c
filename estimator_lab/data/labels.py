"""Member name -> label; counting the labels of archives; label <-> id."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from estimator_lab.data.tar_stream import scan_members
from estimator_lab.errors import DataError

UNKNOWN_ID = -1

_PROGRESS_EVERY = 10_000


def label_of(name: str) -> str:
    """The member's parent folder: 'train/n000001/0001_01.jpg' -> 'n000001', 'x.jpg' -> ''."""
    folder = name.rpartition('/')[0].rstrip('/')
    label = folder.rpartition('/')[2]
    return '' if label in ('.', '..') else label


class Census(NamedTuple):
    """How many images each label has."""

    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in sorted order."""
        return tuple(sorted(self.counts))


def take_census(archives: Sequence[str], progress: Callable[[int], None] | None = None) -> Census:
    """Counts the images of each label in one pass over the headers of all archives.

    Args:
      archives: paths of tar archives.
      progress: called with the number of images so far, every 10,000 images and at the end.

    Raises:
      DataError: an archive can't be read or has no images, or an image lies in no folder.
    """
    counts: Counter[str] = Counter()
    total = 0
    for archive in archives:
        before = total
        for header in scan_members(archive):
            label = label_of(header.name)
            if not label:
                raise DataError(
                    f'{archive!r}: member {header.name!r} at byte {header.offset} has no label: '
                    'it lies in no folder.'
                )
            counts[label] += 1
            total += 1
            if progress and total % _PROGRESS_EVERY == 0:
                progress(total)
        if total == before:
            raise DataError(f'{archive!r} holds no images.')
    if progress and total % _PROGRESS_EVERY:
        progress(total)
    return Census(dict(counts))


@dataclass(frozen=True)
class Vocabulary:
    """The labels of a classifier in the order of their ids, which are 0, 1, 2, ...

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
