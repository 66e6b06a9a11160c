"""The headers of a tar stream.

A plain header is parsed in three microseconds; all others (long names, pax records, links, sparse members)
take a slower path. A damaged header is an error. After the end of an archive, another may follow.
"""

import struct
import zlib
from collections.abc import Callable
from typing import NamedTuple

from estimator_lab.base.printable import escaped
from estimator_lab.data.tar import pax, sparse
from estimator_lab.data.tar.forward_file import BLOCK, MAX_HEADER_BYTES, ForwardFile, HeaderError
from estimator_lab.data.tar.pax import decimal, field_number

_END = bytes(BLOCK)
_MAX_EXTENSIONS = 64  # headers in front of a member's own; other programs write at most four
# name, size and its end, checksum, type, magic and version, prefix of the name
_FIELDS = struct.Struct('100s 24x 11s c 12x 6s 2x c 100x 8s 80x 155s 12x')
_SIZE, _CHECKSUM, _KIND = slice(124, 136), slice(148, 156), slice(156, 157)
_POSIX_MAGIC = b'ustar\x0000'
_GNU_MAGIC = b'ustar  \0'
_REGULAR = (b'0', b'\0')
_OLD_REGULAR, _OLD_SPARSE = b'\0', b'S'
_FILES = (*_REGULAR, b'7', _OLD_SPARSE)
_WITHOUT_DATA = (b'1', b'2', b'3', b'4', b'5', b'6')  # links, devices, folders, FIFOs
_LONG_NAME, _LONG_LINK = b'L', b'K'
_PAX, _GLOBAL_PAX = (b'x', b'X'), b'g'
_ENDS = (b'\0', b' ')
_ADLER_BASE = 65_521


class Entry(NamedTuple):
    """The contents of one header.

    Attributes:
      name: as stored; bytes that are not UTF-8, and characters that can't be printed, are backslash escapes
        (`printable.escaped`).
      offset: of its first block in the uncompressed stream.
      data: offset of the data.
      size: bytes of the file, including the holes of a sparse one.
      next: offset of the next header.
      checksum: Adler-32 of its first block.
      is_file: whether it describes a regular file, not a folder, link or device.
      chunks: which bytes of a sparse file are stored; None for others.
      label: its label, if that is not the name of its folder; else None.
    """

    name: str
    offset: int
    data: int
    size: int
    next: int
    checksum: int
    is_file: bool
    chunks: sparse.Chunks | None
    label: str | None = None

    @property
    def is_sparse(self) -> bool:
        """Whether the file is stored without its holes."""
        return self.chunks is not None

    @property
    def end(self) -> int:
        """Offset of the end of its data, which is padded up to the next header."""
        return self.data + (self.size if self.chunks is None else sum(count for _, count in self.chunks))


class HeaderReader:
    """Reads one header after another.

    Args:
      stream: an uncompressed tar stream at its beginning.
      note: called with words that follow the archive's name, about what is unusual but not an error.
    """

    def __init__(self, stream: ForwardFile, note: Callable[[str], None] = lambda words: None) -> None:
        self._stream = stream
        self._note = note
        self._global: dict[bytes, bytes] = {}
        self._continues = False
        self.found_any = False

    def read(self) -> Entry | None:
        """Returns the header at the stream's position; None at the end of the stream.

        Zero blocks end an archive, but a header after them begins another.

        Raises:
          EOFError: the stream ends within a header.
          HeaderError: it is damaged.
        """
        self._stream.allow(MAX_HEADER_BYTES)
        offset = self._stream.position
        try:
            block = self._stream.read(BLOCK)
        except EOFError:
            if self.found_any and not self._stream.cut.strip(b'\0'):
                self._note(f'has no end-of-archive block: it ends after its last member, at byte {offset}.')
                return None
            raise
        if not self._global:  # else it applies to plain headers, too
            entry = _parse_plain(block, offset)
            if entry:
                self.found_any = True
                return entry
        if block == _END:
            return self.read() if self._find_another(offset) else None
        return self._parse_any(block, offset)

    def skip(self, entry: Entry) -> None:
        """Moves to the next header; only the padding of the last member may be missing.

        Raises:
          EOFError: the stream ends within the member.
        """
        try:
            self._stream.seek(entry.next)
        except EOFError:
            if self._stream.position < entry.end:
                raise

    def _find_another(self, end: int) -> bool:
        """Returns whether another archive follows the zero block at byte `end`."""
        stream = self._stream
        if not stream.skip_zeros():
            if stream.peek(1):
                self._note(f'ends at byte {end}, followed by zeros that do not end, and are not read.')
            return False
        offset = stream.position
        if not is_header(stream.peek(BLOCK)):
            self._note(
                f'ends at byte {end}; what follows from byte {offset} is not a tar header, and is not used.'
            )
            return False
        if not self._continues:
            self._note(
                f'continues after its end-of-archive block at byte {end}: all is used, from byte {offset} on.'
            )
            self._continues = True
        return True

    def _parse_any(self, block: bytes, offset: int) -> Entry:
        """Parses a header, and the extension headers in front of it."""
        checksum = zlib.adler32(block)
        records, long_name = self._global, b''
        for _ in range(_MAX_EXTENSIONS):
            if not is_header(block):
                raise HeaderError(f'bad checksum in the header at byte {self._stream.position - BLOCK}')
            kind = block[_KIND]
            if kind == _GLOBAL_PAX:
                self._global = {**self._global, **pax.used_records(self._body(block))}
                records = {**self._global, **records}
            elif kind in _PAX:
                records = {**records, **pax.used_records(self._body(block))}
            elif kind == _LONG_NAME:
                long_name = self._body(block).partition(b'\0')[0]
            elif kind == _LONG_LINK:
                self._body(block)
            else:
                self.found_any = True
                return self._entry(block, offset, checksum, records, long_name)
            block = self._stream.read(BLOCK)
        raise HeaderError(f'more than {_MAX_EXTENSIONS} headers in a row for one member')

    def _body(self, block: bytes) -> bytes:
        size = field_number(block[_SIZE])
        return self._stream.read(_padded(size))[:size]

    def _entry(
        self, block: bytes, offset: int, checksum: int, records: dict[bytes, bytes], long_name: bytes
    ) -> Entry:
        kind = block[_KIND]
        name = records.get(pax.SPARSE_NAME) or records.get(pax.PATH, b'').rstrip(b'/')
        name = name or long_name or _name(block)
        is_folder = kind == _OLD_REGULAR and name.endswith(b'/')
        is_file = kind in _FILES and not is_folder
        stored = decimal(records[pax.SIZE]) if pax.SIZE in records else field_number(block[_SIZE])
        if is_folder or kind in _WITHOUT_DATA:
            stored = 0
        start, size, chunks = self._stream.position, stored, None
        if kind == _OLD_SPARSE:
            numbers, size = sparse.old_chunks(block, self._stream.read)
            start = self._stream.position
            chunks = sparse.checked_chunks(numbers, size, stored)
        elif is_file and pax.is_sparse(records):
            numbers, size = self._pax_sparse(records, stored)
            chunks = sparse.checked_chunks(numbers, size, start + stored - self._stream.position)
        return Entry(
            name=_text_of(name),
            offset=offset,
            data=self._stream.position,
            size=size,
            next=start + _padded(stored),
            checksum=checksum,
            is_file=is_file,
            chunks=chunks,
        )

    def _pax_sparse(self, records: dict[bytes, bytes], stored: int) -> tuple[list[int], int]:
        if pax.SPARSE_MAJOR in records:
            numbers = sparse.leading_chunks(self._stream.read, stored)
        else:
            numbers = sparse.listed_chunks(records.get(pax.SPARSE_MAP, b''))
        return numbers, decimal(records.get(pax.SPARSE_REAL_SIZE) or records.get(pax.SPARSE_SIZE, b''))


def is_header(block: bytes) -> bool:
    """Whether these bytes are a header, according to its checksum."""
    if len(block) != BLOCK:
        return False
    try:
        total = field_number(block[_CHECKSUM])
    except HeaderError:
        return False
    counted = block[:148] + b' ' * 8 + block[156:]
    return total == sum(counted) or total == sum(struct.unpack('512b', counted))  # signed, as some write it


def next_header(block: bytes, place: int) -> int:
    """Returns the place of the header after the one at `place`, unless extended headers say otherwise.

    Raises:
      HeaderError: its size is damaged.
    """
    stored = 0 if block[_KIND] in _WITHOUT_DATA else field_number(block[_SIZE])
    return place + BLOCK + _padded(stored)


def _name(block: bytes) -> bytes:
    name = block[:100].partition(b'\0')[0]
    prefix = block[345:500].partition(b'\0')[0]
    return prefix + b'/' + name if prefix and block.startswith(_POSIX_MAGIC[:6], 257) else name


def _text_of(name: bytes) -> str:
    return escaped(name.decode('utf-8', 'surrogateescape'))


def _padded(size: int) -> int:
    return size + -size % BLOCK


def _parse_plain(block: bytes, offset: int) -> Entry | None:
    """Parses the header of a regular file in its most common form; None for any other block."""
    name, size, size_end, checksum, kind, magic, prefix = _FIELDS.unpack(block)
    has_prefix = prefix[0] != 0
    if magic != _POSIX_MAGIC and (magic != _GNU_MAGIC or has_prefix):
        return None
    if kind not in _REGULAR or not size.isdigit() or size_end not in _ENDS or not checksum.isdigit():
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
    if has_prefix:
        name = prefix.partition(b'\0')[0] + b'/' + name
    if name.endswith(b'/'):  # a folder, to the oldest writers
        return None
    data = offset + BLOCK
    end = data + count + -count % BLOCK
    return Entry(_text_of(name), offset, data, count, end, adler, True, None)
