"""What a kind of source has to provide: a list of its examples, and if possible their data by places.

A new one, such as ZIP archives, is a module with a `Format`, and a line in `index.format_of`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from estimator_lab.base.errors import DataError
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.member import BadExampleError
from estimator_lab.data.sources.files import SkippedFiles
from estimator_lab.data.sources.source import Source

Row = tuple[int, int, int, int]
"""Offset, size, bytes of headers and checksum of an example, as its format gave them."""


_EXAMPLE_BYTES = 300  # of memory for an example, besides its name and label, at most
_ROOM_BYTES = 400 * 2**20  # for the examples of any archive
_ROOM_FACTOR = 16  # more for each of its bytes: members with their headers take 20 bytes, however compressed


class ChangedError(Exception):
    """An example is no longer where it was."""


class Found(NamedTuple):
    """An example, as a source lists it.

    Attributes:
      name: in the source; bytes that are not UTF-8, and unprintable characters, are backslash escapes.
      offset: where it begins; larger than that of the example before it.
      size: bytes of its data.
      headers: bytes from there to its data.
      checksum: of its first bytes.
      label: from a table, or a file next to it; None if that is the name of its folder.
      data: its bytes, if they are read in passing.
      reason: why it has none; None if it has.
      home: the folder that it is in, if its name does not say so.
    """

    name: str
    offset: int
    size: int
    headers: int = 0
    checksum: int = 0
    label: str | None = None
    data: bytes = b''
    reason: BadExampleError | None = None
    home: str = ''


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
      scan: yields the examples of a source in stored order, one in memory at a time. Raises DataError where
        it can't be read, or is damaged; every example before the damage is yielded first.
      opened: returns a source as `read` accepts it; None if it has no random access. Raises OSError.
      read: returns the data of examples, given what `opened` returned, their rows and their names; or why
        they have none. Many threads call it at the same time. Raises OSError if the source can't be read,
        ChangedError if an example is no longer there.
      is_cached: whether listing it takes reading it: an index is kept for later starts, and a pass over the
        examples has their data at once. That of others, pipes apart, is read by `read`, in many threads.
    """

    scan: Callable[[Source, Kind, Scan], Iterator[Found]]
    opened: Callable[[Source], Any]
    read: Callable[[Any, Sequence[Row], Sequence[str]], list[Any]]
    is_cached: bool


def scanned(form: Format, source: Source, kind: Kind, scan: Scan) -> Iterator[Found]:
    """Yields the examples of a source, as `Format.scan` does; of an archive as many as its size can explain.

    Some compressed megabytes can claim a hundred million members, which an index would hold in memory.

    Raises:
      DataError: as `Format.scan` does, and for the first example that is too many.
    """
    is_bounded = form.is_cached and not source.is_pipe
    number = held = 0
    for found in form.scan(source, kind, scan):
        held += _EXAMPLE_BYTES + len(found.name) + len(found.label or '')
        if is_bounded and held > _ROOM_BYTES and held > _ROOM_BYTES + _ROOM_FACTOR * source.stamp().size:
            raise DataError(
                f'{source.name!r} claims more than {number:,} {kind.noun}, too many for its '
                f'{source.stamp().size:,} bytes: it is not read any further.'
            )
        yield found
        number += 1  # noqa: SIM113 - as above
        del found  # before the next is read
