"""A text of one example a line as a source of members, beside tar archives."""

import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from estimator_lab.data.tar.forward_file import BLOCK, ForwardFile
from estimator_lab.data.tar.headers import Entry

NameOfLine = Callable[[int, bytes], str]
"""(number of a line, from 1; its bytes) -> the name of the member that it is."""

_CHUNK = 2**20


class Line(NamedTuple):
    """One line of a text, without its end.

    Attributes:
      number: from 1.
      offset: its first byte.
      size: its bytes.
      data: these; none of a line that is longer than was wanted.
    """

    number: int
    offset: int
    size: int
    data: bytes


def is_text(head: bytes) -> bool:
    """Whether a file with these first bytes, up to 512, is a text; every header of a tar holds zeros."""
    return bool(head) and b'\0' not in head


def read_lines(stream: ForwardFile, longest: int) -> Iterator[Line]:
    """Yields the lines that hold anything but white space, with no more of them in memory than one.

    Args:
      stream: the uncompressed text at its beginning.
      longest: bytes up to which a line comes with its data.

    Raises:
      Exception: the text breaks off; each decompressor has its own.
    """
    number, offset, size = 1, stream.position, 0
    parts: list[bytes] = []

    def take(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        parts.append(piece)
        if size > longest:
            parts.clear()

    while chunk := stream.read_some(_CHUNK):
        *ends, rest = chunk.split(b'\n')
        for piece in ends:
            take(piece)
            yield from _line(number, offset, size, parts)
            number, offset, size = number + 1, offset + size + 1, 0
            parts.clear()
        take(rest)
    yield from _line(number, offset, size, parts)


def entry_of(line: Line, name_of: NameOfLine) -> Entry:
    """Returns a line as what the header of a member would say; its data begins where itself does."""
    name = name_of(line.number, line.data)
    checksum = zlib.adler32(line.data[:BLOCK])
    return Entry(name, line.offset, line.offset, line.size, line.offset + line.size + 1, checksum, True, None)


def _line(number: int, offset: int, size: int, parts: list[bytes]) -> Iterator[Line]:
    data = b''.join(parts)
    if data.strip() or len(data) < size:
        yield Line(number, offset, size, data)
