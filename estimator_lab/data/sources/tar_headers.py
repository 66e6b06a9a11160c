"""Reads the headers of a tar archive forward, in whatever dialect: GNU, pax, ustar and older ones.

Plain headers are parsed here in under three microseconds, all others by `tarfile`. A damaged header is an
error. Concatenated archives (`cat a.tar b.tar`) are read as one, as by `tar --ignore-zeros`.
"""

import struct
import tarfile
import types
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from estimator_lab.base.printable import escaped, without_middle
from estimator_lab.data.examples.member import MOST_NAME_BYTES
from estimator_lab.data.sources.entries import MAX_HEADER_BYTES, ArchiveEntry, Forward, HeaderError

BLOCK = 512
_ZEROS = bytes(BLOCK)
_MOST_READS = 200  # of a member's headers, which `tarfile` reads by recursion; most programs write four
_MOST_ZEROS = 2**30 // BLOCK  # blocks after an archive: a pipe may send them endlessly
# name, size and its end, checksum, type, magic and version, prefix of the name
_FIELDS = struct.Struct('100s 24x 11s c 12x 6s 2x c 100x 8s 80x 155s 12x')
_POSIX_MAGIC, _GNU_MAGIC = b'ustar\x0000', b'ustar  \0'
_ADLER_BASE = 65_521


def entries(stream: Forward, note: Callable[[str], None] = lambda words: None) -> Iterator[ArchiveEntry]:
    """Yields the headers of an archive; the data of each may be read before the next is requested.

    Args:
      stream: at the archive's beginning.
      note: called with words that follow the archive's name, about what is unusual but not an error.

    Raises:
      EOFError: the stream ends within a member or a header.
      HeaderError: a header is damaged.
    """
    tar = types.SimpleNamespace(  # what `TarInfo.fromtarfile` uses of a TarFile
        fileobj=stream, encoding='utf-8', errors='surrogateescape', pax_headers=_PaxRecords(), offset=0
    )
    for block, position, is_after_end in _blocks(stream, note):
        entry = None if tar.pax_headers else _plain(block, position)
        if entry:
            following = entry.data + entry.size + -entry.size % BLOCK
        else:
            try:
                entry, following = _other(block, tar, position)
            except HeaderError:
                if not is_after_end:
                    raise
                note(f'is followed by bytes that are not a tar header, from byte {position} on; not used.')
                return
        stream.entry, stream.left = entry, entry.size
        yield entry
        try:
            if stream.position != following:
                stream.seek(following)
        except EOFError:
            if stream.position < entry.data + entry.size:
                raise  # else only the padding of the last member is missing


def _blocks(stream: Forward, note: Callable[[str], None]) -> Iterator[tuple[bytes, int, bool]]:
    """Yields the first block of each header, its position, and whether it follows an end of the archive."""
    zeros, has_any = 0, False
    while zeros <= _MOST_ZEROS:
        position, stream.left = stream.position, MAX_HEADER_BYTES
        try:
            block = stream.read(BLOCK)
        except EOFError:
            if stream.position > position or not (has_any or zeros):
                raise
            if not zeros:
                note(f'has no end-of-archive block: it ends after its last member, at byte {position}.')
            return
        if block == _ZEROS:
            zeros += 1
        else:
            yield block, position, has_any and zeros > 0
            zeros, has_any = 0, True
    note('ends in zeros without end, which are not read.')


def _plain(block: bytes, offset: int) -> ArchiveEntry | None:
    """Parses the header of a regular file in its most common form; None for any other block."""
    name, size, size_end, checksum, kind, magic, prefix = _FIELDS.unpack(block)
    if magic not in (_POSIX_MAGIC, _GNU_MAGIC):
        return None
    if kind not in b'0\0' or not (size.isdigit() and checksum.isdigit()) or size_end not in b'\0 ':
        return None
    try:
        count, total = int(size, 8), int(checksum, 8)
    except ValueError:  # an 8 or a 9
        return None
    # The low half of Adler-32 is 1 + the sum of the bytes; the checksum counts its own field as spaces.
    adler = zlib.adler32(block)
    if (1 + total - 8 * 32 + sum(block[148:156])) % _ADLER_BASE != adler & 0xFFFF:
        return None
    name = name.partition(b'\0')[0]
    if prefix[0] and magic == _POSIX_MAGIC:  # GNU tar has none: its incremental archives have times there
        name = prefix.partition(b'\0')[0] + b'/' + name
    if name.endswith(b'/'):  # a folder, to the oldest writers
        return None
    return ArchiveEntry(
        escaped(name.decode('utf-8', 'surrogateescape')), offset, offset + BLOCK, count, adler
    )


class _PaxRecords(dict[str, str]):
    """Keeps the pax records that decide where a file is, and what it is called.

    Records of a global header are kept for all following members, and copied for each header.
    """

    def __setitem__(self, key: str, value: str) -> None:
        if key in ('path', 'size') or key.startswith('GNU.sparse.'):
            super().__setitem__(key, value)

    def copy(self) -> '_PaxRecords':
        return _PaxRecords(self)


class _Again:
    """A stream with its last block once more."""

    def __init__(self, block: bytes, stream: Forward) -> None:
        self._block, self._stream = block, stream
        self._reads = 0

    def read(self, count: int) -> bytes:
        self._reads += 1
        if self._reads > _MOST_READS:
            raise HeaderError(f'more than {_MOST_READS} headers in a row for one member')
        block, self._block = self._block, b''
        return block or self._stream.read(count)

    def tell(self) -> int:
        return self._stream.position


def _other(block: bytes, tar: Any, offset: int) -> tuple[ArchiveEntry, int]:
    """Parses a header and its extension headers; returns the entry, and where the next one begins."""
    stream = tar.fileobj
    tar.fileobj = _Again(block, stream)
    try:
        info = tarfile.TarInfo.fromtarfile(tar)
    except (tarfile.HeaderError, ValueError, OverflowError) as error:
        raise HeaderError(f'{error}' or 'the header is damaged') from error
    finally:
        tar.fileobj = stream
    if info.size < 0 or tar.offset < stream.position:
        raise HeaderError('a header claims an impossible size')
    kind = 'sparse' if info.issparse() else 'file' if info.isreg() else 'link' if info.islnk() else ''
    size = info.size if info.isreg() else 0
    name = info.name
    if block[257:265] == _GNU_MAGIC and block[345]:  # whose times `tarfile` takes for a prefix
        name = name.removeprefix(f'{block[345:500].partition(bytes(1))[0].decode("latin-1")}/')
    name = escaped(without_middle(name, MOST_NAME_BYTES))
    return ArchiveEntry(name, offset, info.offset_data, size, zlib.adler32(block), kind), tar.offset
