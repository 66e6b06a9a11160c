"""The order of examples: a pure function of (archives, seed, epoch, shard), so that any run can be repeated.

Encoded members are shuffled and skipped here, before they are decoded and without TensorFlow.
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
    """An endless sequence of members, in epochs."""

    def epoch(self, number: int) -> Iterator[Member]:
        """Yields every member once, in the order of epoch `number`, from 0.

        Raises:
          DataError: where an archive can't be read any further.
        """

    def onwards(self, start: int) -> Iterator[Member]:
        """Yields members endlessly, from position `start` in the sequence of all epochs.

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
      shard: the worker's share of them.
    """

    def __init__(
        self,
        indexes: Sequence[Index],
        shuffle: bool = False,
        seed: int = 0,
        part: Part = EVERYTHING,
        shard: WorkerShard = ONLY_WORKER,
    ) -> None:
        self._indexes = indexes
        self._shuffle = shuffle
        self._seed = seed
        rows = [
            np.flatnonzero(part.mask(index))[shard.images_of(number, len(indexes))].astype(np.uint32)
            for number, index in enumerate(indexes)
        ]
        self._rows = np.concatenate(rows)
        self._archives = np.repeat(np.arange(len(rows), dtype=np.uint32), [len(found) for found in rows])

    def epoch(self, number: int) -> Iterator[Member]:
        """See `Order.epoch`; members are without their data."""
        return self._epoch_from(number, 0)

    def onwards(self, start: int) -> Iterator[Member]:
        """Yields members endlessly, from position `start`; see `Order.onwards`."""
        _check_any(len(self._rows))
        first_epoch, seen = divmod(start, len(self._rows))
        for number in itertools.count(first_epoch):
            yield from self._epoch_from(number, seen)
            seen = 0

    def _epoch_from(self, number: int, start: int) -> Iterator[Member]:
        order = np.arange(len(self._rows))
        if self._shuffle:
            order = permutation(len(self._rows), self._seed, number)
        for first in range(start, len(order), _CHUNK):
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
      shard: the worker's share of them.
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
    shard: WorkerShard = ONLY_WORKER
    sizes: Sequence[int] | None = None
    watch: Callable[[Sequence[Member]], None] | None = None
    on_damage: Callable[[DataError], None] | None = None
    note: Callable[[str], None] | None = None
    kind: Kind = IMAGES
    _told: list[bool] = field(default_factory=list, compare=False, repr=False)

    def epoch(self, number: int) -> Iterator[Member]:
        """See `Order.epoch`."""
        rng = generator(self.seed, number)
        archives = list(enumerate(self.archives))
        if self.shuffle_buffer > 1:
            rng.shuffle(archives)
        members = itertools.chain.from_iterable(itertools.starmap(self._images_of, archives))
        for member in shuffled(
            members, self.shuffle_buffer, rng, self.watch, _bytes_of, SHUFFLED, self._tell_of_heavy_members
        ):
            yield member._replace(epoch=number)
            del member  # before the next is read

    def onwards(self, start: int) -> Iterator[Member]:
        """See `Order.onwards`; a pipe ends after its only epoch: waiting for a second might never end."""
        first_epoch, to_skip = 0, start
        if self.sizes is not None and (size := self._epoch_size(self.sizes)):
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

    def _images_of(self, number: int, archive: str) -> Iterator[Member]:
        share = self.shard.images_of(number, len(self.archives))
        if share == slice(0):
            return
        members: Iterable[Member] = self._until_damage(archive)
        if self.part != EVERYTHING:
            members = (member for member in members if member.name in self.part)
        yield from itertools.islice(members, share.start, share.stop, share.step)

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

    def _epoch_size(self, sizes: Sequence[int]) -> int:
        slices = (self.shard.images_of(number, len(sizes)) for number in range(len(sizes)))
        return sum(len(range(*share.indices(size))) for share, size in zip(slices, sizes, strict=True))


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

    def onwards(self, start: int) -> Iterator[Member]:
        """See `Order.onwards`."""
        left = self.first_epoch * self.size_before - start
        if left > 0:
            yield from itertools.islice(self.before.onwards(start), left)
        yield from self.after.onwards(self.first_epoch * self.size_after + max(-left, 0))


def _bytes_of(member: Member) -> int:
    return len(member.data)


def _check_any(images: int) -> None:
    if not images:
        raise DataError(
            "No example is left to train on: the archives, or this worker's share of them, have none."
        )
