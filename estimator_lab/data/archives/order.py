"""The global order of examples: a pure function of archives, seed and position, for any number of workers.

An order is an endless sequence: each epoch has every example once, shuffled by the seed and its number. The
state of the input is one integer, the number of examples of this sequence that were consumed: position p of n
examples is place p % n of epoch p // n.

- Global batch: the `global_batch` examples that follow those consumed, the same for any number of workers.
- Workers: `onwards(consumed, Slice(rank, world_size, global_batch))` yields one worker's part of this and all
  later global batches: every world_size-th position, the first one its rank.
- Stopping: after n batches, consumed + n * global_batch. Another world_size or global_batch goes on from
  there without losing or repeating an example.
- Epochs: a batch may begin in one and end in the next, so that no example is left out.
- Locality: an order by blocks, and one of a mixture, is divided into lanes, as many as there were workers
  when it began; that number is part of it. Each worker then reads its own 1 / world_size of the blocks. Of
  single members, each reads any; in a stream, all workers read everything, and keep their part.

Encoded members are shuffled and skipped here, before they are decoded and without TensorFlow:

    order = open_archives(['train-*.tar'], IMAGES).order(shuffle_buffer=10_000, seed=1)
    for member in order.onwards(consumed, Slice(rank, world_size, global_batch)):
        member.read().data
"""

import bisect
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np

from estimator_lab.base.errors import DataError
from estimator_lab.base.shares import EVERY, Slice
from estimator_lab.data.archives.blocks import Lookahead, firsts_of, reader_of
from estimator_lab.data.archives.index import Index
from estimator_lab.data.archives.mixture import Mixture, Shares
from estimator_lab.data.archives.part import EVERYTHING, Part
from estimator_lab.data.archives.places import ENDLESS, Places, pack, unpack
from estimator_lab.data.archives.shuffling import SHUFFLED_BYTES, shuffled
from estimator_lab.data.examples.member import Member
from estimator_lab.data.sources.formats import scan_members
from estimator_lab.data.sources.reading import Scan

T = TypeVar('T')

_CHUNK = 1024  # members looked up at once
_MOST_CHUNKS = 16  # of places, looked through for blocks that are needed soon
_FEW = 8  # places that are looked up faster one by one


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

    def onwards(self, consumed: int, own: Slice = EVERY, end: int = ENDLESS) -> Iterator[Member]:
        """Yields a worker's members.

        Args:
          consumed: position at which the first global batch begins.
          own: which part of each global batch; all of it by default.
          end: position where an epoch ends, and the last global batch with it.

        Raises:
          DataError: where an archive can't be read any further, or there are no members.
        """


class IndexedMembers:
    """Members of archives with random access, by number: epochs and numbers in stored order, packed.

    Args:
      indexes: of the archives.
      part: the examples that are used.
      block_size: bytes of a block, see `blocks`; 0 if members are shuffled and read singly.
    """

    def __init__(self, indexes: Sequence[Index], part: Part = EVERYTHING, block_size: int = 0) -> None:
        self.indexes, self._block_size = indexes, block_size
        self._readers = [reader_of(index, block_size) for index in indexes]
        self._ends = np.cumsum([len(index) for index in indexes], dtype=np.int64)
        self._starts = [0, *self._ends.tolist()[:-1]]
        self._size = self._ends.item(-1)
        # Numbers of the members that are used, in stored order; None for all.
        self._chosen: np.ndarray | None = None
        if part != EVERYTHING:
            mask = np.concatenate([part.mask(index) for index in indexes])
            self._chosen = np.flatnonzero(mask).astype(np.min_scalar_type(len(mask)))
            self._size = len(self._chosen)

    def __len__(self) -> int:
        return self._size

    def values(self, of: Callable[[Index], np.ndarray]) -> np.ndarray:
        """Returns what a function of an index has for each of its members, of all members in use."""
        every = np.concatenate([of(index) for index in self.indexes])
        return every if self._chosen is None else every[self._chosen]

    @cached_property
    def block_counts(self) -> np.ndarray | None:
        """How many members each block has, in stored order, int64 [blocks]; None without blocks."""
        if not self._block_size:
            return None
        numbers, counts = self._chosen, []
        for index, start, end in zip(self.indexes, self._starts, self._ends.tolist(), strict=True):
            rows = None
            if numbers is not None:
                rows = numbers[slice(*np.searchsorted(numbers, [start, end]))].astype(np.int64) - start
            firsts = firsts_of(index, self._block_size, rows)
            counts.append(np.diff(firsts, append=len(index) if rows is None else len(rows)))
        return np.concatenate(counts)

    def ahead(self, chunks: Iterable[np.ndarray]) -> Iterator[Member]:
        """Yields the members at packed places, without data; their blocks are begun before they are read."""
        if not any(self._readers):
            yield from itertools.chain.from_iterable(map(self.members, chunks))
            return
        soon, looked_at = Lookahead(), deque[np.ndarray]()
        for chunk in itertools.chain(chunks, [None] * _MOST_CHUNKS):
            if chunk is not None:
                looked_at.append(chunk)
                soon.look_at(*self._rows(unpack(chunk, len(self))[1]), self._readers)
                if not soon.is_far and len(looked_at) < _MOST_CHUNKS:
                    continue
            for member in self.members(looked_at.popleft(), by_blocks=True) if looked_at else ():
                soon.step()
                yield member

    def members(self, places: np.ndarray, by_blocks: bool = False) -> Iterator[Member]:
        """Yields the members at some packed places, without their data, read by blocks or singly."""
        if len(places) < _FEW:
            yield from (self.member(place, by_blocks) for place in places.tolist())
            return
        for first in range(0, len(places), _CHUNK):
            epochs, numbers = unpack(places[first : first + _CHUNK], len(self))
            archives, rows = self._rows(numbers)
            chunk: dict[int, Member] = {}
            for epoch, archive in sorted(set(zip(epochs.tolist(), archives.tolist(), strict=True))):
                here = np.flatnonzero((archives == archive) & (epochs == epoch))
                reader = self._readers[archive] if by_blocks else None
                found = self.indexes[archive].members(rows[here].tolist(), epoch, reader)
                chunk.update(zip(here.tolist(), found, strict=True))
            for place in range(len(rows)):
                yield chunk.pop(place)

    def member(self, place: int, by_blocks: bool = False) -> Member:
        """Returns the member at a packed place; see `members`."""
        epoch, number = unpack(place, len(self))
        row = number if self._chosen is None else self._chosen.item(number)
        archive = bisect.bisect_right(self._starts, row) - 1
        reader = self._readers[archive] if by_blocks else None
        return self.indexes[archive].member(row - self._starts[archive], epoch, reader)

    def _rows(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the archives of some examples, and their rows in the indexes of these."""
        rows = numbers if self._chosen is None else self._chosen[numbers].astype(np.int64)
        archives = np.searchsorted(self._ends, rows, 'right')
        return archives, rows - np.array(self._starts)[archives]


class IndexedOrder:
    """An order with random access: each epoch is shuffled as a whole, and starting anywhere costs nothing.

    Args:
      stored: the members.
      shuffle: whether each epoch is shuffled; else members keep the stored order.
      seed: of the shuffling, together with the epoch.
      weights: shares of archives or labels; () for each example once an epoch.
      lanes: the number of workers with which the order began; see `Places`.

    Attributes:
      stored: the members by number.
      places: the order in which they are read.
    """

    is_stored = True

    def __init__(
        self,
        stored: IndexedMembers,
        shuffle: bool = False,
        seed: int = 0,
        weights: Shares = (),
        lanes: int = 1,
    ) -> None:
        mixture = Mixture.of(stored, weights) if weights else None
        self.stored = stored
        self.places = Places(stored, shuffle, seed, stored.block_counts, mixture, lanes)

    def epoch(self, number: int) -> Iterator[Member]:
        """See `Order.epoch`; members are without their data."""
        size = len(self.stored)
        return self._between(pack(number, 0, size), pack(number + 1, 0, size), EVERY)

    def onwards(self, consumed: int, own: Slice = EVERY, end: int = ENDLESS) -> Iterator[Member]:
        """See `Order.onwards`; members are without their data."""
        _check_any(len(self.stored))
        return self._between(consumed, end, own)

    def _between(self, start: int, end: int, own: Slice) -> Iterator[Member]:
        return self.stored.ahead(batches.ravel() for batches in self.places.batches(start, end, own))


class StreamOrder:
    """An order that reads sources from their beginning, for compressed ones and pipes; and of one part.

    With indexes, members get their labels from these, and whole epochs are skipped without reading them.

    Args:
      data: the `opened.Archives` whose sources are read in every epoch.
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

    def onwards(self, consumed: int, own: Slice = EVERY, end: int = ENDLESS) -> Iterator[Member]:
        """See `Order.onwards`; a pipe ends after its only epoch: waiting for a second might never end."""
        # The last batch must not begin another epoch, which fills the shuffle buffer.
        members = itertools.islice(self._onwards(consumed), max(end - consumed, 0))
        if own.turns:
            return _turning(members, consumed, self._data.total or 0, own)
        if end == ENDLESS:
            return own.of(members)
        last, _ = unpack(end, self._data.total)
        return (member for member in own.of(members) if member.epoch < last)

    def _onwards(self, consumed: int) -> Iterator[Member]:
        first_epoch, to_skip = unpack(consumed, self._data.total or 0)
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
                label = index.label(member.row) if index else member.label
                if data.part.has(member, label):
                    yield member if label == member.label else member._replace(label=label)
                del member
            scan.skipped.report(scan.note)
        except DataError as error:
            if not data.use_damaged:
                raise
            if index is None:
                data.say(f'Warning: {error.sentence}')


def _turning(members: Iterable[Member], position: int, size: int, own: Slice) -> Iterator[Member]:
    """Yields every n-th member, others in each epoch of `size`; `position` is that of the first one."""
    for member in members:
        if own.has_turn(*unpack(position, size)):
            yield member
        position += 1
        del member


def _check_any(examples: int) -> None:
    if not examples:
        raise DataError('No example is left to train on: the archives have none.')
