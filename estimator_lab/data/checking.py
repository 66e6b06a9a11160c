"""What archives hold, found in one pass: labels, sizes, bad examples, duplicates and damage."""

import hashlib
import os
import statistics
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.base.printable import escaped
from estimator_lab.data.budget import AHEAD
from estimator_lab.data.folder.index import open_folder
from estimator_lab.data.kind import Kind
from estimator_lab.data.labels import label_of
from estimator_lab.data.member import BadExampleError, Member, problem_of
from estimator_lab.data.members import is_folder, stream_members
from estimator_lab.data.pipeline.batches import look_ahead
from estimator_lab.data.tar.stream import scan_members
from estimator_lab.errors import DataError

_CHUNK = 64  # examples that a thread examines at once
_CHUNK_BYTES = 2**20
_MOST_LISTED = 1000  # bad examples, and groups of duplicates
_MOST_OF_A_GROUP = 10
_DIGEST_BYTES = 8

Show = Callable[[str, float | None], None]


class Spread(NamedTuple):
    """The smallest, middle and largest of some numbers."""

    least: int
    median: int
    most: int


class Bad(NamedTuple):
    """A bad example: where it is, and why it is bad; the name of a folder ends in a slash."""

    archive: str
    member: str
    offset: int
    reason: str

    @property
    def place(self) -> str:
        """Where it is in its archive."""
        return repr(self.member) if self.archive.endswith('/') else f'{self.member!r} at byte {self.offset}'


class Contents(NamedTuple):
    """What one archive or folder holds.

    Attributes:
      archive: its path; that of a folder ends in a slash.
      kind: of its examples.
      examples: their number.
      labels: number of examples by label, sorted; '' for those without one.
      bytes: of all examples, encoded.
      sizes: bytes of an example; None without examples.
      dimensions: such as the width of images in pixels, by name; empty if examples were not read.
      bad: number of examples that can't be decoded; None if they were not read.
      same_names: number of examples with the name of an earlier one.
      damage: a sentence that says where the archive is damaged; '' for a whole one.
      notes: what is unusual, but not an error.
    """

    archive: str
    kind: str
    examples: int
    labels: dict[str, int]
    bytes: int
    sizes: Spread | None
    dimensions: dict[str, Spread]
    bad: int | None
    same_names: int
    damage: str
    notes: list[str]


class Copies(NamedTuple):
    """Examples with the same bytes as an earlier one, bad ones left out.

    Attributes:
      examples: their number.
      in_other_archives: those whose first copy is in another archive.
      with_other_labels: those whose first copy has another label.
      groups: keys of equal examples, the first few of the first few groups.
    """

    examples: int
    in_other_archives: int
    with_other_labels: int
    groups: list[list[str]]


class _Found(NamedTuple):
    """What is known of an example."""

    name: str
    offset: int
    size: int
    label: str
    digest: int = 0
    dimensions: tuple[int, ...] = ()
    reason: str = ''


class Checker:
    """Reads archives one by one, and compares all of their examples.

    Memory holds 28 bytes and the name of each example.

    Args:
      quick: whether only headers are read: nothing is known then of bad examples and equal bytes.
      show: called with the number of examples so far, as text, and the share of the archive that was read.
    """

    def __init__(self, quick: bool = False, show: Show = lambda done, share: None) -> None:
        self._quick = quick
        self._show = show
        self._archives: list[str] = []
        self._ends: list[int] = []  # rows of each archive and all before
        self._names = bytearray()
        self._name_ends: array[int] = array('Q')
        self._digests: array[int] = array('Q')
        self._labels: array[int] = array('L')
        self._label_ids: dict[str, int] = {}
        self._is_bad = bytearray()
        self.bad: list[Bad] = []
        """The first thousand bad examples."""
        self.duplicate_names: list[str] = []
        """Keys of examples with the name of an earlier one in their archive, the first thousand."""

    def __len__(self) -> int:
        return len(self._name_ends)

    @property
    def name_bytes(self) -> int:
        """Bytes of all names."""
        return len(self._names)

    def read(self, archive: str, kind: Kind) -> Contents:
        """Reads an archive or folder; an error that ends it is its `damage`."""
        first, sizes, dimensions, bad, damage = len(self), array('Q'), list[array[int]](), 0, ''
        notes: list[str] = []
        try:
            archive = f'{archive.rstrip("/")}/' if is_folder(archive) else archive
            for found in _found_in(archive, kind, self._quick, self._shower(), notes.append):
                self._add(found)
                sizes.append(found.size)
                if found.reason:
                    bad += 1
                    if len(self.bad) < _MOST_LISTED:
                        self.bad.append(Bad(escaped(archive), found.name, found.offset, found.reason))
                for place, value in enumerate(found.dimensions):
                    if place == len(dimensions):
                        dimensions.append(array('Q'))
                    dimensions[place].append(value)
        except DataError as error:
            damage = str(error)
        self._archives.append(archive)
        self._ends.append(len(self))
        if not sizes and not damage:
            damage = f'{archive!r} holds no {kind.noun}.'
        counts = Counter(self._labels[first:])
        labels = [(text, counts[number]) for text, number in sorted(self._label_ids.items())]
        return Contents(
            archive=escaped(archive),
            kind=kind.name,
            examples=len(sizes),
            labels={text: count for text, count in labels if count},
            bytes=sum(sizes),
            sizes=_spread(sizes),
            dimensions=_spreads(kind.dimensions, dimensions),
            bad=None if self._quick else bad,
            same_names=self._count_names(first),
            damage=damage,
            notes=notes,
        )

    def copies(self) -> Copies | None:
        """Returns which examples have the same bytes as others; None if they were not read."""
        if self._quick:
            return None
        good = np.flatnonzero(np.array(self._is_bad, np.uint8) == 0)
        digests = np.array(self._digests, np.uint64)
        archives = np.searchsorted(self._ends, np.arange(len(self)), side='right')
        labels = np.array(self._labels, np.int64)
        count = elsewhere = otherwise = 0
        groups: list[list[str]] = []
        for rows in _equal(digests, good):
            count += len(rows) - 1
            elsewhere += int(np.count_nonzero(archives[rows] != archives[rows[0]]))
            otherwise += int(np.count_nonzero(labels[rows] != labels[rows[0]]))
            if len(groups) < _MOST_LISTED:
                groups.append([self._key(row) for row in rows[:_MOST_OF_A_GROUP].tolist()])
        return Copies(count, elsewhere, otherwise, groups)

    def _shower(self) -> Callable[[float], None]:
        return lambda share: self._show(f'{len(self):,} examples', share)

    def _add(self, found: _Found) -> None:
        self._names += found.name.encode()
        self._name_ends.append(len(self._names))
        self._digests.append(found.digest)
        self._labels.append(self._label_ids.setdefault(found.label, len(self._label_ids)))
        self._is_bad.append(bool(found.reason))

    def _count_names(self, first: int) -> int:
        """Returns how many examples from row `first` on have the name of an earlier one of these."""
        hashes = np.fromiter(map(hash, map(self._name, range(first, len(self)))), np.int64, len(self) - first)
        count = 0
        for rows in _equal(hashes, np.arange(len(hashes))):
            seen: set[str] = set()
            for row in (rows + first).tolist():
                name = self._name(row)
                if name in seen:
                    count += 1
                    if len(self.duplicate_names) < _MOST_LISTED:
                        self.duplicate_names.append(self._key(row))
                seen.add(name)
        return count

    def _name(self, row: int) -> str:
        start = self._name_ends[row - 1] if row else 0
        return self._names[start : self._name_ends[row]].decode()

    def _key(self, row: int) -> str:
        archive = self._archives[int(np.searchsorted(self._ends, row, side='right'))]
        return Member(archive, self._name(row), 0).key


def _equal(keys: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yields those of the rows, ascending, that share their key with another one, a group at a time."""
    if not len(rows):
        return
    order = rows[np.argsort(keys[rows], kind='stable')]
    begins = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]]) != 0)
    ends = np.append(begins[1:], len(order))
    several = ends - begins > 1
    groups = [order[begin:end] for begin, end in zip(begins[several], ends[several], strict=True)]
    yield from sorted(groups, key=lambda group: int(group[0]))


def _found_in(
    archive: str, kind: Kind, quick: bool, show: Callable[[float], None], note: Callable[[str], None]
) -> Iterator[_Found]:
    if not quick:
        yield from _examined(stream_members(archive, show, note, kind), kind)
    elif is_folder(archive):
        index = open_folder(archive, note=note, kind=kind)
        for member in index.members(range(len(index))):
            yield _Found(member.name, member.offset, member.unread, member.label)
    else:
        for entry in scan_members(archive, show, note, kind):
            label = label_of(entry.name) if entry.label is None else entry.label
            yield _Found(entry.name, entry.offset, entry.size, label, reason=problem_of(entry.size))


def _examined(members: Iterable[Member], kind: Kind) -> Iterator[_Found]:
    """Yields what is known of members that are decoded in threads; a DataError is raised after them."""
    threads = os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads)

    def pending() -> Iterator[tuple[Future[list[_Found]], int]]:
        for chunk, size in _chunks(members):
            yield pool.submit(_examine, kind, chunk), size
            del chunk  # before the next is read

    try:
        for future, _ in look_ahead(pending(), 4 * threads, lambda waiting: waiting[1], AHEAD):
            yield from future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _chunks(members: Iterable[Member]) -> Iterator[tuple[list[Member], int]]:
    """Yields members in chunks, each with its bytes; a DataError is raised after the last one."""
    chunk: list[Member] = []
    size, failed = 0, None
    try:
        for member in members:
            chunk.append(member)
            size += len(member.data)
            del member
            if len(chunk) == _CHUNK or size > _CHUNK_BYTES:
                yield chunk, size
                chunk, size = [], 0
    except DataError as error:
        failed = error
    if chunk:
        yield chunk, size
    if failed:
        raise failed


def _examine(kind: Kind, members: list[Member]) -> list[_Found]:
    found = []
    while members:
        member = members.pop(0)  # so that its data is released
        digest = hashlib.blake2b(member.data, digest_size=_DIGEST_BYTES).digest()
        dimensions: tuple[int, ...] = ()
        reason = member.problem
        if not reason:
            try:
                dimensions = kind.examine(member.data)
            except BadExampleError as error:
                reason = str(error)
        known = member.name, member.offset, len(member.data), member.label
        found.append(_Found(*known, int.from_bytes(digest, 'big'), dimensions, reason))
    return found


def _spread(numbers: Sequence[int]) -> Spread | None:
    return Spread(min(numbers), int(statistics.median(numbers)), max(numbers)) if numbers else None


def _spreads(names: Sequence[str], columns: Sequence[Sequence[int]]) -> dict[str, Spread]:
    found = zip(names, map(_spread, columns), strict=False)
    return {name: spread for name, spread in found if spread}


def as_json(value: Any) -> Any:
    """Returns named tuples as objects, also within others."""
    if isinstance(value, tuple) and hasattr(value, '_asdict'):
        return {name: as_json(inner) for name, inner in value._asdict().items()}
    if isinstance(value, dict):
        return {name: as_json(inner) for name, inner in value.items()}
    return [as_json(inner) for inner in value] if isinstance(value, list | tuple) else value
