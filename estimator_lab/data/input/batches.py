"""Members -> batches of arrays, read by a thread pool (Pillow releases the GIL while it decodes)."""

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.base.errors import DataError
from estimator_lab.data.examples.kind import ExampleReader
from estimator_lab.data.examples.labels import UNKNOWN_ID
from estimator_lab.data.examples.member import BadExampleError, Member
from estimator_lab.data.input.bad_examples import InputReport

# Members that a thread reads at once: enough to make the overhead small and to let a decoder batch them, but
# few enough that a batch occupies two threads, and all pending batches every thread.
_CHUNK = 32
_CHUNK_BYTES = 2**20
_BATCHES_AHEAD = 2
_MOST_BYTES = 64 * 2**20  # of pending members; a single one may have more
_WAITING = 16  # more threads where members are read over a network


class BadExample(NamedTuple):
    """A bad example: its place among the members of its batch, from 0, its key, and why it is bad."""

    place: int
    key: str
    reason: str


class Batch(NamedTuple):
    """The n examples of one process in a global batch; fewer if some are bad, or at the end, or none.

    Attributes:
      data: of a stream encoded bytes, a list of n, or pixels, uint8 [n, height, width, channels]; of
        `read_batches` the arrays of a reader, by name, with n rows each.
      labels: n labels.
      keys: n unique names.
      class_ids: int64 [n], numbers of the labels; -1 of a label that has none.
      bad: the bad examples among the members, in order.
    """

    data: Any
    labels: list[str]
    keys: list[str]
    class_ids: np.ndarray
    bad: Sequence[BadExample] = ()


def read_batches(
    members: Iterable[Member],
    batch_size: int,
    reader: ExampleReader,
    report: InputReport,
    threads: int = 0,
    whole_only: bool = False,
    at_once: int = 1,
    class_id: Callable[[str], int] = lambda label: UNKNOWN_ID,
) -> Generator[Batch, None, None]:
    """Yields one batch for each `batch_size` consecutive members, the last one possibly shorter.

    Batches are yielded as one in groups of growing size: the first alone, so that training starts at once,
    then 2, 4, ... up to `at_once`.

    A bad example makes its batch one example shorter, and does not move later ones forward: batch number n
    always holds the members from n * batch_size on, however many were bad.

    Args:
      members: in order.
      batch_size: members in a batch.
      reader: how they become arrays.
      report: counts the examples, and the bad ones.
      threads: how many decode; 0 for one more than processors. Over a network, more of them wait for data.
      whole_only: whether an incomplete batch before an error is left out. A position that counts whole
        batches then goes on where it begins.
      at_once: the most batches in a group.
      class_id: returns the number of a label.

    Raises:
      DataError: raised by `members`, after all preceding batches; or too many examples are bad.
    """
    with closing(read_examples(members, reader.read, batch_size, threads, at_once)) as found:
        size, is_last = batch_size, False
        while not is_last:
            results: list[tuple[Member, Any]] = []
            error: DataError | None = None
            try:
                results.extend(itertools.islice(found, size))  # which keeps those before an error
            except DataError as caught:
                error = caught
            is_last = len(results) < size
            if error and whole_only:
                del results[len(results) - len(results) % batch_size :]
            if results:
                yield _batch(results, reader, report, class_id)
            if error:
                raise error
            size = min(2 * size, batch_size * at_once)


def read_examples(
    members: Iterable[Member],
    read: Callable[[Sequence[Member]], list[Any]],
    batch_size: int,
    threads: int = 0,
    at_once: int = 1,
) -> Generator[tuple[Member, Any], None, None]:
    """Yields members, without data, with what `read` returns for them; a few batches ahead are under way.

    Each batch that was yielded makes them more: up to a few groups of `at_once` batches.

    Raises:
      DataError: raised by `members` or `read`, after all preceding members.
    """
    # While one thread waits for Python's lock, another one decodes.
    threads = threads or (os.cpu_count() or 1) + 1
    yielded = 0
    with closing(_UnderWay(read, threads)) as under_way:
        for member in _with_error(members):
            if isinstance(member, DataError):
                under_way.begin(1)
                yield from under_way.rest()
                raise member
            under_way.add(member)
            del member
            size = batch_size * min(1 + yielded // batch_size, at_once)
            ahead = size * (_BATCHES_AHEAD + 1)
            under_way.begin(min(_CHUNK, math.ceil(size / 2), math.ceil(ahead / threads)))
            while under_way.are_many(ahead):
                results = under_way.first()
                yielded += len(results)
                yield from results
                del results
        under_way.begin(1)
        yield from under_way.rest()


def _with_error(members: Iterable[Member]) -> Iterator[Member | DataError]:
    """Yields the members, and at last the error that ended them, if one did."""
    try:
        yield from members
    except DataError as error:
        yield error


class _UnderWay:
    """Members on their way through a thread pool, in chunks."""

    def __init__(self, read: Callable[[Sequence[Member]], list[Any]], threads: int) -> None:
        self._read = read
        self._decoding = ThreadPoolExecutor(threads)
        self._waiting = ThreadPoolExecutor(threads + _WAITING)  # starts no thread before it is needed
        self._chunk: list[Member] = []
        self._chunk_bytes = self._members = self._bytes = 0
        # The members of each chunk without their data, its bytes, and its results.
        self._pending: deque[tuple[list[Member], int, Future[list[Any]]]] = deque()

    def add(self, member: Member) -> None:
        """Adds a member to the next chunk."""
        self._chunk.append(member)
        self._chunk_bytes += member.size

    def begin(self, least: int) -> None:
        """Reads the next chunk if it has `least` members, or many bytes."""
        if len(self._chunk) < least and self._chunk_bytes < _CHUNK_BYTES:
            return
        bare = [member._replace(data=b'') if member.data else member for member in self._chunk]
        is_slow = any(member.source and member.source.is_slow for member in self._chunk)
        pool = self._waiting if is_slow else self._decoding
        self._pending.append((bare, self._chunk_bytes, pool.submit(self._read, self._chunk)))
        self._members += len(bare)
        self._bytes += self._chunk_bytes
        self._chunk, self._chunk_bytes = [], 0

    def are_many(self, members: int) -> bool:
        """Whether more members, or more bytes than allowed, are under way."""
        return self._members > members or (self._bytes > _MOST_BYTES and bool(self._pending))

    def first(self) -> list[tuple[Member, Any]]:
        """Returns the members of the first chunk with their results."""
        bare, weight, future = self._pending.popleft()
        self._members -= len(bare)
        self._bytes -= weight
        return list(zip(bare, future.result(), strict=True))

    def rest(self) -> Iterator[tuple[Member, Any]]:
        """Yields the members of all chunks with their results."""
        while self._pending:
            yield from self.first()

    def close(self) -> None:
        """Lets the threads end after the chunks that are begun.

        It does not wait: Python may collect an abandoned stream in a thread for which these threads wait.
        """
        for pool in (self._decoding, self._waiting):
            pool.shutdown(wait=False, cancel_futures=True)


def _batch(
    found: Sequence[tuple[Member, Any]],
    reader: ExampleReader,
    report: InputReport,
    class_id: Callable[[str], int],
) -> Batch:
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
    ids = np.fromiter(map(class_id, labels), np.int64, len(labels))
    return Batch(reader.collate(examples), labels, keys, ids, bad)
