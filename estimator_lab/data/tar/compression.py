"""Decompression of archives: gzip, bzip2 and xz, recognised by their first bytes."""

import bz2
import contextlib
import io
import lzma
import re
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

_READ_AT_ONCE = 2**15  # compressed bytes; progress is reported in these steps
_GIVEN_AT_ONCE = 2**17  # a few bytes may expand to gigabytes; larger buffers cost more time than inflating
_XZ_MEMORY = 2**29  # for the dictionary, whose size a header claims; `xz -9` needs 2**26
_MAGIC_BYTES = 16
_GZIP_WINDOW = 16 + zlib.MAX_WBITS  # with the header and the checksum of gzip


class Compression(NamedTuple):
    """A compression format.

    Attributes:
      name: of the format.
      magic: matches the first bytes of every stream.
      decompressor: returns an object with the interface of `bz2.BZ2Decompressor`.
    """

    name: str
    magic: re.Pattern[bytes]
    decompressor: Callable[[], Any]


class DecompressedFile(io.RawIOBase):
    """A compressed file, decompressed: one stream, or the concatenation of several.

    Zeros after the last stream are padding. Any other bytes after it are ignored, as by gzip with a warning.

    Args:
      file: compressed, at its beginning.
      compression: its format.
      note: called with words that follow the file's name, if bytes after the streams are ignored.

    Attributes:
      consumed: bytes of the file that have been decompressed.
    """

    def __init__(
        self, file: io.BufferedReader, compression: Compression, note: Callable[[str], None]
    ) -> None:
        self._file = file
        self._compression = compression
        self._note = note
        self._stream = compression.decompressor()
        self._next = b''
        self._is_over = False
        self.consumed = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the beginning of a buffer; returns 0 at the end.

        Raises:
          EOFError: the file ends within a stream.
          Exception: it is damaged; each decompressor has its own.
        """
        most, data = min(len(buffer), _GIVEN_AT_ONCE), b''
        while not data and not self._is_over:
            if self._stream.eof:
                self._begin_next_stream()
            else:
                data = self._decompress(most)
        buffer[: len(data)] = data
        return len(data)

    def _decompress(self, most: int) -> bytes:
        compressed = b''
        if self._stream.needs_input:
            compressed, self._next = self._next or self._file.read1(_READ_AT_ONCE), b''
            self.consumed += len(compressed)
        data: bytes = self._stream.decompress(compressed, most)
        if self._stream.needs_input and not compressed and not data and not self._stream.eof:
            raise EOFError(f'the {self._compression.name} stream ends before its end marker')
        return data

    def _begin_next_stream(self) -> None:
        rest = self._stream.unused_data.lstrip(b'\0')
        self.consumed -= len(rest)
        while len(rest) < _MAGIC_BYTES and (more := self._file.read1(_READ_AT_ONCE)):
            self.consumed += 0 if rest else len(more) - len(more.lstrip(b'\0'))
            rest = (rest + more).lstrip(b'\0')
        self._next = rest
        if self._compression.magic.match(rest):
            self._stream = self._compression.decompressor()
            return
        self._is_over = True
        if rest:
            place = f'{self._compression.name} stream, at byte {self.consumed} of the file'
            self._note(f'has bytes after the end of its {place}, which are not used.')


class _GzipDecompressor:
    """zlib's decompressor of one gzip stream, with the interface of `bz2.BZ2Decompressor`.

    At an error, such as a wrong checksum at the end of the stream, zlib drops what it decompressed in that
    call. The data is decompressed once more here, and the next call raises the error.
    """

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_WINDOW)
        self._error: zlib.error | None = None

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def needs_input(self) -> bool:
        return not (self._stream.unconsumed_tail or self._error)

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if self._error:
            raise self._error
        data = self._stream.unconsumed_tail or data
        before = self._stream.copy()
        try:
            return self._stream.decompress(data, max_length)
        except zlib.error as error:
            self._error = error
        found = b''
        step = len(data)
        while step:  # the longest beginning without an error, by halves
            trial = before.copy()
            with contextlib.suppress(zlib.error):
                found += trial.decompress(data[:step], max_length)
                before, data = trial, data[step:]
            step //= 2
        return found


def _xz_decompressor() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)


COMPRESSIONS = (
    # As long as in `tarfile`: a plain tar may begin with the folder name 'BZhang'.
    Compression('gzip', re.compile(rb'\x1f\x8b\x08'), _GzipDecompressor),
    Compression('bzip2', re.compile(rb'BZh.(1AY&SY|\x17rE8P\x90)', re.DOTALL), bz2.BZ2Decompressor),
    Compression('xz', re.compile(rb'\xfd7zXZ|\x5d\x00\x00\x80'), _xz_decompressor),
)


def compression_of(head: bytes) -> Compression | None:
    """Returns the compression of a file that begins with these bytes, 16 or more; None if there is none."""
    return next((compression for compression in COMPRESSIONS if compression.magic.match(head)), None)
