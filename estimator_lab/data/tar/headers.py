"""The headers of a tar stream: what lies where.

A plain header is parsed here, in three microseconds; all others (long names, pax records, links, sparse
members) by `tarfile`, in twenty. Where `tarfile` would silently end at a damaged header, this raises.
"""

import io
import os
import struct
import tarfile
import zlib
from typing import IO, NamedTuple, cast

from estimator_lab.data.tar.read_ahead import ReadAhead

BLOCK = tarfile.BLOCKSIZE

_MAX_HEADER_BYTES = 2**20  # one header with its long name and pax records; usually 512 bytes
_CHUNK = 2**20
_FIRST_BYTES = 2**23  # of an archive, after which it is decided whether its headers lie close together
_CLOSE = 2**17  # bytes between headers
# name, size and its end, checksum, type, magic and version, prefix of the name
_FIELDS = struct.Struct('100s 24x 11s c 12x 6s 2x c 100x 8s 80x 155s 12x')
_POSIX_MAGIC = b'ustar\x0000'
_GNU_MAGIC = b'ustar  \0'
_REGULAR = (b'0', b'\0')
_ENDS = (b'\0', b' ')
_ADLER_BASE = 65_521
# Undocumented, hence unknown to type checkers, but the same since Python 2.7.
_EndOfArchive: type[tarfile.HeaderError] = tarfile.EOFHeaderError  # type: ignore[attr-defined]


class Entry(NamedTuple):
    """What one header says.

    Attributes:
      name: as stored; bytes in it that are not UTF-8 are backslash escapes.
      offset: of its first block in the uncompressed stream.
      data: offset of its data.
      size: bytes of the file that it describes; those of a sparse one with its holes.
      next: offset of the next header.
      checksum: Adler-32 of its first block.
      is_file: whether it is a regular file: no folder, link or device.
      info: `tarfile`'s view of it, None for a plain one.
    """

    name: str
    offset: int
    data: int
    size: int
    next: int
    checksum: int
    is_file: bool
    info: tarfile.TarInfo | None

    @property
    def is_sparse(self) -> bool:
        """Whether it is stored without its holes."""
        return self.info is not None and self.info.issparse()


class ForwardFile:
    """A file for `tarfile` that never returns less than asked for, and only goes forward.

    Args:
      file: the uncompressed stream.
      length: its bytes where it may seek over data, None where it has to read them.
      position: at which byte of the stream the file stands.
    """

    def __init__(self, file: IO[bytes], length: int | None, position: int = 0) -> None:
        self._file = file
        self._length = length
        self._returned = b''
        self._allowance = _MAX_HEADER_BYTES
        self.position = position

    def allow(self, count: int) -> None:
        """Sets how many bytes may be read from here on, so that a lying header can't eat the memory."""
        self._allowance = count

    def tell(self) -> int:
        return self.position

    def read(self, count: int) -> bytes:
        """Returns exactly `count` bytes.

        Raises:
          EOFError: the stream ends before.
          tarfile.ReadError: more are asked for than allowed.
        """
        if not 0 <= count <= self._allowance:
            raise tarfile.ReadError(f'a header asks for {count} bytes')
        self._allowance -= count
        data = self._take(count)
        self.position += len(data)
        if len(data) < count:
            raise EOFError('the data ends there')
        return data

    def put_back(self, data: bytes) -> None:
        """Lets the next `read`, which must ask for no less, return these bytes once more."""
        self._returned = data
        self.position -= len(data)

    def seek(self, target: int) -> None:
        """Goes forward to a position.

        Raises:
          EOFError: the stream ends before.
          tarfile.ReadError: it lies behind.
        """
        if target < self.position:
            raise tarfile.ReadError(f'a header points back to byte {target}')
        if self._length is None:
            self._read_up_to(target)
        elif target <= self._length:
            self._file.seek(target)
            self.position = target
        else:
            self.position = self._length
            raise EOFError('the data ends there')

    def finish(self, endless: bool) -> None:
        """Reads up to the end where reading tells more: decompressors check their sum there.

        Args:
          endless: whether something else may follow, and be written for ever: then zeros alone are read.
        """
        while self._length is None and (data := self._file.read(_CHUNK)):
            if endless and data.strip(b'\0'):
                break

    def _take(self, count: int) -> bytes:
        if not self._returned:
            return self._file.read(count)
        data = self._returned + self._file.read(count - len(self._returned))
        self._returned = b''
        return data

    def _read_up_to(self, target: int) -> None:
        while left := target - self.position:
            skipped = len(self._file.read(min(left, _CHUNK)))
            self.position += skipped
            if not skipped:
                raise EOFError('the data ends there')


class SkippingFile(ForwardFile):
    """The same for headers only: it reads what is asked for and not a byte more, wherever that lies.

    Where headers lie close together, the rest of the file is brought into memory beside it, up to `close`.

    Args:
      descriptor: of an uncompressed tar in a file.
      length: its bytes.
    """

    def __init__(self, descriptor: int, length: int) -> None:
        super().__init__(io.BytesIO(), length)
        self._descriptor = descriptor
        self._end = length
        self._reads = 0
        self._undecided = hasattr(os, 'preadv')
        self._ahead: ReadAhead | None = None

    def close(self) -> None:
        if self._ahead:
            self._ahead.close()

    def put_back(self, data: bytes) -> None:
        self.position -= len(data)

    def seek(self, target: int) -> None:
        if self.position <= target <= self._end:
            self.position = target
        else:
            super().seek(target)

    def _take(self, count: int) -> bytes:
        self._reads += 1
        if self._undecided and self.position > _FIRST_BYTES:
            self._undecided = False
            if self.position <= self._reads * _CLOSE:
                self._ahead = ReadAhead(self._descriptor, lambda: self.position)
        return os.pread(self._descriptor, count, self.position)


class HeaderReader:
    """Reads one header after another.

    Args:
      stream: an uncompressed tar stream at its beginning.
    """

    def __init__(self, stream: ForwardFile) -> None:
        self._stream = stream
        self._parser: _Parser | None = None
        self.found_any = False

    def read(self) -> Entry | None:
        """Returns what the header at the stream's position says, None at the end of the archive.

        Raises:
          EOFError: the stream ends there.
          Exception: for a damaged header; damaged bytes make `tarfile` raise all sorts.
        """
        self._stream.allow(_MAX_HEADER_BYTES)
        offset = self._stream.position
        block = self._stream.read(BLOCK)
        # Global pax records change what later headers mean, plain ones too.
        if self._parser is None or not self._parser.pax_headers:
            entry = _parse_plain(block, offset)
            if entry:
                self.found_any = True
                return entry
        self._stream.put_back(block)
        return self._parse_any(offset, zlib.adler32(block))

    def file(self, entry: Entry) -> IO[bytes]:
        """Returns the data of an entry that is not plain, holes filled up, as a file."""
        if self._parser is None or entry.info is None:
            raise ValueError(f'{entry.name} is a plain entry')
        return cast(IO[bytes], self._parser.extractfile(entry.info))

    def _parse_any(self, offset: int, checksum: int) -> Entry | None:
        if self._parser is None:
            self._parser = _Parser(
                fileobj=cast(IO[bytes], self._stream), encoding='utf-8', errors='backslashreplace'
            )
        self._parser.offset = offset
        try:
            info = _StrictInfo.fromtarfile(self._parser)
        except _EndOfArchive:
            return None
        self.found_any = True
        return Entry(
            name=info.name,
            offset=offset,  # `info.offset` leaves out global pax headers that come first
            data=info.offset_data,
            size=info.size,
            next=self._parser.offset,
            checksum=checksum,
            is_file=info.isreg(),
            info=info,
        )


class _Parser(tarfile.TarFile):
    """The state that `tarfile` needs to parse single headers; it reads none by itself and keeps none."""

    def next(self) -> None:
        return None


class _StrictInfo(tarfile.TarInfo):
    """A header that is an error when it is damaged."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> '_StrictInfo':
        start = tarfile_.offset
        cast(ForwardFile, tarfile_.fileobj).allow(_MAX_HEADER_BYTES)
        try:
            info = super().fromtarfile(tarfile_)
        except _EndOfArchive:
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f'{error} in the header at byte {start}') from error
        if info.size < 0 or tarfile_.offset <= start:
            raise tarfile.ReadError(f'negative size in the header at byte {start}')
        return info


def _parse_plain(block: bytes, offset: int) -> Entry | None:
    """Parses the header of a regular file as nearly all writers write it; None for any other block."""
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
    text = name.decode('utf-8', 'backslashreplace')
    return Entry(text, offset, data, count, end, adler, True, None)
