"""What a kind of source has to provide: a list of its examples, and if possible their data by places.

A new one, such as ZIP archives, is a module with a `Format`, and a line in `index.format_of`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from estimator_lab.base.errors import DataError
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.member import Member, MemberReader
from estimator_lab.data.sources.files import SkippedFiles
from estimator_lab.data.sources.source import Source

_EXAMPLE_BYTES = 300  # of memory for an example, besides its name and label, at most
_ROOM_BYTES = 400 * 2**20  # for the examples of any archive
_ROOM_FACTOR = 16  # more for each of its bytes: members with their headers take 20 bytes, however compressed


@dataclass
class Scan:
    """How a source is read, and what is said of it.

    Attributes:
      headers_only: whether data is left out, where that is faster.
      note: called with words that follow the source's name, about what is unusual but not an error.
      progress: called with the share of the source's bytes that was read, in [0, 1]; 0 if unknown.
      skipped: counts the files that are not examples.
    """

    headers_only: bool = False
    note: Callable[[str], None] = lambda words: None
    progress: Callable[[float], None] = lambda share: None
    skipped: SkippedFiles = field(default_factory=SkippedFiles)


class Format(NamedTuple):
    """A kind of source.

    Attributes:
      scan: yields the examples of a source in stored order, with their data if it is read in passing. Raises
        DataError where it can't be read, or is damaged; every example before the damage is yielded first.
      opened: returns the reader of a source's members; None if it has no random access. Raises OSError.
      is_cached: whether listing it takes reading it: an index is kept for later starts, and a pass over the
        examples has their data at once. That of others, pipes apart, is read in many threads.
    """

    scan: Callable[[Source, Kind, Scan], Iterator[Member]]
    opened: Callable[[Source], MemberReader | None]
    is_cached: bool


def scanned(form: Format, source: Source, kind: Kind, scan: Scan) -> Iterator[Member]:
    """Yields the examples of a source, as `Format.scan` does; of an archive as many as its size can explain.

    Some compressed megabytes can claim a hundred million members, which an index would hold in memory.

    Raises:
      DataError: as `Format.scan` does, and for the first example that is too many.
    """
    is_bounded = form.is_cached and not source.is_pipe
    number = held = 0
    for member in form.scan(source, kind, scan):
        held += _EXAMPLE_BYTES + len(member.name) + (len(member.label) if member.is_labelled else 0)
        if is_bounded and held > _ROOM_BYTES and held > _ROOM_BYTES + _ROOM_FACTOR * source.stamp().size:
            raise DataError(
                f'{source.name!r} claims more than {number:,} {kind.noun}, too many for its '
                f'{source.stamp().size:,} bytes: it is not read any further.'
            )
        yield member
        number += 1  # noqa: SIM113 - see `data.examples.member`
        del member
