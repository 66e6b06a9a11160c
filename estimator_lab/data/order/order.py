"""The global order of examples: a pure function of archives, seed and epoch, whatever the number of workers.

An order is an endless sequence: each epoch has every example once, shuffled by the seed and its number. The
state of the input is one integer, the number of examples of this sequence that were consumed.

- Global batch: the `global_batch` examples that follow those consumed, the same for any number of workers.
- Workers: `onwards(consumed, WorkerShard(rank, world_size, global_batch))` yields one worker's part of this
  and all later global batches. The parts of all ranks make up each batch, and each example is in one of them.
- Stopping: after n batches, consumed + n * global_batch. Another world_size or global_batch goes on from
  there without losing or repeating an example.
- Epochs: a batch may begin in one and end in the next, so that no example is left out.
- Locality: with random access (`IndexedOrder`), the examples of a batch are dealt out in stored order, so
  that each worker reads a contiguous range of about 1 / world_size of the data, and few examples besides. In
  a stream, all workers read everything, and keep their part.
- Sizes: that of an epoch is known from the indexes. Only a pipe has none: it is one epoch, and each worker
  must get the whole of it.

Encoded members are shuffled and skipped here, before they are decoded and without TensorFlow:

    order = open_archives(['train-*.tar']).order(shuffle_buffer=10_000, seed=1)
    for member in order.onwards(consumed, WorkerShard(rank, world_size, global_batch)):
        member.read().data
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from estimator_lab.data.budget import SHUFFLED
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.member import Member
from estimator_lab.data.members import stream_members
from estimator_lab.data.order.shuffling import generator, permutation, shuffled
from estimator_lab.data.order.split_and_shard import EVERYTHING, ONLY_WORKER, Part, WorkerShard
from estimator_lab.data.tar.index import Index
from estimator_lab.data.tar.sources import is_read_once
from estimator_lab.errors import DataError

_CHUNK = 1024  # members looked up at once


class Order(Protocol):
    """An endless sequence of members, in epochs; see the module's docstring."""

    def epoch(self, number: int) -> Iterator[Member]:
        """Yields every member once, in the order of epoch `number`, from 0.

        Raises:
          DataError: where an archive can't be read any further.
        """

    def onwards(self, start: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """Yields a worker's members endlessly.

        Args:
          start: position in the sequence of all epochs at which the first global batch begins.
          shard: which part of each global batch; all of it by default.

        Raises:
          DataError: where an archive can't be read any further, or there are no members.
        """


class IndexedOrder:
    """An order with random access: each epoch is shuffled as a whole, and starting anywhere costs nothing.

    Args:
      indexes: of the archives, all with random access.
      shuffle: whether each epoch is shuffled; else members keep the stored order.
      seed: of the shuffling, together with the epoch.
      part: the examples that are used.
    """

    def __init__(
        self, indexes: Sequence[Index], shuffle: bool = False, seed: int = 0, part: Part = EVERYTHING
    ) -> None:
        self._indexes = indexes
        self._shuffle = shuffle
        self._seed = seed
        rows = [np.flatnonzero(part.mask(index)).astype(np.uint32) for index in indexes]
        self._rows = np.concatenate(rows)
        self._archives = np.repeat(np.arange(len(rows), dtype=np.uint32), [len(found) for found in rows])

    def epoch(self, number: int) -> Iterator[Member]:
        """See `Order.epoch`; members are without their data."""
        return self._members(number, self.places(number))

    def onwards(self, start: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """See `Order.onwards`; members are without their data."""
        _check_any(len(self))
        together = min(_CHUNK * shard.world_size, len(self))
        size = shard.window * max(together // shard.window, 1)
        for number, places in self._dealt(self._pieces(start, size), shard):
            yield from self._members(number, places)

    def __len__(self) -> int:
        return len(self._rows)

    def stored(self) -> Iterator[Member]:
        """Yields every member once, in the stored order, without its data; its number here is its place."""
        return self._members(0, np.arange(len(self)))

    def places(self, epoch: int) -> np.ndarray:
        """Returns the places of an epoch's members in the stored order, int64 [members]."""
        return permutation(len(self), self._seed, epoch) if self._shuffle else np.arange(len(self))

    def places_onwards(self, start: int, count: int) -> Iterator[np.ndarray]:
        """Yields the places of what `onwards` yields, `count` at a time."""
        _check_any(len(self))
        for pieces in self._pieces(start, count):
            yield np.concatenate([piece for _, piece in pieces])

    def _pieces(self, start: int, size: int) -> Iterator[list[tuple[int, np.ndarray]]]:
        """Yields `size` positions at a time, as numbers of epochs and places in the stored order."""
        first_epoch, seen = divmod(start, len(self))
        pieces: list[tuple[int, np.ndarray]] = []
        lacking = size
        for number in itertools.count(first_epoch):
            order = self.places(number)
            while seen < len(order):
                piece = order[seen : seen + lacking]
                pieces.append((number, piece))
                seen += len(piece)
                lacking -= len(piece)
                if not lacking:
                    yield pieces
                    pieces, lacking = [], size
            seen = 0

    def _dealt(
        self, several: Iterable[list[tuple[int, np.ndarray]]], shard: WorkerShard
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yields a worker's part of some global batches at a time: those in its range of the stored order."""
        for pieces in several:
            if shard.world_size == 1:
                yield from pieces
                continue
            places = np.concatenate([piece for _, piece in pieces])
            batches = places.reshape(-1, shard.window)
            ranks = np.argsort(batches, axis=1, kind='stable')
            if shard.keeps_pairs:
                ranks = np.tile(np.arange(shard.window), (len(batches), 1))
            own = ranks[:, shard.places]
            own = (np.sort(own, axis=1) + shard.window * np.arange(len(own))[:, np.newaxis]).ravel()
            end = 0
            for number, piece in pieces:
                begin, end = end, end + len(piece)
                yield number, places[own[np.searchsorted(own, begin) : np.searchsorted(own, end)]]

    def _members(self, number: int, order: np.ndarray) -> Iterator[Member]:
        for first in range(0, len(order), _CHUNK):
            places = order[first : first + _CHUNK]
            archives, rows = self._archives[places], self._rows[places]
            chunk: dict[int, Member] = {}
            for archive in np.unique(archives).tolist():
                here = np.flatnonzero(archives == archive)
                found = self._indexes[archive].members(rows[here].tolist(), number)
                chunk.update(zip(here.tolist(), found, strict=True))
            yield from (chunk.pop(place) for place in range(len(places)))


@dataclass(frozen=True)
class StreamOrder:
    """An order that reads archives from their beginning, for compressed ones and pipes.

    Attributes:
      archives: paths of archives and folders, each read from its beginning in every epoch.
      shuffle_buffer: encoded members held at once for shuffling, and at most `budget.SHUFFLED` bytes of them;
        1 or less keeps the stored order.
      seed: of the shuffling, together with the epoch.
      part: the examples that are used.
      sizes: examples in `part` of each archive, so that whole epochs are skipped without reading them; None
        if unknown.
      watch: called with each epoch's first buffer, its members in stored order.
      on_damage: called with the error at which an archive breaks off, to go on with the next one; None raises
        it.
      note: called with a sentence about what is unusual about an archive but not an error, unless `sizes` are
        known (its index has reported it then); and if the buffer can't hold `shuffle_buffer` members.
      kind: which members are examples.
    """

    archives: Sequence[str]
    shuffle_buffer: int = 1
    seed: int = 0
    part: Part = EVERYTHING
    sizes: Sequence[int] | None = None
    watch: Callable[[Sequence[Member]], None] | None = None
    on_damage: Callable[[DataError], None] | None = None
    note: Callable[[str], None] | None = None
    kind: Kind = IMAGES
    _told: list[bool] = field(default_factory=list, compare=False, repr=False)

    def epoch(self, number: int) -> Iterator[Member]:
        """See `Order.epoch`."""
        rng = generator(self.seed, number)
        archives = list(self.archives)
        if self.shuffle_buffer > 1:
            rng.shuffle(archives)
        members = itertools.chain.from_iterable(map(self._images_of, archives))
        for member in shuffled(
            members, self.shuffle_buffer, rng, self.watch, _bytes_of, SHUFFLED, self._tell_of_heavy_members
        ):
            yield member._replace(epoch=number)
            del member  # before the next is read

    def onwards(self, start: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """See `Order.onwards`; a pipe ends after its only epoch: waiting for a second might never end."""
        return shard.of(self._onwards(start))

    def _onwards(self, start: int) -> Iterator[Member]:
        first_epoch, to_skip = 0, start
        if self.sizes is not None and (size := sum(self.sizes)):
            first_epoch, to_skip = divmod(start, size)
        for number in itertools.count(first_epoch):
            seen = 0
            for member in self.epoch(number):
                seen += 1
                if seen > to_skip:
                    yield member
                del member  # before the next is read
            _check_any(seen)
            to_skip = max(to_skip - seen, 0)
            if any(map(is_read_once, self.archives)):
                break
        if to_skip:
            archives = ', '.join(self.archives)
            raise DataError(
                f'{archives} ended {to_skip} {self.kind.noun} before the {start} that were consumed when '
                'the checkpoint was saved: pipe the same archive in again.'
            )

    def _images_of(self, archive: str) -> Iterator[Member]:
        members = self._until_damage(archive)
        if self.part == EVERYTHING:
            return members
        return (member for member in members if member.name in self.part)

    def _until_damage(self, archive: str) -> Iterator[Member]:
        try:
            note = self.note if self.sizes is None else None
            yield from stream_members(archive, note=note, kind=self.kind)
        except DataError as error:
            if not self.on_damage:
                raise
            self.on_damage(error)

    def _tell_of_heavy_members(self, held: int) -> None:
        if self.note and not self._told:
            self._told.append(True)
            self.note(
                f'Shuffling within a buffer of {held:,} {self.kind.noun}, not {self.shuffle_buffer:,}, '
                f'because these already take {SHUFFLED / 1e6:,.0f} MB.'
            )


@dataclass(frozen=True)
class RelayedOrder:
    """One order up to the end of an epoch, and another from then on.

    Attributes:
      before: the first order.
      after: the second order.
      first_epoch: number of the first epoch of `after`.
      size_before: members in an epoch of `before`.
      size_after: members in an epoch of `after`.
    """

    before: Order
    after: Order
    first_epoch: int
    size_before: int
    size_after: int

    def epoch(self, number: int) -> Iterator[Member]:
        """See `Order.epoch`."""
        return (self.before if number < self.first_epoch else self.after).epoch(number)

    def onwards(self, start: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """See `Order.onwards`."""
        return shard.of(self._onwards(start))

    def _onwards(self, start: int) -> Iterator[Member]:
        left = self.first_epoch * self.size_before - start
        if left > 0:
            yield from itertools.islice(self.before.onwards(start), left)
        yield from self.after.onwards(self.first_epoch * self.size_after + max(-left, 0))


def _bytes_of(member: Member) -> int:
    return len(member.data)


def _check_any(images: int) -> None:
    if not images:
        raise DataError('No example is left to train on: the archives have none.')
