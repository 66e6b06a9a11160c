"""Members -> batches of arrays, read by a thread pool (Pillow releases the GIL while it decodes)."""

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.base.errors import DataError
from estimator_lab.data.examples.kind import ExampleDecoder
from estimator_lab.data.examples.labels import UNKNOWN_ID
from estimator_lab.data.examples.member import BadExampleError, Member
from estimator_lab.data.images.notebook import as_html
from estimator_lab.data.input.bad_examples import InputReport

# Members that a thread reads at once: enough to make the overhead small and to let a decoder batch them, but
# few enough that a batch occupies two threads, and all pending batches every thread.
_CHUNK = 32
_CHUNK_BYTES = 2**20
_BATCHES_AHEAD = 2
_MOST_BYTES = 64 * 2**20  # of pending members; a single one may have more
_WAITING = 16  # more threads where members are read over a network


class BadExample(NamedTuple):
    """A bad example.

    Attributes:
      place: among the members of its batch, from 0; in a data set, its number.
      key: its unique name.
      reason: why it is bad.
      member: of a data set, the member of its archive, without data.
    """

    place: int
    key: str
    reason: str
    member: Any = None


class Batch(NamedTuple):
    """The n examples of one process in a global batch; fewer if some are bad, or at the end, or none.

    Attributes:
      data: of a stream encoded bytes, a list of n, or pixels, uint8 [n, height, width, channels]; of
        `read_batches` the arrays of a reader, by name, with n rows each.
      labels: n labels.
      keys: n unique names.
      class_ids: int64 [n], numbers of the labels; -1 of a label that has none.
      bad: the bad examples among the members, in order.
      values: predictions for them by name, each [n, ...]; {} before they are predicted.
    """

    data: Any
    labels: list[str]
    keys: list[str]
    class_ids: np.ndarray
    bad: Sequence[BadExample] = ()
    values: Mapping[str, np.ndarray] = {}  # never changed, and pickled for workers

    def __repr__(self) -> str:
        data = type(self.data).__name__
        if isinstance(self.data, np.ndarray):
            data = f'{self.data.dtype} {list(self.data.shape)}'
        return f'<Batch: {len(self.keys):,} examples, {len(self.bad):,} bad, data: {data}>'

    def _repr_html_(self) -> str:
        return as_html(repr(self), self.data if isinstance(self.data, np.ndarray) else [], self.labels)


class Grouping(NamedTuple):
    """How batches are read.

    Attributes:
      at_once: the most batches that are yielded as one.
      whole_only: whether an incomplete batch before an error is left out. A position that counts whole
        batches then goes on where it begins.
      threads: how many decode; 0 for one more than processors. Over a network, more of them wait for data.
    """

    at_once: int = 1
    whole_only: bool = False
    threads: int = 0


ONE_BY_ONE = Grouping()
"""Each batch is yielded by itself."""


def read_batches(
    members: Iterable[Member],
    batch_size: int,
    reader: ExampleDecoder,
    report: InputReport,
    class_ids: Mapping[str, int] = MappingProxyType({}),
    grouping: Grouping = ONE_BY_ONE,
) -> Generator[Batch, None, None]:
    """Yields one batch for each `batch_size` consecutive members, the last one possibly shorter.

    Batches are yielded as one in groups of growing size: the first alone, so that training starts at once,
    then 2, 4, ... up to `grouping.at_once`.

    A bad example makes its batch one example shorter, and does not move later ones forward: batch number n
    always holds the members from n * batch_size on, however many were bad.

    Args:
      members: in order.
      batch_size: members in a batch.
      reader: how they become arrays.
      report: counts the examples, and the bad ones.
      class_ids: numbers of the labels.
      grouping: how many are yielded as one, and decoded at the same time.

    Raises:
      DataError: raised by `members`, after all preceding batches; or too many examples are bad.
    """
    at_once, whole_only, threads = grouping
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
                yield _batch(results, reader, report, class_ids)
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
    yielded, chunk, chunk_bytes = 0, list[Member](), 0
    following, error = iter(members), None
    with closing(_UnderWay(read, threads)) as under_way:
        while True:
            try:
                member = next(following, None)
            except DataError as caught:
                member, error = None, caught
            if member is None:
                break
            chunk.append(member)
            chunk_bytes += member.size
            del member
            size = batch_size * min(1 + yielded // batch_size, at_once)
            ahead = size * (_BATCHES_AHEAD + 1)
            least = min(_CHUNK, math.ceil(size / 2), math.ceil(ahead / threads))
            if len(chunk) >= least or chunk_bytes >= _CHUNK_BYTES:
                under_way.begin(chunk, chunk_bytes)
                chunk, chunk_bytes = [], 0
            while results := under_way.results(ahead):
                yielded += len(results)
                yield from results
                del results
        if chunk:
            under_way.begin(chunk, chunk_bytes)
            del chunk
        while results := under_way.results(0):
            yield from results
            del results
    if error:
        raise error


class _UnderWay:
    """Members on their way through a thread pool, in chunks."""

    def __init__(self, read: Callable[[Sequence[Member]], list[Any]], threads: int) -> None:
        self._read = read
        self._decoding = ThreadPoolExecutor(threads)
        self._waiting = ThreadPoolExecutor(threads + _WAITING)  # starts no thread before it is needed
        self._members = self._bytes = 0
        # The members of each chunk without their data, its bytes, and its results.
        self._pending: deque[tuple[list[Member], int, Future[list[Any]]]] = deque()

    def begin(self, chunk: list[Member], size: int) -> None:
        """Begins to read a chunk, of `size` bytes."""
        bare = [member._replace(data=b'') if member.data else member for member in chunk]
        is_slow = any(member.source and member.source.is_slow for member in chunk)
        pool = self._waiting if is_slow else self._decoding
        self._pending.append((bare, size, pool.submit(self._read, chunk)))
        self._members += len(bare)
        self._bytes += size

    def results(self, most: int) -> list[tuple[Member, Any]]:
        """Returns the members of the first chunk with their results; none until too many are under way.

        Args:
          most: of the members; more bytes than are allowed are too many as well.
        """
        if self._members <= most and self._bytes <= _MOST_BYTES:
            return []
        bare, weight, future = self._pending.popleft()
        self._members -= len(bare)
        self._bytes -= weight
        return list(zip(bare, future.result(), strict=True))

    def close(self) -> None:
        """Lets the threads end after the chunks that are begun.

        It does not wait: Python may collect an abandoned stream in a thread for which these threads wait.
        """
        for pool in (self._decoding, self._waiting):
            pool.shutdown(wait=False, cancel_futures=True)


def _batch(
    found: Sequence[tuple[Member, Any]],
    reader: ExampleDecoder,
    report: InputReport,
    class_ids: Mapping[str, int],
) -> Batch:
    """Returns the batch of some members; counts them.

    Raises:
      DataError: too many examples are bad.
    """
    keys, labels, examples, bad = [], [], [], []
    for place, (member, example) in enumerate(found):
        report.count(1)
        if isinstance(example, BadExampleError):
            report.add_bad(member, example)
            bad.append(BadExample(place, member.key, str(example)))
        else:
            keys.append(member.key)
            labels.append(member.label)
            examples.append(example)
    ids = [class_ids.get(label, UNKNOWN_ID) for label in labels]
    return Batch(reader.collate(examples), labels, keys, np.array(ids, np.int64), bad)
