"""The members of a tar archive that are examples, in one forward pass, one in memory at a time.

Memory stays flat however long the stream is, and a damaged header is an error. Archives that follow each
other in one stream (`cat a.tar b.tar`) are one, as for `tar --ignore-zeros`. Where examples may be lines of a
text, a file without zeros at its beginning is such a text, and each of its lines a member.
"""

import io
import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from estimator_lab.console.printable import escaped
from estimator_lab.data.tar.compression import DecompressedFile, compression_of
from estimator_lab.data.tar.forward_file import BLOCK, ForwardFile, SkippingFile
from estimator_lab.data.tar.headers import Entry, HeaderReader, is_header
from estimator_lab.data.tar.lines import NameOfLine, entry_of, is_text, read_lines
from estimator_lab.data.tar.sources import STDIN, is_pipe, open_archive, why_unreadable
from estimator_lab.data.tar.sparse import read_file
from estimator_lab.errors import DataError

T = TypeVar('T')

MAX_MEMBER_BYTES = 256 * 2**20
"""A larger image is a bad one: its header is lying, and believing it would eat the memory."""

IMAGE_SUFFIXES = (
    *('.jpg', '.jpeg', '.jpe', '.jfif'),
    *('.png', '.bmp', '.dib', '.gif', '.webp', '.tif', '.tiff'),
    *('.ppm', '.pgm', '.pbm', '.pnm'),
)

_PROGRESS_EVERY = 1000  # headers; members of which the data is read take longer than to tell of it
_HIDDEN = re.compile(r'(?:^|/)(?:\.(?!\.?/)|__MACOSX/)')  # './' and '../' hide nothing
_END = bytes(BLOCK)
_BUFFER_BYTES = 2**17
Note = Callable[[str], None]


class Member(NamedTuple):
    """One image file of an archive.

    `offset` is the byte offset of the member's first header block in the uncompressed tar stream;
    `data` holds the encoded image. `name` has no leading './'; bytes in it that are not UTF-8, control
    characters and such are backslash escapes (`printable.escaped`), so that it can always be printed and
    stored. `problem` says why there is no data, and is empty where there is.
    """

    archive: str
    name: str
    offset: int
    data: bytes
    problem: str = ''

    @property
    def key(self) -> str:
        return key_of(self.archive, self.name)

    @property
    def place(self) -> str:
        """Where it lies, as sentences say it."""
        return place_of(self.archive, self.name, self.offset)


def is_image_name(name: str) -> bool:
    """Whether a file of that name in an archive or a folder is an image, and not hidden."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not _HIDDEN.search(name)


class Wanted(NamedTuple):
    """Which members are examples.

    Attributes:
      name: of that kind, as an index holds it.
      noun: what people call some of them.
      accepts: whether a file of a name is one.
      name_of_line: of an example that is a line of a text, made up from its number and bytes, such as
        'LABEL/line_12.tree'; None where examples are no lines.
    """

    name: str
    noun: str
    accepts: Callable[[str], bool]
    name_of_line: NameOfLine | None = None


IMAGES = Wanted('image', 'images', is_image_name)


def stream_members(
    archive: str | Path,
    progress: Callable[[float], None] | None = None,
    opened: io.BufferedReader | None = None,
    note: Note | None = None,
    wanted: Wanted = IMAGES,
) -> Iterator[Member]:
    """Yields the wanted members of a tar archive in stored order.

    Plain, gzip, bzip2 and xz archives, and texts, are told apart by content; a pipe will do, and '-' is
    standard input. Folders, links, devices and names that are not wanted, as those without an image suffix,
    are skipped. The holes of a sparse member are zeros. A member above `MAX_MEMBER_BYTES` comes without its
    data. An archive of nothing but zero blocks yields nothing.

    Args:
      archive: path or URL, or '-'.
      progress: called with the share of the archive's bytes that lies behind, in [0, 1].
      opened: the archive at its first byte where that can't be opened again, as a pipe; it is closed here.
      note: told in one sentence what is unusual about the archive but no error: that it goes on behind its
        end, has none, or is followed by what is not used.
      wanted: which members are examples.

    Raises:
      DataError: the archive can't be read, is no tar, or is damaged or cut off (after every member
        before the break was yielded).
    """
    for entry, data in _walk(str(archive), _read_data, wanted, progress, opened, note):
        yield Member(str(archive), entry.name, entry.offset, data, problem_of(entry.size))
        del data  # before the next is read


def scan_members(
    archive: str | Path,
    progress: Callable[[float], None] | None = None,
    note: Note | None = None,
    wanted: Wanted = IMAGES,
) -> Iterator[Entry]:
    """Yields the headers of the members that `stream_members` yields; the same arguments, the same errors.

    In an uncompressed file the data is seeked over, not read.
    """
    for entry, _ in _walk(str(archive), _skip_data, wanted, progress, note=note):
        yield entry


def member_at(archive: str, offset: int, wanted: Wanted = IMAGES) -> Member:
    """Returns the member whose first header block lies at byte `offset` of an uncompressed archive.

    Raises:
      DataError: there is none.
    """
    with open_archive(archive) as file:
        length = _length(file)
        if length is not None and offset <= length:
            file.seek(offset)
            stream = ForwardFile(file, length, offset)
            for entry, data in _members(archive, HeaderReader(stream), stream, _read_data, wanted):
                if entry.offset == offset:
                    return Member(archive, entry.name, offset, data, problem_of(entry.size))
                break
    raise DataError(f'{archive!r} has no such member at byte {offset}.')


def is_compressed(archive: str | Path) -> bool:
    """Whether a stored archive is compressed, so that no member can be reached but by all before it.

    Raises:
      DataError: it can't be read.
    """
    with open_archive(str(archive)) as file:
        return compression_of(file.peek(16)) is not None


def is_tar(head: bytes) -> bool:
    """Whether a file with these first bytes, up to 512, is a tar archive, compressed or not."""
    return compression_of(head) is not None or is_header(head) or head == _END


def key_of(archive: str, name: str) -> str:
    """Returns what tells a member from others, for people."""
    return f'{escaped(archive)}:{name}'


def place_of(archive: str, name: str, offset: int) -> str:
    """Returns where a member lies, as sentences say it."""
    return f'{archive!r}: member {name!r} at byte {offset}'


def problem_of(size: int) -> str:
    """Returns why a member of so many bytes has no data, '' where it has."""
    if size <= MAX_MEMBER_BYTES:
        return ''
    return f'it claims {size} bytes, more than the {MAX_MEMBER_BYTES} allowed for one example'


_Take = Callable[[ForwardFile, Entry], T]


def _read_data(stream: ForwardFile, entry: Entry) -> bytes:
    if entry.size > MAX_MEMBER_BYTES:
        _skip_data(stream, entry)
        return b''
    stream.allow(entry.size)
    if entry.chunks is not None:
        return read_file(stream.read, entry.chunks, entry.size)
    return stream.read(entry.size)


def _skip_data(stream: ForwardFile, entry: Entry) -> None:
    stream.seek(entry.end if entry.is_sparse else entry.data + entry.size)


def _walk(
    archive: str,
    take: _Take[T],
    wanted: Wanted,
    progress: Callable[[float], None] | None = None,
    opened: io.BufferedReader | None = None,
    note: Note | None = None,
) -> Iterator[tuple[Entry, T]]:
    """Yields each wanted member, its name normalised, and what `take` makes of its data."""

    def about(words: str) -> None:
        if note:
            note(f'{archive!r} {words}')

    raw = opened or open_archive(archive)
    seeks_only = take is _skip_data
    every = _PROGRESS_EVERY if seeks_only else 1
    with _open(archive, raw, seeks_only, about) as (stream, share):
        numbers = itertools.count()
        members: Iterator[tuple[Entry, Any]] = (
            _lines(archive, stream, take, wanted.name_of_line)
            if wanted.name_of_line and is_text(stream.peek(BLOCK))
            else _members(archive, HeaderReader(stream, about), stream, take, wanted)
        )
        for member in members:
            if progress and next(numbers) % every == 0:
                progress(share())
            yield member
            del member  # before the next is read


def _members(
    archive: str, headers: HeaderReader, stream: ForwardFile, take: _Take[T], wanted: Wanted
) -> Iterator[tuple[Entry, T]]:
    entry: Entry | None = None
    try:
        while entry := headers.read():
            if entry.is_file:
                name = _normalise(entry.name)
                if wanted.accepts(name):
                    named = entry if name == entry.name else entry._replace(name=name)
                    yield named, take(stream, entry)
            headers.skip(entry)
            entry = None  # what fails from here on is no fault of it
        if not is_pipe(archive):  # there, something else may follow, and be written for ever
            stream.finish()
    except Exception as error:  # damaged bytes make decompressors raise all sorts
        raise DataError(_what_broke(archive, stream, headers, entry, error)) from error


def _lines(
    archive: str, stream: ForwardFile, take: _Take[Any], name_of_line: NameOfLine
) -> Iterator[tuple[Entry, Any]]:
    try:
        for line in read_lines(stream, MAX_MEMBER_BYTES):
            yield entry_of(line, name_of_line), line.data if take is _read_data else None
            del line  # before the next is read
    except Exception as error:  # damaged bytes make decompressors raise all sorts
        kind = 'cut off' if isinstance(error, EOFError) else 'damaged'
        reason = f'{error}' or type(error).__name__
        raise DataError(f'{archive!r} is {kind} at byte {stream.position} of its text: {reason}.') from error


def _what_broke(
    archive: str, stream: ForwardFile, headers: HeaderReader, entry: Entry | None, error: Exception
) -> str:
    reason = f'{error}' or type(error).__name__
    if not headers.found_any:
        return (
            f'{archive!r} is not a tar archive, plain or compressed with gzip, bzip2 or xz: '
            f'no valid header at byte 0 ({reason}).'
        )
    member = ''
    if entry is not None:
        member = f', in member {_normalise(entry.name)!r} at byte {entry.offset}'
    kind = 'cut off' if isinstance(error, EOFError) else 'damaged'
    return f'{archive!r} is {kind} at byte {stream.position} of its tar stream{member}: {reason}.'


@contextmanager
def _open(
    archive: str, raw: io.BufferedReader, seeks_only: bool, note: Note
) -> Iterator[tuple[ForwardFile, Callable[[], float]]]:
    """Opens the tar stream inside an archive; beside it, a function that tells how much of it was read.

    Args:
      archive: a path, a URL, or '-'.
      raw: the open archive; it is closed here.
      seeks_only: whether all data will be seeked over: then a buffer would read what nobody wants.
      note: told, in words that follow the archive's name, what is unusual about it.
    """
    with ExitStack() as stack:
        stack.enter_context(raw)
        try:
            start = raw.peek(16)
            length = _length(raw) if archive != STDIN else None
        except (OSError, ValueError) as error:
            raise DataError(why_unreadable(archive, error)) from error
        if not start:
            raise DataError(f'{archive!r} is an empty file (0 bytes), not a tar archive.')
        if compression := compression_of(start):
            file = DecompressedFile(raw, compression, note)
            stream = ForwardFile(stack.enter_context(io.BufferedReader(file, _BUFFER_BYTES)), length=None)
            yield stream, lambda: file.consumed / length if length else 0.0
            return
        if seeks_only and length is not None and isinstance(raw.raw, io.FileIO):
            stream = stack.enter_context(closing(SkippingFile(raw.fileno(), length)))
        else:
            stream = ForwardFile(raw, length)
        yield stream, lambda: stream.position / length if length else 0.0


def _length(raw: io.BufferedReader) -> int | None:
    """Returns the bytes of the file, at whose beginning it leaves it; None if it can't seek."""
    if not raw.seekable():
        return None
    length = raw.seek(0, os.SEEK_END)
    raw.seek(0)
    return length


def _normalise(name: str) -> str:
    while name.startswith('./'):
        name = name[2:].lstrip('/')
    return name
