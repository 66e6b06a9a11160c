"""Reads the headers of a tar archive forward, in whatever dialect: GNU, pax, ustar and older ones."""

import struct
import tarfile
import types
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

from estimator_lab.base.printable import escaped, without_middle
from estimator_lab.data.examples.member import MOST_NAME_BYTES

BLOCK = 512
MAX_HEADER_BYTES = 2**20
"""Limit for all headers of one member, with its long name and pax records; usually 512."""
_ZEROS = bytes(BLOCK)
_MOST_READS = 200  # of a member's headers, which `tarfile` reads by recursion; most programs write four
_MOST_ZEROS = 2**30 // BLOCK  # blocks after an archive: a pipe may send them endlessly
_CHUNK = 2**20
# name, size and its end, checksum, type, magic and version, prefix of the name
_FIELDS = struct.Struct('100s 24x 11s c 12x 6s 2x c 100x 8s 80x 155s 12x')
_POSIX_MAGIC, _GNU_MAGIC = b'ustar\x0000', b'ustar  \0'
_ADLER_BASE = 65_521


class TarError(Exception):
    """A header is damaged, or claims something impossible."""


class Entry(NamedTuple):
    """The contents of one header.

    Attributes:
      name: as stored; bytes that are not UTF-8, and characters that can't be printed, are backslash escapes.
        If it is too long, its two ends.
      offset: of its first block in the uncompressed stream.
      data: offset of the data.
      size: bytes of the file.
      checksum: Adler-32 of its first block.
      type: 'file', 'link' (a hard link), 'sparse', or '' for anything else.
    """

    name: str
    offset: int
    data: int
    size: int
    checksum: int
    type: str = 'file'


class Forward:
    """A file that returns exactly as many bytes as requested, and is read forward only.

    Args:
      file: the uncompressed stream.
      length: its bytes if data may be skipped by seeking; None if it must be read.

    Attributes:
      position: of the next byte in the stream.
      left: how many bytes may be read from here on, so that a false header can't exhaust the memory.
      entry: the last header, whose data may be read; None before the first.
    """

    def __init__(self, file: IO[bytes], length: int | None) -> None:
        self._file = file
        self._length = length
        self.position = 0
        self.left = 0
        self.entry: Entry | None = None

    def read(self, count: int) -> bytes:
        """Returns exactly `count` bytes.

        Raises:
          EOFError: the stream ends before that.
          TarError: more is requested than allowed.
        """
        if not 0 <= count <= self.left:
            raise TarError(f'a header asks for {count} more bytes, above {MAX_HEADER_BYTES} for one member')
        data = self._file.read(count)
        self.position += len(data)
        self.left -= len(data)
        if len(data) < count:
            raise EOFError('the data ends there')
        return data

    def seek(self, target: int) -> None:
        """Moves forward to a position.

        Raises:
          EOFError: the stream ends before it; the position is then the end.
          TarError: the position has been passed.
        """
        if target < self.position:
            raise TarError(f'a header points back to byte {target}')
        if self._length is not None:
            self.position = min(target, self._length)
            self._file.seek(self.position)
        else:
            while self.position < target and (data := self._file.read(min(target - self.position, _CHUNK))):
                self.position += len(data)
        if self.position < target:
            raise EOFError('the data ends there')

    def check_holds(self, end: int) -> None:
        """Checks that the stream has the bytes up to a position, which are read if it can't seek.

        Raises:
          EOFError: it ends before.
        """
        if self._length is None or end > self._length:
            self.seek(end)

    def finish(self) -> None:
        """Reads a stream that can't seek up to its end, where decompressors verify checksums."""
        while self._length is None and self._file.read(_CHUNK):
            pass


def entries(stream: Forward, note: Callable[[str], None] = lambda words: None) -> Iterator[Entry]:
    """Yields the headers of an archive; the data of each may be read before the next is requested.

    Args:
      stream: at the archive's beginning.
      note: called with words that follow the archive's name, about what is unusual but not an error.

    Raises:
      EOFError: the stream ends within a member or a header.
      TarError: a header is damaged.
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
            except TarError:
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


def _plain(block: bytes, offset: int) -> Entry | None:
    """Parses the header of a regular file in its most common form; None for any other block."""
    name, size, size_end, checksum, kind, magic, prefix = _FIELDS.unpack(block)
    if magic != _POSIX_MAGIC and (magic != _GNU_MAGIC or prefix[0]):
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
    if prefix[0]:
        name = prefix.partition(b'\0')[0] + b'/' + name
    if name.endswith(b'/'):  # a folder, to the oldest writers
        return None
    return Entry(escaped(name.decode('utf-8', 'surrogateescape')), offset, offset + BLOCK, count, adler)


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
            raise TarError(f'more than {_MOST_READS} headers in a row for one member')
        block, self._block = self._block, b''
        return block or self._stream.read(count)

    def tell(self) -> int:
        return self._stream.position


def _other(block: bytes, tar: Any, offset: int) -> tuple[Entry, int]:
    """Parses a header and its extension headers; returns the entry, and where the next one begins."""
    stream = tar.fileobj
    tar.fileobj = _Again(block, stream)
    try:
        info = tarfile.TarInfo.fromtarfile(tar)
    except (tarfile.HeaderError, ValueError, OverflowError) as error:
        raise TarError(f'{error}' or 'the header is damaged') from error
    finally:
        tar.fileobj = stream
    if info.size < 0 or tar.offset < stream.position:
        raise TarError('a header claims an impossible size')
    kind = 'sparse' if info.issparse() else 'file' if info.isreg() else 'link' if info.islnk() else ''
    size = info.size if info.isreg() else 0
    name = escaped(without_middle(info.name, MOST_NAME_BYTES))
    return Entry(name, offset, info.offset_data, size, zlib.adler32(block), kind), tar.offset
