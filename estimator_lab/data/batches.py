"""Members -> batches of arrays, read by a thread pool (Pillow releases the GIL while it decodes)."""

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.kind import Arrays, ExampleReader
from estimator_lab.data.member import BadExampleError, Member, read_members
from estimator_lab.errors import DataError

# Members that a thread reads at once: enough to make the overhead small and to let a decoder batch them, but
# few enough that a batch occupies two threads, and all pending batches every thread.
_CHUNK = 32
_CHUNK_BYTES = 2**20
_BATCHES_AHEAD = 2
_MOST_BYTES = 64 * 2**20  # of pending members; a single one may have more
_READS_AHEAD = 64  # of members over a network

Result = tuple[Member, Any]
"""A member without its data, and its example or a BadExampleError."""


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
    members: Iterable[Member],
    batch_size: int,
    reader: ExampleReader,
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
      members: in order.
      batch_size: members in a batch.
      reader: how they become arrays.
      report: counts the examples, and the bad ones.
      at_once: the most batches that are yielded as one.
      threads: how many decode; 0 for one more than processors.

    Raises:
      DataError: raised by `members`, after all preceding batches; or too many examples are bad.
    """
    # One more than processors: while one thread waits for Python's lock, another one decodes.
    threads = threads or (os.cpu_count() or 1) + 1
    size = batch_size
    with ThreadPoolExecutor(max_workers=threads) as pool:
        found = read_examples(read_ahead(members), reader.read, pool, threads, lambda: size)
        for number in itertools.count(1):
            some: list[Result] = []
            error: DataError | None = None
            try:
                some.extend(itertools.islice(found, size))  # which keeps those before an error
            except DataError as caught:
                error = caught
            is_last = len(some) < size
            if some:
                yield _batch(some, reader, report)
            if error:
                raise error
            if is_last:
                return
            if number > _BATCHES_AHEAD:
                size = min(2 * size, batch_size * at_once)


def read_examples(
    members: Iterable[Member],
    read: Callable[[Sequence[Member]], list[Any]],
    pool: ThreadPoolExecutor,
    threads: int,
    size: Callable[[], int],
) -> Iterator[Result]:
    """Yields members with what `read` returns for them, in order; a few batches ahead are under way.

    Args:
      members: in order.
      read: reads some members, in a thread of the pool.
      pool: of threads.
      threads: how many.
      size: returns the members of a batch.

    Raises:
      DataError: raised by `members` or `read`, after all preceding members.
    """
    pending: deque[tuple[list[Member], int, Future[list[Any]]]] = deque()
    members_held = bytes_held = 0
    chunk: list[Member] = []
    chunk_bytes = 0
    error: DataError | None = None
    iterator = iter(members)

    def begin() -> None:
        nonlocal chunk, chunk_bytes, members_held, bytes_held
        bare = [member._replace(data=b'') if member.data else member for member in chunk]
        pending.append((bare, chunk_bytes, pool.submit(read, chunk)))
        members_held, bytes_held = members_held + len(chunk), bytes_held + chunk_bytes
        chunk, chunk_bytes = [], 0

    def first() -> Iterator[Result]:
        nonlocal members_held, bytes_held
        bare, weight, future = pending.popleft()
        members_held, bytes_held = members_held - len(bare), bytes_held - weight
        yield from zip(bare, future.result(), strict=True)

    try:
        while error is None:
            try:
                member = next(iterator)
            except StopIteration:
                break
            except DataError as caught:
                error = caught
                break
            chunk.append(member)
            chunk_bytes += member.size
            del member
            ahead = size() * (_BATCHES_AHEAD + 1)
            most = min(_CHUNK, math.ceil(size() / 2), math.ceil(ahead / threads))
            if len(chunk) >= most or chunk_bytes >= _CHUNK_BYTES:
                begin()
            while members_held > ahead or (bytes_held > _MOST_BYTES and len(pending) > 1):
                yield from first()
        if chunk:
            begin()
        while pending:
            yield from first()
        if error:
            raise error
    finally:
        for _, _, future in pending:
            future.cancel()


def read_ahead(members: Iterable[Member]) -> Iterator[Member]:
    """Yields the same members in the same order; of those over a network, the next ones are being read already.

    Up to 64 MiB are under way; a larger member is read alone.
    """
    pending: deque[tuple[Member, Future[list[Any]] | None]] = deque()
    held = 0
    pool: ThreadPoolExecutor | None = None

    def first() -> Member:
        nonlocal held
        member, future = pending.popleft()
        if future is None:
            return member
        held -= member.size
        (data,) = future.result()
        if isinstance(data, BadExampleError):
            return member._replace(source=_Failed(data))
        return member._replace(data=data, source=None)

    try:
        for member in members:
            is_slow = getattr(member.source, 'is_slow', False)
            future = None
            if is_slow:
                pool = pool or ThreadPoolExecutor(_READS_AHEAD, 'read-ahead')
                while held and held + member.size > _MOST_BYTES:
                    yield first()
                held += member.size
                future = pool.submit(partial(read_members, [member]))
            pending.append((member, future))
            while len(pending) > (_READS_AHEAD if is_slow else 0):
                yield first()
        while pending:
            yield first()
    except DataError:
        while pending:
            yield first()
        raise
    finally:
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)


class _Failed(NamedTuple):
    """Stands for the source of a member that could not be read."""

    reason: BadExampleError

    def read(self, members: Sequence[Member]) -> list[bytes | BadExampleError]:
        """Returns the reason."""
        return [self.reason] * len(members)


def _batch(found: Sequence[Result], reader: ExampleReader, report: InputReport) -> Batch:
    """Returns the batch of some members; counts them.

    Raises:
      DataError: too many examples are bad.
    """
    members, examples, bad = [], [], []
    for place, (member, example) in enumerate(found):
        reason = example if isinstance(example, BadExampleError) else None
        report.count(member, reason)
        if reason:
            bad.append(BadExample(place, member.key, str(reason)))
        else:
            members.append(member)
            examples.append(example)
    keys, labels = [member.key for member in members], [member.label for member in members]
    return Batch(reader.collate(examples), keys, labels, bad)
