"""Members -> batches of arrays, read by a thread pool (Pillow releases the GIL while it decodes)."""

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from estimator_lab.data.budget import ENCODED
from estimator_lab.data.kind import Arrays, BatchReader
from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.pipeline.read_ahead import read_ahead
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.errors import DataError

T = TypeVar('T')

# Members that a thread reads at once: enough to make the overhead small and to let a decoder batch them, but
# few enough that a batch occupies two threads, and all pending batches every thread.
_CHUNK = 32
_CHUNK_BYTES = 2**20
_BATCHES_AHEAD = 2
_WAITING_BYTES = 8 * 2**20  # pending in an incomplete batch, beyond which they are decoded


class BadExample(NamedTuple):
    """A bad example: its place among the members of its batch, from 0, its key, and why it is bad."""

    place: int
    key: str
    reason: str


class Batch(NamedTuple):
    """Up to `batch_size` examples: their arrays, with n rows each, n keys and n labels.

    `bad` holds the bad examples among their members, in order.
    """

    arrays: Arrays
    keys: list[str]
    labels: list[str]
    bad: Sequence[BadExample] = ()


def read_batches(
    schedule: Iterable[Member],
    batch_size: int,
    reader: BatchReader,
    report: InputReport,
    at_once: int = 1,
    threads: int = 0,
) -> Iterator[Batch]:
    """Yields one batch for each `batch_size` consecutive members, the last one possibly shorter.

    Batches are handed over in groups of growing size: the first singly, so that training starts at once, then
    2, 4, ... up to `at_once`.

    A bad example makes its batch one example shorter, and does not move later ones forward: batch number n
    always holds the members from n * batch_size on, however many were bad.

    Args:
      schedule: members in order.
      batch_size: members in a batch.
      reader: how they become arrays.
      report: counts the examples, and the bad ones.
      at_once: the most batches that are yielded as one.
      threads: how many decode; 0 for one more than processors.

    Raises:
      DataError: raised by `schedule`, after all preceding batches; or too many examples are bad.
    """
    # One more than processors: while one thread waits for Python's lock, another one decodes.
    threads = threads or (os.cpu_count() or 1) + 1
    sizes = _growing(batch_size, batch_size * at_once)

    def empty() -> _PendingBatch:
        size = next(sizes)
        under_way = size * (_BATCHES_AHEAD + 1)
        chunk = min(_CHUNK, math.ceil(size / 2), math.ceil(under_way / threads))
        return _PendingBatch(pool, reader, size, chunk)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        pending = _pending_batches(empty, read_ahead(schedule))
        for batch in look_ahead(pending, _BATCHES_AHEAD):
            yield batch.result(report)


def _growing(least: int, most: int) -> Iterator[int]:
    """Yields `least` for each batch that is begun before the first is complete, then doubles it."""
    yield from [least] * (_BATCHES_AHEAD + 1)
    size = least
    while True:
        size = min(2 * size, most)
        yield size


def look_ahead(
    items: Iterable[T], count: int, weigh: Callable[[T], int] = lambda item: 0, heaviest: int = 0
) -> Iterator[T]:
    """Yields the items with a delay of `count` items; a DataError is raised after the preceding items.

    Args:
      items: any stream.
      count: how many items are read ahead.
      weigh: returns the weight of an item.
      heaviest: total weight that may be read ahead.
    """
    waiting: deque[T] = deque()
    weight = 0
    error: DataError | None = None
    try:
        for item in items:
            waiting.append(item)
            weight += weigh(item)
            del item
            while len(waiting) > count or weight > heaviest:
                weight -= weigh(waiting[0])
                yield waiting.popleft()
    except DataError as caught:
        error = caught
    while waiting:
        yield waiting.popleft()
    if error:
        raise error


def _pending_batches(
    empty: Callable[[], '_PendingBatch'], schedule: Iterable[Member]
) -> Iterator['_PendingBatch']:
    """Yields batches of members; a DataError is raised after the members that were read before.

    Args:
      empty: returns a batch without members.
      schedule: the members.
    """
    batch = empty()
    error: DataError | None = None
    try:
        for member in schedule:
            batch.add(member)
            del member  # before the next is read
            if batch.is_complete:
                yield batch
                batch = empty()
    except DataError as caught:
        error = caught
    if not batch.is_empty:
        batch.begin()
        yield batch
    if error:
        raise error


class _PendingBatch:
    """A batch on its way through the thread pool.

    Its members are decoded when all are there, or earlier if they take much memory.

    Args:
      pool: of threads that decode.
      reader: how members become arrays.
      size: members of a complete batch.
      chunk: members that a thread reads at once.

    Attributes:
      is_complete: whether it has all its members.
    """

    def __init__(self, pool: ThreadPoolExecutor, reader: BatchReader, size: int, chunk: int) -> None:
        self._pool = pool
        self._reader = reader
        self._size = size
        self._chunk = chunk
        self.is_complete = False
        self._room: Any = None
        self._places = 0  # in the room
        self._members: list[Member] = []  # without their data
        self._waiting: list[Member] = []
        self._waiting_bytes = 0
        self._chunks: list[Future[list[BadExampleError | None]]] = []

    @property
    def is_empty(self) -> bool:
        return not (self._members or self._waiting)

    def add(self, member: Member) -> None:
        """Adds the next member."""
        self._waiting.append(member)
        self._waiting_bytes += len(member.data)
        if len(self._members) + len(self._waiting) == self._size:
            self.is_complete = True
            self.begin()
        elif self._waiting_bytes > _WAITING_BYTES:
            del member
            self._begin(self._size)

    def begin(self) -> None:
        """Decodes the pending members of a batch that gets no more."""
        self._begin(len(self._waiting))

    def result(self, report: InputReport) -> Batch:
        """Returns the batch when it is decoded.

        Raises:
          DataError: an archive can't be read any more, or too many examples are bad.
        """
        reasons = list(itertools.chain.from_iterable(chunk.result() for chunk in self._chunks))
        members, bad = [], []
        for place, (member, reason) in enumerate(zip(self._members, reasons, strict=True)):
            report.count(member, reason)
            if reason:
                bad.append(BadExample(place, member.key, str(reason)))
            else:
                members.append(member)
        good = [not reason for reason in reasons] + [False] * (self._places - len(reasons))
        return Batch(
            arrays=self._reader.finish(self._room, good),
            keys=[member.key for member in members],
            labels=[member.label for member in members],
            bad=bad,
        )

    def _begin(self, places: int) -> None:
        """Decodes the pending members, into room for `places` examples if there is none yet."""
        if not self._places:
            self._places, self._room = places, self._reader.begin(places)
        self._submit()
        ENCODED.settle()

    def _submit(self) -> None:
        for chunk, weight in _chunks(self._waiting, self._chunk, _bytes_in_memory):
            ENCODED.add(weight)
            self._chunks.append(self._pool.submit(self._read, len(self._members), chunk, weight))
            self._members += [member.without_data() for member in chunk]
        self._waiting, self._waiting_bytes = [], 0

    def _read(self, first: int, chunk: Sequence[Member], weight: int) -> list[BadExampleError | None]:
        """Reads members into the places from number `first` on; returns why each is bad, or None."""
        try:
            with ENCODED.share() as share:
                reasons: list[BadExampleError | None] = []
                for part, to_read in _chunks(chunk, self._chunk, _bytes_to_read):
                    share.hold(to_read)
                    reasons += self._reader.read_into(self._room, first + len(reasons), part)
                return reasons
        finally:
            ENCODED.give(weight)


def _chunks(
    members: Sequence[Member], most: int, weigh: Callable[[Member], int]
) -> Iterator[tuple[Sequence[Member], int]]:
    """Yields the members in chunks of at most `most`, each with its weight in bytes."""
    weights = [weigh(member) for member in members]
    if len(members) <= most and sum(weights) < _CHUNK_BYTES:  # the usual case
        yield members, sum(weights)
        return
    chunk: list[Member] = []
    weight = 0
    for member, added in zip(members, weights, strict=True):
        chunk.append(member)
        weight += added
        if len(chunk) == most or weight >= _CHUNK_BYTES:
            yield chunk, weight
            chunk, weight = [], 0
    if chunk:
        yield chunk, weight


def _bytes_in_memory(member: Member) -> int:
    return len(member.data)


def _bytes_to_read(member: Member) -> int:
    return member.unread
