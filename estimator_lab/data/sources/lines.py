"""Texts of one example a line, read as archives are: each line is a member."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import IO

from estimator_lab.base.errors import DataError
from estimator_lab.base.files import why_unread
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.labels import label_of
from estimator_lab.data.examples.member import BadExampleError, ChangedError, Data, Member, too_large
from estimator_lab.data.sources.files import TEXT_BYTES, is_text
from estimator_lab.data.sources.reading import Format, Scan, Stored
from estimator_lab.data.sources.source import DamagedError, Source, decompressed, why_unreadable

_CHUNK = 2**20


def _scan(source: Source, kind: Kind, scan: Scan) -> Iterator[Member]:
    """Yields the lines; blank lines are left out."""
    with ExitStack() as stack:
        raw = stack.enter_context(source.open())
        size = 0 if source.is_pipe else source.stamp().size
        done = 0
        try:
            file = stack.enter_context(decompressed(raw))
            if not is_text(head := file.peek(TEXT_BYTES)[:TEXT_BYTES]):
                what = 'a text' if head else 'a text, but an empty file (0 bytes)'
                raise DataError(f'{source.name!r} is not {what}: {kind.noun} are lines of texts.')
            for member in _lines(file, source.name, kind):
                done = member.offset
                scan.progress((done if file is raw else raw.tell()) / size if size else 0.0)
                yield member
                del member
        except DataError:
            raise
        except OSError as error:
            if not (done or isinstance(error, DamagedError)):
                raise DataError(why_unreadable(source.name, error)) from error
            how = 'cut off' if isinstance(error, EOFError) else 'damaged'
            raise DataError(
                f'{source.name!r} is {how} after byte {done} of its text: {why_unread(error)}.'
            ) from error


def _read(file: Stored, members: Sequence[Member]) -> list[Data | BadExampleError]:
    """Returns the lines; see `Format.read`."""
    lines = file.read([(member.offset, member.size) for member in members])
    for line, member in zip(lines, members, strict=True):
        if len(line) != member.size or zlib.adler32(line[:TEXT_BYTES]) != member.checksum:
            raise ChangedError
    return list(lines)


def _lines(file: IO[bytes], archive: str, kind: Kind) -> Iterator[Member]:
    """Yields the lines that are not blank; one that is too long for an example is not kept in memory."""
    number, offset, size, row = 1, 0, 0, 0
    parts: list[bytes] = []

    def line() -> Iterator[Member]:
        nonlocal row
        data = b''.join(parts)
        if data.strip() or len(data) < size:
            name = kind.line_name(number, data)
            yield Member(
                archive,
                name,
                offset,
                label=label_of(name),
                size=size,
                row=row,
                data=too_large(size) or data,
                checksum=zlib.adler32(data[:TEXT_BYTES]),
                is_labelled=False,
            )
            row += 1

    while chunk := file.read(_CHUNK):
        *ended, rest = chunk.split(b'\n')
        for piece in ended:
            parts.append(piece)
            size += len(piece)
            yield from line()
            number, offset, size = number + 1, offset + size + 1, 0
            parts.clear()
        parts.append(rest)
        size += len(rest)
        if too_large(size):
            parts[:] = [b'']
    yield from line()


LINES = Format(_scan, _read, is_cached=True)
"""Texts, plain or compressed."""
