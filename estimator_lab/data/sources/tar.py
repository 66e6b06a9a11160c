"""Tar archives, plain or compressed: which files they are, and the data of members at their places.

`archive.scan_archive` yields the examples of their headers (`tar_headers`).
"""

import tarfile
import zlib
from collections.abc import Sequence
from functools import partial

from estimator_lab.data.examples.member import BadExampleError, ChangedError, Data, Member
from estimator_lab.data.sources.archive import scan_archive, sparse
from estimator_lab.data.sources.reading import Format, Stored
from estimator_lab.data.sources.source import Source, decompressor, errors_naming
from estimator_lab.data.sources.tar_headers import BLOCK, entries

TAR_SUFFIXES = ('.tar', '.tgz', '.tbz2', '.txz', '.tar.gz', '.tar.bz2', '.tar.xz')

_READ_AT_ONCE = 2**20  # a larger member would be in memory twice


def _read(file: Stored, members: Sequence[Member]) -> list[Data | BadExampleError]:
    """Returns the data of members; see `Format.read`."""
    parts = iter(file.read([place for member in members for place in _places(member)]))
    found: list[Data | BadExampleError] = []
    for member in members:
        data, start = next(parts), member.headers
        if zlib.adler32(data[:BLOCK]) != member.checksum:
            raise ChangedError
        if start and member.size > _READ_AT_ONCE:
            data, start = next(parts), 0
        if not member.headers:
            found.append(sparse())
        elif len(data) != start + member.size:
            raise ChangedError
        else:
            found.append(data[start:])
    return found


def _places(member: Member) -> tuple[tuple[int, int], ...]:
    offset, size, headers = member.offset, member.size, member.headers
    if not headers:
        return ((offset, BLOCK),)
    if size <= _READ_AT_ONCE:
        return ((offset, headers + size),)
    return (offset, BLOCK), (offset + headers, size)


def is_archive(source: Source) -> bool:
    """Whether a source is a tar archive, plain or compressed, by its name or its first bytes.

    Raises:
      DataError: it can't be read.
    """
    if source.url.partition('?')[0].lower().endswith(TAR_SUFFIXES):
        return True
    file = source.open()
    try:
        with errors_naming(source.name):
            head = file.peek(BLOCK)[:BLOCK]
        return decompressor(head) is not None or is_tar(head)
    finally:
        if not source.is_pipe:
            file.close()


def is_tar(head: bytes) -> bool:
    """Whether a file with these first bytes, up to 512, begins as an uncompressed tar archive."""
    if len(head) < BLOCK or head == bytes(BLOCK):
        return len(head) == BLOCK
    try:
        tarfile.TarInfo.frombuf(head, 'utf-8', 'surrogateescape')
    except (tarfile.HeaderError, ValueError):
        return False
    return True


TAR = Format(partial(scan_archive, entries, 'tar'), _read, is_cached=True)
"""Tar archives, plain or compressed."""
