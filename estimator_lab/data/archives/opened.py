"""Archives and folders of a run: their examples, and the order in which they are read."""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.progress import Progress
from estimator_lab.base.shares import Slice
from estimator_lab.base.sizes import shown_size
from estimator_lab.data.archives.blocks import SIZE, WINDOW, firsts_of, parse_block_size
from estimator_lab.data.archives.index import Index
from estimator_lab.data.archives.indexing import open_index
from estimator_lab.data.archives.mixture import Shares, groups_of
from estimator_lab.data.archives.order import IndexedMembers, IndexedOrder, Order, StreamOrder
from estimator_lab.data.archives.part import EVERYTHING, Part
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.labels import LabelTable
from estimator_lab.data.examples.member import Member
from estimator_lab.data.sources.arrays import ArraySource
from estimator_lab.data.sources.remote import THREADS, ahead
from estimator_lab.data.sources.source import Source, expand

Say = Callable[[str], None]

PIPE = 'pipe'
"""Name and fingerprint of a source that can be read only once, whose contents are unknown."""

_LONGEST_NAME = 200
_FIRST = 10_000  # members of a stream that are looked at for the order of labels


@dataclass(frozen=True)
class Identity:
    """An archive as a record identifies it.

    Attributes:
      name: of its file, for people.
      images: how many of its examples are used; 0 if unknown.
      fingerprint: equal for archives with the same members at the same places.
    """

    name: str
    images: int
    fingerprint: str


@dataclass(frozen=True)
class Archives:
    """Some archives and folders, opened.

    Attributes:
      sources: the archives.
      kind: which members are examples.
      indexes: one for each; empty if one of them can be read only once, or no index was wanted.
      part: the examples that are used.
      use_damaged: whether a damaged archive is used up to the damage, with a warning.
      block_size: bytes of the blocks in which they are shuffled and read, see `blocks`; 0 for none.
      own: the contiguous slice of the examples that is used, in stored order; None for all.
      begun: the examples of a pipe in stored order, if some were looked at; they can be read once.
    """

    sources: tuple[Source, ...]
    kind: Kind
    indexes: tuple[Index, ...] = ()
    part: Part = EVERYTHING
    use_damaged: bool = False
    say: Say = print
    block_size: int = 0
    own: Slice | None = None
    begun: Iterator[Member] | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """Their names, without credentials."""
        return tuple(source.name for source in self.sources)

    @cached_property
    def rows(self) -> list[range]:
        """The members of each index that are in the slice."""
        sizes = list(map(len, self.indexes))
        return self.own.within(sizes) if self.own else list(map(range, sizes))

    @cached_property
    def masks(self) -> list[np.ndarray]:
        """Which members belong to the part and the slice: for each index bool [members]."""
        masks = [self.part.mask(index) for index in self.indexes]
        for mask, rows in zip(masks, self.rows, strict=True):
            mask[: rows.start] = mask[rows.stop :] = False
        return masks

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
    def table(self) -> LabelTable | None:
        """The table of the labels; None if they come from elsewhere."""
        return self.sources[0].table

    @property
    def total(self) -> int | None:
        """Number of examples; None if unknown."""
        return sum(self.counts.values()) if self.indexes else None

    @property
    def has_random_access(self) -> bool:
        """Whether each example can be read without the preceding ones."""
        return bool(self.indexes) and all(index.random_access for index in self.indexes)

    @property
    def has_floats(self) -> bool:
        """Whether some of them are arrays of floats."""
        arrays = [source.images for source in self.sources if isinstance(source, ArraySource)]
        return any(images.dtype != np.uint8 for images in arrays)

    @cached_property
    def identities(self) -> tuple[Identity, ...]:
        """How a record identifies them, in order; of a pipe only that it is one."""
        if not self.indexes:
            return (Identity(PIPE, 0, PIPE),)
        return tuple(
            Identity(_plain_name(index.source.name), int(np.count_nonzero(mask)), index.fingerprint)
            for index, mask in zip(self.indexes, self.masks, strict=True)
        )

    def arranged(self, known: Sequence[Identity]) -> 'Archives':
        """Returns the same archives: the known ones in that order, followed by the others.

        An archive is recognised by its contents; its name and location do not matter.
        """
        if not self.indexes:
            return self
        free: defaultdict[str, deque[int]] = defaultdict(deque)
        for place, identity in enumerate(self.identities):
            free[identity.fingerprint].append(place)
        places = [free[one.fingerprint].popleft() for one in known if free[one.fingerprint]]
        places += sorted(set(range(len(self.indexes))) - set(places))
        sources, indexes = zip(*((self.sources[place], self.indexes[place]) for place in places), strict=True)
        return replace(self, sources=sources, indexes=indexes)

    def in_blocks(self, size: str) -> 'Archives':
        """Returns the same archives, shuffled and read by blocks.

        Args:
          size: of a block, such as '8M'; '0' for none; '' for the default, which is none unless on servers.

        Raises:
          FlagError: it is not an allowed size, or the archives are compressed.
        """
        is_far = any(source.is_remote for source in self.sources)
        count = SIZE if is_far and self.has_random_access else 0
        if size:
            count = parse_block_size(size)
        if count and not self.has_random_access:
            raise FlagError(
                f'{option.shuffle_blocks}={size} is for archives that can be read anywhere, but '
                f'{self.paths[0]!r} is read from its beginning.'
            )
        return replace(self, block_size=count)

    def order(
        self,
        shuffle_buffer: int = 1,
        seed: int = 0,
        progress: Callable[[float], None] = lambda share: None,
        weights: Shares = (),
        lanes: int = 1,
    ) -> Order:
        """Returns the order in which the examples are read.

        Args:
          shuffle_buffer: encoded members held at once for shuffling; archives with random access are shuffled
            as a whole, or by blocks, instead. 1 keeps the stored order in both.
          seed: of the order.
          progress: called with the share of an epoch that was read, in [0, 1], without random access.
          weights: shares of archives or labels; () for each example once an epoch.
          lanes: the number of workers with which the order began; see `Places`.

        Raises:
          FlagError: `weights` are of other data, or of data without random access.
        """
        if self.has_random_access and not self.own:
            if self.block_size and shuffle_buffer > 1:
                self._warn_if_lopsided()
            return IndexedOrder(self._members, shuffle_buffer > 1, seed, weights, lanes)
        self.check_weights(weights)
        if shuffle_buffer > 1:
            self._warn_if_sorted(shuffle_buffer)
        return StreamOrder(self, shuffle_buffer, seed, progress)

    def check_weights(self, weights: Shares) -> None:
        """Raises FlagError if weights are of other data, or of data without random access."""
        if weights and (self.own or not self.has_random_access):
            raise FlagError(
                f'{option.weights} needs random access, which {", ".join(self.paths)} does not have: pack it '
                'by estimator_lab.data.pack.'
            )
        if weights:
            groups_of(self._members, weights)

    @property
    def _members(self) -> IndexedMembers:
        return IndexedMembers(self.indexes, self.part, self.block_size)

    def check_labels(self) -> None:
        """Checks that every example in use has a label.

        A line without a label in a text with labels is left to the reader: most likely it is a bad example.

        Raises:
          DataError: for the first example without a label.
        """
        for index, mask in zip(self.indexes, self.masks, strict=True):
            if '' in index.labels and not (self.kind.has_lines and len(index.labels) > 1):
                without = np.flatnonzero((index.label_ids == index.labels.index('')) & mask)
                if not len(without):
                    continue
                more = f' (nor have {len(without) - 1:,} more)' if len(without) > 1 else ''
                place = index.member(int(without[0])).place
                raise DataError(f'{place} has no label: {index.why_no_label()}{more}.')

    def _warn_if_sorted(self, shuffle_buffer: int) -> None:
        """Warns if a stream is sorted by label, so that few classes fill its shuffle buffer."""
        if len(self.labels) < 2 or (self.total or 0) <= shuffle_buffer:
            return
        ids = self.indexes[0].label_ids[: min(shuffle_buffer, _FIRST)]
        in_buffer = len(set(self.indexes[0].label_ids[:shuffle_buffer].tolist()))
        runs = float(np.mean(ids[1:] == ids[:-1])) if len(ids) > 1 else 0.0
        if runs > 0.5 + 0.5 / len(self.labels) and 2 * in_buffer < len(self.labels):
            self.say(
                f'Warning: the archive is sorted by label. Its first {shuffle_buffer:,} images, which fill '
                f'{option.shuffle_buffer}, hold {in_buffer:,} of {len(self.labels):,} labels, so that '
                'batches will be lopsided. Uncompressed archives on disk are shuffled as a whole: '
                'python -m estimator_lab.data.pack writes them.'
            )

    def _warn_if_lopsided(self) -> None:
        """Warns if blocks are sorted by label, so that few classes are shuffled together."""
        index, size = self.indexes[0], self.block_size
        starts = firsts_of(index, size)
        ends = np.append(starts[1:], len(index))
        some = np.linspace(0, len(starts) - 1, WINDOW, dtype=np.int64)
        seen = len(set(np.concatenate([index.label_ids[starts[n] : ends[n]] for n in some]).tolist()))
        if 2 * seen < len(index.labels):
            self.say(
                f'Warning: the archive is sorted by label. {WINDOW} blocks of {shown_size(size)}, which are '
                f'shuffled together, hold about {seen:,} of {len(index.labels):,} labels, so that batches '
                f'will be lopsided: give a smaller {option.shuffle_blocks}, or 0 for single images, which '
                'takes a request each.'
            )


def distinct_examples(several: Iterable[Archives]) -> int | None:
    """Returns how many different examples some archives hold together; None if unknown."""
    masks: dict[str, np.ndarray] = {}
    for archives in several:
        if archives.total is None:
            return None
        for index, mask in zip(archives.indexes, archives.masks, strict=True):
            masks[index.source.name] = mask | masks.get(index.source.name, False)
    return sum(int(np.count_nonzero(mask)) for mask in masks.values())


def open_archives(
    patterns: Sequence[str | Source],
    kind: Kind,
    use_damaged: bool = False,
    say: Say = print,
    choice: str = option.use_damaged,
) -> Archives:
    """Opens archives with their indexes, which are read or built; if one is a pipe, all are streamed.

    Args:
      patterns: paths of archives, folders and single examples, globs, URLs, '-' for standard input; or
        sources, such as an array, or what `expand` returns with a table of labels.
      kind: which members are examples.
      use_damaged: whether a damaged archive is used up to the damage, with a warning.
      say: shows one line to the user.
      choice: the setting by which users decide `use_damaged`, for the error; '' if there is none.

    Raises:
      DataError: an archive can't be read, has no examples, or is damaged and `use_damaged` is False.
    """
    sources = tuple(expand(patterns, say))
    if any(source.is_pipe for source in sources):
        return Archives(sources, kind, use_damaged=use_damaged, say=say)
    indexes: list[Index] = []
    with closing(_indexes(sources, kind, say)) as found:
        for index in found:
            indexes.append(index)
            if index.damage and not use_damaged:
                remedy = f' {choice} trains on the {len(index):,} {kind.noun} before that.' if choice else ''
                raise DataError(index.damage + remedy)
            if index.damage:
                say(f'Warning: {index.damage} The {len(index):,} {kind.noun} before that are used.')
            index.check_any()
    return Archives(sources, kind, tuple(indexes), use_damaged=use_damaged, say=say)


def open_stream(
    patterns: Sequence[str | Source],
    kind: Kind,
    say: Say = print,
    own: Slice | None = None,
    use_damaged: bool = False,
) -> Archives:
    """Opens archives for one pass in stored order, in which the examples before a damage are read, too.

    Without indexes, so that the first example is read at once; a slice of the archives needs them.

    Args:
      patterns: see `open_archives`.
      kind: which members are examples.
      say: shows one line to the user.
      own: the contiguous slice of the examples that is read, up to the first damage; None for all.
      use_damaged: whether the archives after a damaged one are in the slice, too.

    Raises:
      DataError: an archive can't be read.
      FlagError: a slice of a pipe is requested, so that the number of its examples is unknown.
    """
    sources = tuple(expand(patterns, say))
    if not own:
        return Archives(sources, kind, say=say)
    if pipe := next((source for source in sources if source.is_pipe), None):
        raise FlagError(f'{option.part}={own} needs archives that are stored: {pipe.name!r} is a pipe.')
    indexes: list[Index] = []
    with closing(_indexes(sources, kind, say)) as found:
        for index in found:
            indexes.append(index)
            if index.damage and not use_damaged:  # where reading all examples would end
                break
    opened = Archives(sources[: len(indexes)], kind, tuple(indexes), say=say, own=own)
    for index, rows in zip(indexes, opened.rows, strict=True):
        if rows and not index.random_access:
            name = index.source.name
            say(f'{name!r} is compressed: a part reads it from its beginning, and keeps its own.')
    return opened


def _indexes(sources: Sequence[Source], kind: Kind, say: Say) -> Generator[Index, None, None]:
    """Yields the indexes of sources in order; several remote ones are opened at once."""
    far = [source for source in sources if source.is_remote]
    with closing(_opened_at_once(far, kind, say)) as remote:
        for source in sources:
            if source.is_remote and len(far) > 1:
                yield next(remote)
                continue
            with closing(Progress(f'Indexing {source.name}', show_line=say)) as progress:
                index = open_index(source, kind, progress, say)
            yield index


def _opened_at_once(sources: Sequence[Source], kind: Kind, say: Say) -> Generator[Index, None, None]:
    """Yields the indexes of remote sources in order; many are opened at once."""
    opened, is_over = 0, threading.Event()

    def task(source: Source) -> tuple[Index, list[str]]:
        notes: list[str] = []
        index = open_index(source, kind, show, notes.append)
        _ = index.random_access  # which may take a request
        return index, notes

    def show(done: str, share: float | None) -> None:
        if is_over.is_set():  # another one can't be opened, or the user has stopped this
            raise DataError('The archive is not opened any further.')
        progress(f'{opened:,} of {len(sources):,}', opened / len(sources))

    with closing(Progress('Opening archives', show_line=say)) as progress:
        try:
            for index, notes in ahead((partial(task, source) for source in sources), THREADS, 'archives'):
                opened += 1
                for sentence in notes:
                    say(sentence)
                yield index
        finally:
            is_over.set()


def _plain_name(path: str) -> str:
    """Returns the name of a file for a record: short and printable."""
    name = Path(path).name or path
    return ''.join(letter if letter.isprintable() else '?' for letter in name)[-_LONGEST_NAME:]
