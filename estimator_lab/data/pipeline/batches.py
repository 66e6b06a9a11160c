"""Members -> batches of arrays, read in a thread pool (Pillow releases the GIL as it decodes)."""

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from estimator_lab.data.bad_example import BadExampleError
from estimator_lab.data.kind import Arrays, Reader
from estimator_lab.data.labels import label_of
from estimator_lab.data.order.order import ScheduledMember
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.errors import DataError

T = TypeVar('T')

# Small enough to share a batch among the threads, large enough that handing over costs little.
_CHUNK = 16
_BATCHES_AHEAD = 2


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
        pending = (_PendingBatch.submit(pool, window, reader) for window in _windows(schedule, batch_size))
        for batch in look_ahead(pending, _BATCHES_AHEAD):
            yield batch.result(report)


def look_ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """Yields the items, `count` of them behind; a DataError comes after the items before it."""
    waiting: deque[T] = deque()
    error: DataError | None = None
    try:
        for item in items:
            waiting.append(item)
            if len(waiting) > count:
                yield waiting.popleft()
    except DataError as caught:
        error = caught
    yield from waiting
    if error:
        raise error


def _windows(schedule: Iterable[ScheduledMember], size: int) -> Iterator[list[ScheduledMember]]:
    """Yields lists of `size` members; a DataError comes after the members that were read before it."""
    window: list[ScheduledMember] = []
    error: DataError | None = None
    try:
        for scheduled in schedule:
            window.append(scheduled)
            if len(window) == size:
                yield window
                window = []
    except DataError as caught:
        error = caught
    if window:
        yield window
    if error:
        raise error


class _PendingBatch(NamedTuple):
    """A batch on its way through the thread pool, collected in `room`."""

    schedule: Sequence[ScheduledMember]
    reader: Reader
    room: Any
    chunks: list['Future[list[BadExampleError | None]]']

    @classmethod
    def submit(
        cls, pool: ThreadPoolExecutor, schedule: Sequence[ScheduledMember], reader: Reader
    ) -> '_PendingBatch':
        room = reader.begin(len(schedule))

        def read(first: int) -> list[BadExampleError | None]:
            chunk = enumerate(schedule[first : first + _CHUNK], first)
            return [_why_bad(reader, room, place, scheduled) for place, scheduled in chunk]

        chunks = [pool.submit(read, first) for first in range(0, len(schedule), _CHUNK)]
        return cls(schedule, reader, room, chunks)

    def result(self, report: InputReport) -> Batch:
        reasons = list(itertools.chain.from_iterable(chunk.result() for chunk in self.chunks))
        members, bad = [], []
        for place, ((_, member), reason) in enumerate(zip(self.schedule, reasons, strict=True)):
            report.count(member, reason)
            if reason:
                bad.append(BadExample(place, member.key, str(reason)))
            else:
                members.append(member)
        return Batch(
            arrays=self.reader.finish(self.room, [not reason for reason in reasons]),
            keys=[member.key for member in members],
            labels=[label_of(member.name) for member in members],
            bad=bad,
        )


def _why_bad(reader: Reader, room: Any, place: int, scheduled: ScheduledMember) -> BadExampleError | None:
    """Reads a member into its place; returns why it is no usable example, or None."""
    try:
        reader.read_into(room, place, scheduled)
    except BadExampleError as reason:
        return reason.with_traceback(None)  # which would keep the batch
    return None
