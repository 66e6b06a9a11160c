"""Members of slow archives, such as those elsewhere: many are under way at once, in order."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future

from estimator_lab.data.member import Member, MemberSource
from estimator_lab.data.storage.io_threads import submit

_MEMBERS_AHEAD = 64
_MOST_BYTES = 64 * 2**20
_ASKED_EVERY = 256  # members after which an archive is asked again whether it is slow


def read_ahead(members: Iterable[Member]) -> Iterator[Member]:
    """Yields the same members in the same order; of slow sources, the next ones are being read already.

    Up to 64 MiB are under way, or read and not yet used; a larger member is read alone. Members of other
    sources are not delayed.

    Args:
      members: any stream; an error is raised after the members before it.
    """
    waiting: deque[Member] = deque()
    reads, slow = _Reads(), dict[MemberSource, bool]()
    seen = 0
    try:
        for member in members:
            seen += 1
            if seen % _ASKED_EVERY == 0:
                slow.clear()
            source = member.source
            if source is not None and source not in slow:
                slow[source] = source.is_slow
            is_slow = source is not None and slow[source]
            waiting.append(reads.add(member, source) if source and is_slow else member)
            del member
            while len(waiting) > (_MEMBERS_AHEAD if is_slow else 0):
                yield waiting.popleft()
    except Exception:
        yield from waiting
        raise
    yield from waiting


class _Reads:
    """Reads of members, which begin in order as long as there is room for their data."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._later: deque[_Read] = deque()
        self._bytes = 0

    def add(self, member: Member, source: MemberSource) -> Member:
        """Returns a member that is read from here, as soon as there is room."""
        read = _Read(self, member, source)
        with self._lock:
            self._later.append(read)
            self._begin_some()
        return member._replace(source=read)

    def result(self, read: '_Read') -> Member:
        """Returns the member that was read, and makes room for others."""
        with self._lock:
            if read.future is None:  # there was no room, but this one is needed now
                self._begin(read)
            future = read.future
        assert future
        try:
            return future.result()
        finally:
            with self._lock:
                self._bytes -= read.member.unread
                self._begin_some()

    def _begin_some(self) -> None:
        while self._later:
            read = self._later[0]
            if read.future is None:
                if self._bytes and self._bytes + read.member.unread > _MOST_BYTES:
                    return
                self._begin(read)
            self._later.popleft()

    def _begin(self, read: '_Read') -> None:
        self._bytes += read.member.unread
        read.future = submit(read.from_source)


class _Read:
    """One member under way: the source of its data, once.

    Args:
      reads: what it belongs to.
      member: the member, without its data.
      source: where it is read.

    Attributes:
      future: the member with its data; None before its reading begins.
    """

    is_slow = False

    def __init__(self, reads: _Reads, member: Member, source: MemberSource) -> None:
        self._reads = reads
        self._source = source
        self._is_used = False
        self.member = member
        self.future: Future[Member] | None = None

    def from_source(self) -> Member:
        """Returns the member with its data."""
        return self._source.read([self.member])[0]

    def read(self, members: Sequence[Member]) -> list[Member]:
        """See `MemberSource.read`."""
        if self._is_used:
            return [self.from_source()]
        self._is_used = True
        return [self._reads.result(self)]
