"""Texts of one example a line, read as archives are: each line is a member."""

import re
import zlib
from collections.abc import Callable, Iterator

from estimator_lab.data.member import problem_of
from estimator_lab.data.tar.forward_file import BLOCK, ForwardFile
from estimator_lab.data.tar.headers import Entry

_CHUNK = 2**20
_BINARY = re.compile(rb'[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]')  # no tabs, ends of lines and pages, escapes


def is_text(head: bytes) -> bool:
    """Whether a file with these first bytes, up to 512, is a text; every header of a tar holds zeros."""
    return bool(head) and not _BINARY.search(head)


def read_lines(stream: ForwardFile, name_of: Callable[[int, bytes], str]) -> Iterator[tuple[Entry, bytes]]:
    """Yields the lines that are not blank, one in memory at a time.

    Args:
      stream: the uncompressed text at its beginning.
      name_of: returns the name of a line as a member, by its number, from 1, and its bytes.

    Yields:
      What the header of a member would say, whose data begins where the line does; and the line without its
      end, empty if it is too long for a member.

    Raises:
      Exception: the file is cut off or damaged; each decompressor raises its own type.
    """
    number, offset, size = 1, stream.position, 0
    parts: list[bytes] = []

    def add(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        parts.append(piece)
        if problem_of(size):
            parts.clear()

    def line() -> Iterator[tuple[Entry, bytes]]:
        data = b''.join(parts)
        if data.strip() or len(data) < size:
            checksum = zlib.adler32(data[:BLOCK])
            name = name_of(number, data)
            yield Entry(name, offset, offset, size, offset + size + 1, checksum, True, None), data

    while chunk := stream.read_some(_CHUNK):
        *ends, rest = chunk.split(b'\n')
        for piece in ends:
            add(piece)
            yield from line()
            number, offset, size = number + 1, offset + size + 1, 0
            parts.clear()
        add(rest)
    yield from line()
