"""What a kind of source has to provide: a list of its examples, and if possible their data by places.

A new one, such as ZIP archives, is a module with a class as `Format`, and a line in `index.format_of`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from estimator_lab.data.files import SkippedFiles
from estimator_lab.data.kind import Kind
from estimator_lab.data.member import BadExampleError
from estimator_lab.data.sources import Source

Row = tuple[int, int, int, int]
"""Offset, size, bytes of headers and checksum of an example, as its format gave them."""


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
      data: its bytes, unless only headers are read.
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


class Rows(Protocol):
    """Reads examples at their places; many threads call it at the same time."""

    @property
    def is_slow(self) -> bool:
        """Whether many reads at once take about as long as one, as over a network."""

    def read(self, rows: Sequence[Row], names: Sequence[str]) -> list[bytes | BadExampleError]:
        """Returns the data of examples, or why they have none.

        Raises:
          OSError: the source can't be read.
          ChangedError: one is no longer there.
        """


class Format(Protocol):
    """A kind of source."""

    @property
    def is_cached(self) -> bool:
        """Whether an index of it is kept for later starts."""

    def scan(self, source: Source, kind: Kind, scan: Scan) -> Iterator[Found]:
        """Yields the examples of a source in stored order, one in memory at a time.

        Raises:
          DataError: it can't be read, or is damaged; every example before the damage is yielded first.
        """

    def rows(self, source: Source) -> Rows | None:
        """Returns how examples are read at their places; None if the source has no random access."""
