"""Members -> batches of arrays, read in a thread pool (Pillow releases the GIL as it decodes)."""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from estimator_lab.data.bad_example import BadExampleError
from estimator_lab.data.budget import ENCODED
from estimator_lab.data.kind import Arrays, Reader
from estimator_lab.data.order.order import LazyMember, ScheduledMember
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.data.tar.member import Member
from estimator_lab.errors import DataError

T = TypeVar('T')

# Small enough to share a batch among the threads, large enough that handing over costs little.
_CHUNK = 16
_CHUNK_BYTES = 2**20
_BATCHES_AHEAD = 2
_WAITING_BYTES = 8 * 2**20  # of a batch that is not complete: it is begun with those members


class BadExample(NamedTuple):
    """A member that is no usable example: its place among the members of its batch, from 0, and why."""

    place: int
    key: str
    reason: str


class Batch(NamedTuple):
    """Up to `batch_size` examples: their arrays, with n rows each, n keys, n label texts.

    `bad` are the members between them that are no usable examples, in their order.
    """

    arrays: Arrays
    keys: list[str]
    labels: list[str]
    bad: Sequence[BadExample] = ()


def read_batches(
    schedule: Iterable[ScheduledMember], batch_size: int, reader: Reader, report: InputReport
) -> Iterator[Batch]:
    """Yields one batch for each `batch_size` consecutive members, the last one possibly shorter.

    A bad example leaves its batch one example short instead of moving all later ones forward, so that batch
    number n always holds members n * batch_size and on, however many were bad.

    Args:
      schedule: members in their order.
      batch_size: members in a batch.
      reader: how they become arrays.
      report: counts the examples, and the bad ones.

    Raises:
      DataError: from `schedule` (after all batches before it), or when too many examples are bad.
    """
    # One more than there are processors: while a thread waits for Python's lock, another one decodes.
    with ThreadPoolExecutor(max_workers=(os.cpu_count() or 1) + 1) as pool:
        pending = _pending_batches(pool, schedule, batch_size, reader)
        for batch in look_ahead(pending, _BATCHES_AHEAD):
            yield batch.result(report)


def look_ahead(
    items: Iterable[T], count: int, weigh: Callable[[T], int] = lambda item: 0, heaviest: int = 0
) -> Iterator[T]:
    """Yields the items, `count` of them behind; a DataError comes after the items before it.

    Args:
      items: any stream.
      count: of them that are waiting.
      weigh: returns what an item weighs.
      heaviest: what those that are waiting may weigh.
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
    pool: ThreadPoolExecutor, schedule: Iterable[ScheduledMember], size: int, reader: Reader
) -> Iterator['_PendingBatch']:
    """Yields batches of `size` members; a DataError comes after the members that were read before it."""
    batch = _PendingBatch(pool, reader, size)
    error: DataError | None = None
    try:
        for scheduled in schedule:
            batch.add(scheduled)
            del scheduled  # before the next is read
            if batch.is_complete:
                yield batch
                batch = _PendingBatch(pool, reader, size)
    except DataError as caught:
        error = caught
    if not batch.is_empty:
        batch.begin()
        yield batch
    if error:
        raise error


class _PendingBatch:
    """A batch on its way through the thread pool.

    Its members are decoded once all are there, or earlier where they take much memory.

    Args:
      pool: decodes them.
      reader: says how.
      size: how many there may be.
    """

    def __init__(self, pool: ThreadPoolExecutor, reader: Reader, size: int) -> None:
        self._pool = pool
        self._reader = reader
        self._size = size
        self._room: Any = None
        self._places = 0  # in the room
        self._members: list[Member | LazyMember] = []  # without their data
        self._waiting: list[ScheduledMember] = []
        self._waiting_bytes = 0
        self._chunks: list[Future[list[BadExampleError | None]]] = []

    @property
    def is_empty(self) -> bool:
        return not (self._members or self._waiting)

    @property
    def is_complete(self) -> bool:
        return len(self._members) + len(self._waiting) == self._size

    def add(self, scheduled: ScheduledMember) -> None:
        """Takes in the next member."""
        self._waiting.append(scheduled)
        self._waiting_bytes += scheduled.bytes_in_memory
        if self.is_complete:
            self.begin()
        elif self._waiting_bytes > _WAITING_BYTES:
            del scheduled
            self._begin(self._size)

    def begin(self) -> None:
        """Has what waits decoded, behind which no member comes any more."""
        self._begin(len(self._waiting))

    def result(self, report: InputReport) -> Batch:
        """Returns the batch once it is there.

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
        """Has what waits decoded into a room of so many places, if there is none yet."""
        if not self._places:
            self._places, self._room = places, self._reader.begin(places)
        self._submit()
        ENCODED.settle()

    def _submit(self) -> None:
        for chunk, weight in _chunks(self._waiting, _bytes_in_memory):
            ENCODED.add(weight)
            self._chunks.append(self._pool.submit(self._read, len(self._members), chunk, weight))
            self._members += [_without_data(scheduled.member) for scheduled in chunk]
        self._waiting, self._waiting_bytes = [], 0

    def _read(
        self, first: int, chunk: Sequence[ScheduledMember], weight: int
    ) -> list[BadExampleError | None]:
        """Reads members into the places from number `first` on; returns why each is no usable example."""
        try:
            with ENCODED.share() as share:
                reasons: list[BadExampleError | None] = []
                for part, to_read in _chunks(chunk, _bytes_to_read):
                    share.hold(to_read)
                    reasons += self._reader.read_into(self._room, first + len(reasons), part)
                return reasons
        finally:
            ENCODED.give(weight)


def _chunks(
    members: Iterable[ScheduledMember], weigh: Callable[[ScheduledMember], int]
) -> Iterator[tuple[list[ScheduledMember], int]]:
    """Yields the members in parts that one thread takes on at once, with what each part weighs in bytes."""
    chunk: list[ScheduledMember] = []
    weight = 0
    for scheduled in members:
        chunk.append(scheduled)
        weight += weigh(scheduled)
        if len(chunk) == _CHUNK or weight >= _CHUNK_BYTES:
            yield chunk, weight
            chunk, weight = [], 0
    if chunk:
        yield chunk, weight


def _bytes_in_memory(scheduled: ScheduledMember) -> int:
    return scheduled.bytes_in_memory


def _bytes_to_read(scheduled: ScheduledMember) -> int:
    return scheduled.bytes_to_read


def _without_data(member: Member | LazyMember) -> Member | LazyMember:
    return member._replace(data=b'') if isinstance(member, Member) else member
