"""What the headers of an archive tell, whatever its format, and the stream that they are read from."""

from typing import IO, NamedTuple

MAX_HEADER_BYTES = 2**20
"""Limit for all headers of one member, with its long name and pax records; usually 512."""
_CHUNK = 2**20


class HeaderError(Exception):
    """A header is damaged, or claims something impossible."""


class ArchiveEntry(NamedTuple):
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
        self.entry: ArchiveEntry | None = None

    def read(self, count: int) -> bytes:
        """Returns exactly `count` bytes.

        Raises:
          EOFError: the stream ends before that.
          HeaderError: more is requested than allowed.
        """
        if not 0 <= count <= self.left:
            raise HeaderError(
                f'a header asks for {count} more bytes, above {MAX_HEADER_BYTES} for one member'
            )
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
          HeaderError: the position has been passed.
        """
        if target < self.position:
            raise HeaderError(f'a header points back to byte {target}')
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
