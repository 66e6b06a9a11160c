"""The examples of archives that belong to a share, for one of several machines."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.shares import Share
from estimator_lab.data.archives.index import Index
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.member import Member
from estimator_lab.data.sources.formats import scan_members
from estimator_lab.data.sources.reading import Scan
from estimator_lab.data.sources.source import Source

_CHUNK = 1024  # members looked up at once


def check_divisible(sources: Iterable[Source], share: Share) -> None:
    """Raises FlagError if a source can be read only once, so that the number of its examples is unknown."""
    if pipe := next((source for source in sources if source.is_pipe), None):
        raise FlagError(f'{option.part}={share} needs archives that are stored: {pipe.name!r} is a pipe.')


@dataclass(frozen=True)
class Shared:
    """The examples of one source that belong to a share.

    Attributes:
      index: of the source.
      kind: of its examples.
      rows: their numbers in the source.
    """

    index: Index
    kind: Kind
    rows: range

    def members(self, scan: Scan) -> Iterator[Member]:
        """Yields them in stored order: of a source with random access without their data.

        Raises:
          DataError: the source can't be read; or is damaged, after the last one before that.
        """
        for member in self._members(scan) if self.rows else ():
            yield member
            del member
        if self.rows and self.index.damage and self.rows.stop == len(self.index):
            raise DataError(self.index.damage)

    def _members(self, scan: Scan) -> Iterator[Member]:
        first, end = self.rows.start, self.rows.stop
        if not self.index.random_access:
            every = scan_members(self.index.source, self.kind, Scan(progress=scan.progress))
            for member in itertools.islice(every, first, end):
                yield member._replace(label=self.index.label(member.row))
                del member
            return
        for start in range(first, end, _CHUNK):
            for member in self.index.members(range(start, min(start + _CHUNK, end))):
                scan.progress((member.row + 1 - first) / len(self.rows))
                yield member


def shared(
    indexes: Sequence[Index], kinds: Sequence[Kind], share: Share, say: Callable[[str], None]
) -> list[Shared]:
    """Returns what belongs to a share of each source, in order; `say` gets a line about compressed ones."""
    found = list(map(Shared, indexes, kinds, share.within(list(map(len, indexes)))))
    for own in found:
        if own.rows and not own.index.random_access:
            name = own.index.source.name
            say(f'{name!r} is compressed: a part reads it from its beginning, and keeps its own.')
    return found
