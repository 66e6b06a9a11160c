"""The global order of examples: a pure function of archives, seed and position, for any number of workers.

An order is an endless sequence: each epoch has every example once, shuffled by the seed and its number. The
state of the input is one integer, the number of examples of this sequence that were consumed: position p of n
examples is place p % n of epoch p // n.

- Global batch: the `global_batch` examples that follow those consumed, the same for any number of workers.
- Workers: `onwards(consumed, Slice(rank, world_size, global_batch))` yields one worker's part of this and all
  later global batches. The parts of all ranks make up each batch, and each example is in one of them.
- Stopping: after n batches, consumed + n * global_batch. Another world_size or global_batch goes on from
  there without losing or repeating an example.
- Epochs: a batch may begin in one and end in the next, so that no example is left out.
- Locality: with random access (`IndexedOrder`), the examples of a batch are dealt out in stored order, so
  that each worker reads a contiguous range of about 1 / world_size of the data, and few examples besides. In
  a stream, all workers read everything, and keep their part.

Encoded members are shuffled and skipped here, before they are decoded and without TensorFlow:

    order = open_archives(['train-*.tar'], IMAGES).order(shuffle_buffer=10_000, seed=1)
    for member in order.onwards(consumed, Slice(rank, world_size, global_batch)):
        member.read().data
"""

import bisect
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from estimator_lab.base.errors import DataError
from estimator_lab.base.shares import EVERY, Slice
from estimator_lab.data.archives.index import Index, name_hash
from estimator_lab.data.archives.shuffling import SHUFFLED_BYTES, permutation, shuffled
from estimator_lab.data.examples.member import Member
from estimator_lab.data.sources.formats import scan_members
from estimator_lab.data.sources.reading import Scan

T = TypeVar('T')

_HASHES = 2**64
_CHUNK = 1024  # members looked up at once
_FEW = 8  # positions that are looked up faster one by one


class Part(NamedTuple):
    """The examples whose names hash into [low, high) of [0, 1); all by default.

    Examples:
        >>> names = [f'n000001/{number:04}.jpg' for number in range(1000)]
        >>> training, test = Part(0.0, 0.9), Part(0.9, 1.0)
        >>> all((name in training) != (name in test) for name in names)
        True
        >>> 50 < sum(name in test for name in names) < 150
        True

    Only the name of an example in its archive counts, so that two disjoint parts share no example, wherever
    the archive is and however its members are ordered.
    """

    low: float = 0.0
    high: float = 1.0

    def mask(self, index: Index) -> np.ndarray:
        """Returns which members belong to the part, bool [members]."""
        if self == EVERYTHING:
            return np.ones(len(index), bool)
        shares = index.name_hashes / _HASHES
        return (self.low <= shares) & (shares < self.high)

    def __contains__(self, name: object) -> bool:
        return self == EVERYTHING or self.low <= name_hash(str(name)) / _HASHES < self.high


EVERYTHING = Part()


class Order(Protocol):
    """An endless sequence of members, in epochs; see the module's docstring."""

    @property
    def is_stored(self) -> bool:
        """Whether the next members are there when they are asked for; a pipe may have to wait for them."""

    def epoch(self, number: int) -> Iterator[Member]:
        """Yields every member once, in the order of epoch `number`, from 0.

        Raises:
          DataError: where an archive can't be read any further.
        """

    def onwards(self, consumed: int, own: Slice = EVERY) -> Iterator[Member]:
        """Yields a worker's members endlessly.

        Args:
          consumed: position at which the first global batch begins.
          own: which part of each global batch; all of it by default.

        Raises:
          DataError: where an archive can't be read any further, or there are no members.
        """


class Permutations:
    """The endless sequence of the places of n examples: each epoch has each place once.

    Args:
      size: n.
      shuffle: whether each epoch is shuffled; else the places keep their order.
      seed: of the shuffling, together with the epoch.
    """

    def __init__(self, size: int, shuffle: bool = False, seed: int = 0) -> None:
        self._size, self._shuffle, self._seed = size, shuffle, seed
        self._epoch = -1, np.empty(0, np.int64)  # its number, and its places in their order

    def positions(self, start: int, count: int) -> np.ndarray:
        """Returns what is at some positions: number of the epoch * n + place, int64."""
        size, end, parts = self._size, start + count, [np.empty(0, np.int64)]
        while start < end:
            number, begin = divmod(start, size)
            if self._epoch[0] != number:
                order = permutation(size, self._seed, number) if self._shuffle else np.arange(size)
                self._epoch = number, order
            stop = min(size, begin + end - start)
            parts.append(number * size + self._epoch[1][begin:stop])
            start += stop - begin
        return np.concatenate(parts)

    def batches(self, start: int, count: int, own: Slice) -> np.ndarray:
        """Returns the positions of a slice of some global batches, int64 [count, examples of the slice]."""
        batches = self.positions(start, count * own.group).reshape(count, -1)
        return batches if own.count == 1 else np.sort(batches)[:, own.places]


class IndexedOrder(Permutations):
    """An order with random access: each epoch is shuffled as a whole, and starting anywhere costs nothing.

    Args:
      indexes: of the archives, all with random access.
      shuffle: whether each epoch is shuffled; else members keep the stored order.
      seed: of the shuffling, together with the epoch.
      part: the examples that are used.
    """

    is_stored = True

    def __init__(
        self, indexes: Sequence[Index], shuffle: bool = False, seed: int = 0, part: Part = EVERYTHING
    ) -> None:
        self._indexes = indexes
        self._ends = np.cumsum([len(index) for index in indexes], dtype=np.int64)
        self._starts = [0, *self._ends.tolist()[:-1]]
        self._chosen: np.ndarray | None = (
            None  # numbers of the members that are used, in stored order; None for all
        )
        if part != EVERYTHING:
            mask = np.concatenate([part.mask(index) for index in indexes])
            self._chosen = np.flatnonzero(mask).astype(np.min_scalar_type(len(mask)))
        count = int(self._ends[-1]) if self._chosen is None else len(self._chosen)
        super().__init__(count, shuffle, seed)

    def __len__(self) -> int:
        return self._size

    def epoch(self, number: int) -> Iterator[Member]:
        """See `Order.epoch`; members are without their data."""
        return self.members(self.positions(number * len(self), len(self)))

    def onwards(self, consumed: int, own: Slice = EVERY) -> Iterator[Member]:
        """See `Order.onwards`; members are without their data."""
        _check_any(len(self))
        if own.turns:
            yield from _turning(self.onwards(consumed), consumed % len(self), own)
            return
        together = max(min(_CHUNK * own.count, len(self)) // own.group, 1)  # global batches
        for start in itertools.count(consumed, together * own.group):
            yield from self.members(self.batches(start, together, own).ravel())

    def stored(self) -> Iterator[Member]:
        """Yields every member once, in the stored order, of epoch 0."""
        return self.members(np.arange(len(self)))

    def members(self, positions: np.ndarray) -> Iterator[Member]:
        """Yields the members at some positions, each number of the epoch * n + place in the stored order."""
        if len(positions) < _FEW:
            yield from map(self._member, positions.tolist())
            return
        for first in range(0, len(positions), _CHUNK):
            epochs, places = np.divmod(positions[first : first + _CHUNK], max(len(self), 1))
            numbers = places if self._chosen is None else self._chosen[places].astype(np.int64)
            archives = np.searchsorted(self._ends, numbers, 'right')
            rows = numbers - np.array(self._starts)[archives]
            chunk: dict[int, Member] = {}
            for epoch, archive in sorted(set(zip(epochs.tolist(), archives.tolist(), strict=True))):
                here = np.flatnonzero((archives == archive) & (epochs == epoch))
                found = self._indexes[archive].members(rows[here].tolist(), epoch)
                chunk.update(zip(here.tolist(), found, strict=True))
            for place in range(len(places)):
                yield chunk.pop(place)

    def _member(self, position: int) -> Member:
        epoch, place = divmod(position, len(self))
        number = place if self._chosen is None else self._chosen.item(place)
        archive = bisect.bisect_right(self._starts, number) - 1
        return self._indexes[archive].members([number - self._starts[archive]], epoch)[0]


class StreamOrder:
    """An order that reads sources from their beginning, for compressed ones and pipes; and of one part.

    With indexes, members get their labels from these, and whole epochs are skipped without reading them.

    Args:
      data: the `data_set.DataSet` whose sources are read in every epoch.
      shuffle_buffer: encoded members held at once for shuffling, and at most SHUFFLED_BYTES of them; 1 or
        less keeps the stored order.
      seed: of the shuffling, together with the epoch.
      progress: called with the share of an epoch's bytes that was read, in [0, 1].
    """

    def __init__(
        self,
        data: Any,
        shuffle_buffer: int = 1,
        seed: int = 0,
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        self._data, self._shuffle_buffer, self._seed, self._progress = data, shuffle_buffer, seed, progress
        are_stamped = data.indexes and not (data.own or any(source.is_folder for source in data.sources))
        self._stamps = {source: source.stamp() for source in data.sources} if are_stamped else {}

    @property
    def is_stored(self) -> bool:
        """See `Order.is_stored`."""
        return bool(self._data.indexes)

    def epoch(self, number: int) -> Iterator[Member]:
        """See `Order.epoch`."""
        rng = random.Random(f'seed {self._seed} epoch {number}')
        places = [place for place, _ in enumerate(self._data.sources)]
        if self._data.own:
            places = [place for place in places if self._data.rows[place]]
        if self._shuffle_buffer > 1:
            rng.shuffle(places)
        members = self._data.begun or itertools.chain.from_iterable(
            self._members_of(place, done, len(places)) for done, place in enumerate(places)
        )
        for member in shuffled(members, self._shuffle_buffer, rng, SHUFFLED_BYTES):
            yield member._replace(epoch=number) if number else member
            del member

    def onwards(self, consumed: int, own: Slice = EVERY) -> Iterator[Member]:
        """See `Order.onwards`; a pipe ends after its only epoch: waiting for a second might never end."""
        members = self._onwards(consumed)
        if own.turns:
            return _turning(members, consumed % self._data.total if self._data.total else consumed, own)
        return own.of(members)

    def _onwards(self, consumed: int) -> Iterator[Member]:
        first_epoch, to_skip = divmod(consumed, self._data.total) if self._data.total else (0, consumed)
        for number in itertools.count(first_epoch):
            seen = 0
            for member in self.epoch(number):
                seen += 1
                if seen > to_skip:
                    yield member
                del member
            _check_any(seen)
            to_skip = max(to_skip - seen, 0)
            if any(source.is_pipe for source in self._data.sources):
                break
        if to_skip:
            raise DataError(
                f'{", ".join(self._data.paths)} ended {to_skip} {self._data.kind.noun} before the {consumed} '
                'that were consumed when the checkpoint was saved: pipe the same archive in again.'
            )

    def _members_of(self, place: int, done: int, count: int) -> Iterator[Member]:
        """Yields the members of the source at a place after `done` others of `count`."""
        data, source = self._data, self._data.sources[place]
        if source in self._stamps and source.stamp(again=True) != self._stamps[source]:
            raise DataError(f'{source.name!r} has changed since it was opened: start again.')
        if done:
            self._progress(done / count)
        index = data.indexes[place] if data.indexes else None
        scan = Scan(
            note=lambda words: data.say(f'{source.name!r} {words}') if index is None else None,
            progress=lambda share: self._progress((done + share) / count),
        )
        stored = index.stored(data.rows[place], scan) if index and data.own else None
        members = scan_members(source, data.kind, scan) if stored is None else stored
        try:
            for member in members:
                if member.name in data.part:
                    label = index.label(member.row) if index else member.label
                    yield member if label == member.label else member._replace(label=label)
                del member
            scan.skipped.report(scan.note)
        except DataError as error:
            if not data.use_damaged:
                raise
            if index is None:
                data.say(f'Warning: {error.sentence}')


def _turning(members: Iterable[Member], place: int, own: Slice) -> Iterator[Member]:
    """Yields every n-th member, others in each epoch; `place` is the first one's in its epoch."""
    epoch = -1
    for member in members:
        if member.epoch > epoch >= 0:
            place = 0
        epoch = member.epoch
        if (place + epoch) % own.count == own.number:
            yield member
        place += 1
        del member


def _check_any(examples: int) -> None:
    if not examples:
        raise DataError('No example is left to train on: the archives have none.')
