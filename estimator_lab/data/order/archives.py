"""Archives and folders of a run: their examples, and the order in which they are read."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.console.progress import Progress
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.members import open_index
from estimator_lab.data.order.order import IndexedOrder, Order, RelayedOrder, StreamOrder
from estimator_lab.data.order.resume_segments import PIPE, RANDOM, STREAM, Segment, Source
from estimator_lab.data.order.shuffling import LabelOrderWatch
from estimator_lab.data.order.split_and_shard import EVERYTHING, Part
from estimator_lab.data.tar.index import Index
from estimator_lab.data.tar.sources import expand_archives, is_pipe
from estimator_lab.errors import DataError

Say = Callable[[str], None]
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Archives:
    """Some archives and folders.

    Attributes:
      paths: their paths or URLs; '-' is standard input.
      indexes: one for each; empty if one of them can be read only once.
      part: the examples that are used.
      kind: which members are examples.
      use_damaged: whether a damaged archive is used up to the damage, with a warning.
      say: shows one line to the user.
    """

    paths: tuple[str, ...]
    indexes: tuple[Index, ...] = ()
    part: Part = EVERYTHING
    kind: Kind = IMAGES
    use_damaged: bool = False
    say: Say = print

    @cached_property
    def masks(self) -> list[np.ndarray]:
        """Which members belong to the part: for each index bool [members]."""
        return [self.part.mask(index) for index in self.indexes]

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of examples by label, sorted; empty if unknown."""
        counts: Counter[str] = Counter()
        for index, mask in zip(self.indexes, self.masks, strict=True):
            found = np.bincount(index.label_ids[mask], minlength=len(index.labels))
            counts.update(dict(zip(index.labels, found.tolist(), strict=True)))
        return {label: counts[label] for label in sorted(counts) if counts[label]}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(label for label in self.counts if label)

    @property
    def total(self) -> int | None:
        """Number of examples; None if unknown."""
        return sum(self.counts.values()) if self.indexes else None

    @property
    def has_random_access(self) -> bool:
        """Whether each example can be read without the preceding ones."""
        return bool(self.indexes) and all(index.random_access for index in self.indexes)

    @cached_property
    def sources(self) -> tuple[Source, ...]:
        """How a record identifies them, in order; of a pipe only that it is one."""
        if not self.indexes:
            return (Source(PIPE, 0, PIPE, STREAM),)
        return tuple(
            Source(
                _plain_name(index.archive),
                int(np.count_nonzero(mask)),
                index.fingerprint,
                RANDOM if index.random_access else STREAM,
            )
            for index, mask in zip(self.indexes, self.masks, strict=True)
        )

    def restricted_to(self, part: Part) -> 'Archives':
        """Returns the same archives, of which only a part is used."""
        return replace(self, part=part)

    def arranged(self, known: Sequence[Source]) -> 'Archives':
        """Returns the same archives: the known ones in that order, followed by the others.

        An archive is recognised by its contents; its name and location do not matter.
        """
        places = self._places_of(known)
        return self._at([*places, *sorted(set(range(len(self.indexes))) - set(places))])

    def only(self, known: Sequence[Source]) -> 'Archives':
        """Returns the known ones of the archives, in that order."""
        return self._at(self._places_of(known))

    def order(
        self,
        shuffle_buffer: int = 1,
        seed: int = 0,
        labels: Sequence[str] = (),
    ) -> Order:
        """Returns the order in which the examples are read.

        Args:
          shuffle_buffer: encoded members held at once for shuffling; archives with random access are shuffled
            as a whole instead. 1 keeps the stored order in both.
          seed: of the order.
          labels: that are expected if the archives can't be counted up front.
        """
        if self.has_random_access:
            return IndexedOrder(self.indexes, shuffle_buffer > 1, seed, self.part)
        counts = self.counts or dict.fromkeys(labels, 1)
        return StreamOrder(
            self.paths,
            shuffle_buffer,
            seed,
            self.part,
            sizes=[int(np.count_nonzero(mask)) for mask in self.masks] if self.indexes else None,
            watch=LabelOrderWatch(counts, self.say) if shuffle_buffer > 1 and counts else None,
            on_damage=self._warn_of_damage if self.use_damaged else None,
            note=self.say,
            kind=self.kind,
        )

    def order_of(self, segment: Segment, **options: Any) -> Order:
        """Returns the order of a segment of a run: the rest of an epoch of older archives, then these.

        Args:
          segment: these are its newest archives.
          **options: of `order`.
        """
        after = self.order(**options)
        if not segment.later:
            return after
        before = self.only(segment.sources)
        return RelayedOrder(
            before.order(**options), after, segment.epoch + 1, before.total or 0, self.total or 0
        )

    def check_labels(self) -> None:
        """Checks that every example has a label.

        A line without a label in a text with labels is left to the reader: most likely it is a bad example.

        Raises:
          DataError: for the first example without a label.
        """
        for index in self.indexes:
            if '' in index.labels and not (index.is_text and len(index.labels) > 1):
                row = int(np.flatnonzero(index.label_ids == index.labels.index(''))[0])
                count = int(np.count_nonzero(index.label_ids == index.labels.index('')))
                more = f' (nor have {count - 1:,} more)' if count > 1 else ''
                raise DataError(f'{index.member(row).place} has no label: {index.why_no_label(row)}{more}.')

    def _places_of(self, known: Sequence[Source]) -> list[int]:
        """Returns the places of the known archives; each is used once."""
        if not self.indexes:
            return []
        free: defaultdict[str, deque[int]] = defaultdict(deque)
        for place, source in enumerate(self.sources):
            free[source.fingerprint].append(place)
        return [free[source.fingerprint].popleft() for source in known if free[source.fingerprint]]

    def _at(self, places: Sequence[int]) -> 'Archives':
        if not self.indexes:
            return self
        paths, indexes = zip(*((self.paths[place], self.indexes[place]) for place in places), strict=True)
        return replace(self, paths=paths, indexes=indexes)

    def _warn_of_damage(self, error: DataError) -> None:
        if not self.indexes:  # else it was reported when the indexes were opened
            self.say(f'Warning: {error}')


def distinct_examples(several: Iterable[Archives]) -> int | None:
    """Returns how many different examples some archives hold together; None if unknown."""
    masks: dict[str, np.ndarray] = {}
    for archives in several:
        if archives.total is None:
            return None
        for index, mask in zip(archives.indexes, archives.masks, strict=True):
            masks[index.archive] = mask | masks.get(index.archive, False)
    return sum(int(np.count_nonzero(mask)) for mask in masks.values())


def open_archives(
    patterns: Sequence[str], use_damaged: bool = False, say: Say = print, kind: Kind = IMAGES
) -> Archives:
    """Opens archives, and reads or builds their indexes.

    Args:
      patterns: paths of archives and folders, globs, URLs, or '-' for standard input.
      use_damaged: whether a damaged archive is used up to the damage, with a warning.
      say: shows one line to the user.
      kind: which members are examples.

    Raises:
      DataError: an archive can't be read, has none of them, or is damaged and `use_damaged` is False.
    """
    paths = tuple(expand_archives(patterns, say))
    if any(map(is_pipe, paths)):
        return Archives(paths, kind=kind, use_damaged=use_damaged, say=say)
    indexes = []
    for path in paths:
        with closing(Progress(f'Indexing {path}')) as progress:
            indexes.append(open_index(path, progress, say, kind))
    for index in indexes:
        if index.damage and not use_damaged:
            remedy = f'--use_damaged trains on the {len(index):,} {kind.noun} before that.'
            raise DataError(index.damage, use_damaged=remedy)
        if index.damage:
            say(f'Warning: {index.damage} The {len(index):,} {kind.noun} before that are used.')
        if not len(index):
            others = f', {index.others}' if index.others else ''
            raise DataError(f'{index.archive!r} holds no {kind.noun}{others}.')
    return Archives(paths, tuple(indexes), kind=kind, use_damaged=use_damaged, say=say)


def _plain_name(path: str) -> str:
    """Returns the name of a file for a record: short and printable."""
    name = Path(path).name or path
    return ''.join(letter if letter.isprintable() else '?' for letter in name)[-_LONGEST_NAME:]
