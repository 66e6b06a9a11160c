"""Tar archives: headers -> files -> examples -> examples with labels, in one forward pass.

Memory stays constant, however long the stream is. Plain headers are parsed here in under three microseconds,
all others by `tarfile`. A damaged header is an error. Concatenated archives (`cat a.tar b.tar`) are read as
one, as by `tar --ignore-zeros`. Sparse members are bad examples.
"""

import io
import os
import struct
import tarfile
import types
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import IO, Any, NamedTuple

from estimator_lab.base.printable import escaped
from estimator_lab.data.files import HEAD_BYTES, lacks_suffix
from estimator_lab.data.formats import ChangedError, Found, Row, Rows, Scan
from estimator_lab.data.kind import Kind
from estimator_lab.data.labels import MOST_SIDECAR_BYTES, is_sidecar, sidecar_label
from estimator_lab.data.member import BadExampleError, too_large
from estimator_lab.data.remote import RemoteError
from estimator_lab.data.sources import MAGIC_BYTES, Source, decompressed, is_compressed, why_unreadable
from estimator_lab.data.stored import open_stored
from estimator_lab.errors import DataError

BLOCK = 512
MAX_HEADER_BYTES = 2**20
"""Limit for all headers of one member, with its long name and pax records; usually 512."""

_ZEROS = bytes(BLOCK)
_MOST_READS = 200  # of a member's headers, which `tarfile` reads by recursion; most programs write four
_MOST_ZEROS = 2**30 // BLOCK  # blocks after an archive: a pipe may send them endlessly
_CHUNK = 2**20
_PROGRESS_EVERY = 1000  # headers; each member if data is read, which takes longer than reporting it
# name, size and its end, checksum, type, magic and version, prefix of the name
_FIELDS = struct.Struct('100s 24x 11s c 12x 6s 2x c 100x 8s 80x 155s 12x')
_POSIX_MAGIC, _GNU_MAGIC = b'ustar\x0000', b'ustar  \0'
_ADLER_BASE = 65_521
_SPARSE = 0  # as the bytes of headers
_READ_AT_ONCE = 2**20  # a larger member would be in memory twice
_MOST_HELD, _MOST_BYTES_HELD = 8, 2**24  # examples that wait for a label


class TarError(Exception):
    """A header is damaged, or claims something impossible."""


class Entry(NamedTuple):
    """The contents of one header.

    Attributes:
      name: as stored; bytes that are not UTF-8, and characters that can't be printed, are backslash escapes.
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
    """

    def __init__(self, file: IO[bytes], length: int | None) -> None:
        self._file = file
        self._length = length
        self.position = 0
        self.left = 0

    def tell(self) -> int:
        """Returns the position."""
        return self.position

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
    headers = _Headers(stream, note)
    while (found := headers.next()) is not None:
        entry, following = found
        stream.left = entry.size
        yield entry
        try:
            if stream.position != following:
                stream.seek(following)
        except EOFError:
            if stream.position < entry.data + entry.size:
                raise  # else only the padding of the last member is missing


class _Headers:
    """Reads one header after another."""

    def __init__(self, stream: Forward, note: Callable[[str], None]) -> None:
        self._stream, self._note = stream, note
        self._has_any = False
        self._tar = types.SimpleNamespace(  # what `TarInfo.fromtarfile` uses of a TarFile
            fileobj=stream, encoding='utf-8', errors='surrogateescape', pax_headers={}, offset=0
        )

    def next(self) -> tuple[Entry, int] | None:
        """Returns the next header, and where the one after it begins; None at the end."""
        zeros, stream = 0, self._stream
        while True:
            position, stream.left = stream.position, MAX_HEADER_BYTES
            block = self._block(zeros)
            if block is None:
                return None
            if block != _ZEROS:
                return self._parsed(block, position, follows_zeros=zeros > 0)
            zeros += 1
            if zeros > _MOST_ZEROS:
                self._note('ends in zeros without end, which are not read.')
                return None

    def _block(self, zeros: int) -> bytes | None:
        """Returns the next block; None at the end of a stream that has any, or only zeros."""
        begin = self._stream.position
        try:
            return self._stream.read(BLOCK)
        except EOFError:
            if self._stream.position > begin or not (self._has_any or zeros):
                raise
        if not zeros:
            self._note(f'has no end-of-archive block: it ends after its last member, at byte {begin}.')
        return None

    def _parsed(self, block: bytes, position: int, follows_zeros: bool) -> tuple[Entry, int] | None:
        entry = _plain(block, position) if not self._tar.pax_headers else None
        if entry:
            self._has_any = True
            return entry, entry.data + entry.size + -entry.size % BLOCK
        try:
            found = _other(block, self._tar, position)
        except TarError:
            if not (follows_zeros and self._has_any):
                raise
            self._note(f'is followed by bytes that are not a tar header, from byte {position} on; not used.')
            return None
        self._has_any = True
        return found


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
    """Parses any header and those in front of it; returns the entry, and where the next one begins."""
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
    return Entry(escaped(info.name), offset, info.offset_data, size, zlib.adler32(block), kind), tar.offset


class TarFormat:
    """Tar archives, plain or compressed: a `formats.Format`."""

    is_cached = True

    def scan(self, source: Source, kind: Kind, scan: Scan) -> Iterator[Found]:
        """See `Format.scan`. Folders, links, devices and files of another kind are skipped.

        A label next to a member (`000123.cls`), or in the table of `kind`, replaces that of its folder.
        """
        with ExitStack() as stack:
            raw = stack.enter_context(source.open())
            try:
                head = raw.peek(BLOCK)[:BLOCK]
                length = _length(raw) if raw.seekable() and not source.is_pipe else None
                unpacked = decompressed(raw)
            except (OSError, ValueError) as error:
                raise DataError(why_unreadable(source.name, error)) from error
            if not head:
                raise DataError(f'{source.name!r} is an empty file (0 bytes).')
            is_plain = unpacked is None
            file = raw if unpacked is None else stack.enter_context(unpacked)
            stream = Forward(file, length if is_plain else None)
            last: list[Entry] = []  # whose data is being read
            count = 0
            try:
                found = _chosen(entries(stream, scan.note), stream, kind, scan, last)
                for count, example in enumerate(_labelled(found, kind), 1):
                    if not scan.headers_only or not count % _PROGRESS_EVERY:
                        done = stream.position if is_plain else length and raw.tell()
                        scan.progress(done / length if done and length else 0.0)
                    yield example
                    del example  # before the next is read
                if not source.is_pipe:  # where something else may follow endlessly
                    stream.finish()
            except DataError:
                raise
            except Exception as error:  # damaged bytes make decompressors raise many types
                raise DataError(_what_broke(source, stream, last, head, count, error)) from error

    def rows(self, source: Source) -> Rows | None:
        """See `Format.rows`."""
        if source.is_pipe:
            return None
        stored = open_stored(source)
        if stored is None:
            return None
        (head,) = stored.read([(0, MAGIC_BYTES)])
        return None if is_compressed(head) else _TarRows(stored)


class _TarRows:
    """Members at their places in an archive: a `formats.Rows`."""

    def __init__(self, stored: Any) -> None:
        self._stored = stored
        self.is_slow = stored.is_slow

    def read(self, rows: Sequence[Row], names: Sequence[str]) -> list[bytes | BadExampleError]:
        """See `Rows.read`."""
        places = [place for offset, size, headers, _ in rows for place in _places(offset, size, headers)]
        parts = iter(self._stored.read(places))
        found: list[bytes | BadExampleError] = []
        for _, size, headers, checksum in rows:
            data = next(parts)
            start = headers
            if zlib.adler32(data[:BLOCK]) != checksum:
                raise ChangedError
            if headers and size > _READ_AT_ONCE:
                data, start = next(parts), 0
            if not headers:
                found.append(_sparse())
            elif len(data) != start + size:
                raise ChangedError
            else:
                found.append(data[start:])
        return found

    def are_there(self, rows: Sequence[Row]) -> bool:
        """See `Rows.are_there`."""
        blocks = self._stored.read([(offset, BLOCK) for offset, *_ in rows])
        return all(zlib.adler32(block) == row[3] for block, row in zip(blocks, rows, strict=True))


def _places(offset: int, size: int, headers: int) -> tuple[tuple[int, int], ...]:
    if not headers:
        return ((offset, BLOCK),)
    if size <= _READ_AT_ONCE:
        return ((offset, headers + size),)
    return (offset, BLOCK), (offset + headers, size)


def _sparse() -> BadExampleError:
    return BadExampleError('it is stored as a sparse file')


def _chosen(
    headers: Iterator[Entry], stream: Forward, kind: Kind, scan: Scan, last: list[Entry]
) -> Iterator[tuple[Found, bool]]:
    """Yields the examples, and the sidecar files with their data; whether each is an example."""
    for entry in headers:
        last[:] = [entry]
        if entry.type == 'link':
            scan.skipped.links += kind.accepts(entry.name)
        elif entry.type:
            name = _normalised(entry.name)
            head = b''
            is_example = kind.accepts(name)
            if not is_example and lacks_suffix(name) and entry.type == 'file':
                head = stream.read(min(entry.size, HEAD_BYTES))
                is_example = kind.recognises(head)
            is_label = not is_example and is_sidecar(name) and 0 < entry.size <= MOST_SIDECAR_BYTES
            if is_example or (is_label and not kind.labels):
                headers_size = entry.data - entry.offset if entry.type == 'file' else _SPARSE
                data = b''
                reason = too_large(entry.size) or (_sparse() if entry.type == 'sparse' else None)
                if is_label or not (scan.headers_only or reason):
                    data = head + stream.read(entry.size - len(head))
                else:
                    stream.check_holds(entry.data + (0 if entry.type == 'sparse' else entry.size))
                found = Found(
                    name, entry.offset, entry.size, headers_size, entry.checksum, None, data, reason
                )
                yield found, is_example
                del data, found  # before the next is read
            else:
                scan.skipped.count(name)


def _labelled(found: Iterator[tuple[Found, bool]], kind: Kind) -> Iterator[Found]:
    """Yields the examples with their labels: from a table, or from a sidecar file of the same sample.

    A sample is a run of files that are equal up to the first dot. Its examples are held until it ends; of
    many files with the same stem, only a few are held.
    """
    if kind.labels:
        for example, _ in found:
            yield example._replace(label=kind.labels.of(example.name))
        return
    samples = _Samples()
    try:
        for one, is_example in found:
            yield from samples.add(one, is_example)
            del one  # before the next is read
    except Exception:
        yield from samples.rest()
        raise
    yield from samples.rest()


class _Samples:
    """Assigns the label of a sample to its examples, in whatever order its files are."""

    def __init__(self) -> None:
        self._sample = self._stem = self._label = ''
        self._held: deque[Found] = deque()

    def add(self, one: Found, is_example: bool) -> Iterator[Found]:
        """Adds an example or a sidecar file; yields the examples that need not be held any longer."""
        if (sample := _sample_of(one.name)) != self._sample:
            yield from self.rest()
            self._sample, self._stem = sample, ''
        if not is_example:
            yield from self._add_sidecar(one)
        elif self._stem and one.name.startswith(self._stem):
            yield one._replace(label=self._label)
        else:
            self._held.append(one)
            del one
            if (
                len(self._held) > _MOST_HELD
                or sum(len(other.data) for other in self._held) > _MOST_BYTES_HELD
            ):
                yield from self.rest()

    def rest(self, label: str | None = None) -> Iterator[Found]:
        """Yields the held examples, with a label if there is one."""
        while self._held:
            example = self._held.popleft()
            yield example if label is None else example._replace(label=label)
            del example

    def _add_sidecar(self, one: Found) -> Iterator[Found]:
        label, stem = sidecar_label(one.name, one.data), one.name[: one.name.rfind('.') + 1]
        if label is None or stem == self._stem:  # the first one of a stem counts
            return
        self._stem, self._label = stem, label
        if all(example.name.startswith(stem) for example in self._held):
            yield from self.rest(label)


def _sample_of(name: str) -> str:
    dot = name.find('.', name.rfind('/') + 1)
    return name if dot < 0 else name[:dot]


def _what_broke(
    source: Source, stream: Forward, last: Sequence[Entry], head: bytes, count: int, error: Exception
) -> str:
    """Returns the sentence for an error at reading an archive."""
    reason = error.strerror if isinstance(error, RemoteError) else f'{error}' or type(error).__name__
    if not count and not last and stream.position <= BLOCK:
        if isinstance(error, RemoteError):
            return why_unreadable(source.name, error)
        page = head.lstrip().lower().startswith((b'<!doctype', b'<html', b'<?xml'))
        what = ', but a web page' if page else f': no valid header at byte 0 ({reason})'
        return f'{source.name!r} is not a tar archive, plain or compressed with gzip, bzip2 or xz{what}.'
    is_within = last and stream.position < last[0].data + last[0].size
    member = f', in member {last[0].name!r} at byte {last[0].offset}' if is_within else ''
    how = 'cut off' if isinstance(error, EOFError) else 'damaged'
    if isinstance(error, RemoteError):
        how = 'not readable any further'
    return f'{source.name!r} is {how} at byte {stream.position} of its tar stream{member}: {reason}.'


def _length(file: io.BufferedReader) -> int:
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    return length


def _normalised(name: str) -> str:
    while name.startswith('./'):
        name = name[2:].lstrip('/')
    return name


def is_tar(head: bytes) -> bool:
    """Whether a file with these first bytes, up to 512, begins as an uncompressed tar archive."""
    if len(head) < BLOCK or head == _ZEROS:
        return len(head) == BLOCK
    try:
        tarfile.TarInfo.frombuf(head, 'utf-8', 'surrogateescape')
    except (tarfile.HeaderError, ValueError):
        return False
    return True
