"""How files elsewhere are read: what a transport does."""

from typing import NamedTuple, Protocol


class Facts(NamedTuple):
    """What is known of a file elsewhere.

    Attributes:
      size: bytes; None if the server does not say.
      identity: changes when the file does, such as its ETag; '' if unknown.
      has_ranges: whether a part can be read by itself.
    """

    size: int | None
    identity: str
    has_ranges: bool


class Stream(Protocol):
    """A file that is read from its beginning."""

    def read(self, count: int) -> bytes:
        """Returns up to `count` of the next bytes; none at the end."""

    def close(self) -> None:
        """Ends the connection."""


class Transport(Protocol):
    """Reads one file elsewhere. Each call is one attempt and raises a `failures.RemoteError`."""

    def probe(self) -> Facts:
        """Returns what is known of the file now."""

    def fetch(self, offset: int, count: int, known: Facts) -> bytes:
        """Returns exactly `count` bytes; raises ChangedError if the file is not the known one."""

    def stream(self, known: Facts) -> Stream:
        """Opens the file at its beginning."""
