"""Image members of a tar archive, in one forward pass, one member in memory at a time.

Memory stays flat however long the stream is, and a damaged or missing header is an error. Reading ends
at the end-of-archive block, as in any tar program; members after it are not looked for.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from estimator_lab.data.tar.headers import BLOCK, Entry, ForwardFile, HeaderReader, SkippingFile
from estimator_lab.data.tar.sources import STDIN, is_pipe, open_archive, why_unreadable
from estimator_lab.errors import DataError

T = TypeVar('T')

MAX_MEMBER_BYTES = 256 * 2**20
"""A larger image is a bad one: its header is lying, and believing it would eat the memory."""

IMAGE_SUFFIXES = (
    *('.jpg', '.jpeg', '.jpe', '.jfif'),
    *('.png', '.bmp', '.dib', '.gif', '.webp', '.tif', '.tiff'),
    *('.ppm', '.pgm', '.pbm', '.pnm'),
)

_PROGRESS_EVERY = 1000
_HIDDEN = re.compile(r'(?:^|/)(?:\.(?!\.?/)|__MACOSX/)')  # './' and '../' hide nothing
_MAGIC: tuple[tuple[re.Pattern[bytes], Callable[[Any], Any]], ...] = (
    # As long as in `tarfile`: a plain tar may begin with the folder name 'BZhang'. Its own stream
    # mode isn't used: that checks no checksums, and ends after the first of several gzip members.
    (re.compile(rb'\x1f\x8b\x08'), lambda file: gzip.GzipFile(fileobj=file)),
    (re.compile(rb'BZh.1AY&SY', re.DOTALL), bz2.BZ2File),
    (re.compile(rb'\xfd7zXZ|\x5d\x00\x00\x80'), lzma.LZMAFile),
)


class Member(NamedTuple):
    """One image file of an archive.

    `offset` is the byte offset of the member's first header block in the uncompressed tar stream;
    `data` holds the encoded image. `name` has no leading './'; bytes in it that are not UTF-8 are
    written as backslash escapes, so that it can always be printed and stored. `problem` says why there
    is no data, and is empty where there is.
    """

    archive: str
    name: str
    offset: int
    data: bytes
    problem: str = ''

    @property
    def key(self) -> str:
        return f'{self.archive}:{self.name}'

    @property
    def place(self) -> str:
        """Where it lies, as sentences say it."""
        return place_of(self.archive, self.name, self.offset)


def stream_members(
    archive: str | Path,
    progress: Callable[[float], None] | None = None,
    opened: io.BufferedReader | None = None,
) -> Iterator[Member]:
    """Yields the image members of a tar archive in stored order.

    Plain, gzip, bzip2 and xz archives are told apart by content; a pipe will do, and '-' is standard
    input. Folders, links, devices, hidden files and names without an image suffix are skipped. The
    holes of a sparse member are zeros. A member above `MAX_MEMBER_BYTES` comes without its data. An
    archive of nothing but zero blocks yields nothing.

    Args:
      archive: path or URL, or '-'.
      progress: called now and then with the share of the archive's bytes that lies behind, in [0, 1].
      opened: the archive at its first byte where that can't be opened again, as a pipe; it is closed here.

    Raises:
      DataError: the archive can't be read, is no tar, or is damaged or cut off (after every member
        before the break was yielded).
    """
    for entry, data in _walk(str(archive), _read_data, progress, opened):
        yield Member(str(archive), entry.name, entry.offset, data, problem_of(entry.size))


def scan_members(archive: str | Path, progress: Callable[[float], None] | None = None) -> Iterator[Entry]:
    """Yields the headers of the members that `stream_members` yields; the same arguments, the same errors.

    In an uncompressed file the data is seeked over, not read.
    """
    for entry, _ in _walk(str(archive), _skip_data, progress):
        yield entry


def member_at(archive: str, offset: int) -> Member:
    """Returns the image member whose first header block lies at byte `offset` of an uncompressed archive.

    Raises:
      DataError: there is none.
    """
    with open_archive(archive) as file:
        length = _length(file)
        if length is not None and offset <= length:
            file.seek(offset)
            for entry, data in _members(archive, ForwardFile(file, length, offset), _read_data):
                if entry.offset == offset:
                    return Member(archive, entry.name, offset, data, problem_of(entry.size))
                break
    raise DataError(f'{archive!r} has no image member at byte {offset}.')


def is_compressed(archive: str | Path) -> bool:
    """Whether a stored archive is compressed, so that no member can be reached but by all before it.

    Raises:
      DataError: it can't be read.
    """
    with open_archive(str(archive)) as file:
        return any(magic.match(file.peek(16)) for magic, _ in _MAGIC)


def is_tar(head: bytes) -> bool:
    """Whether a file with these first bytes, up to 512, is a tar archive, compressed or not."""
    if any(magic.match(head) for magic, _ in _MAGIC):
        return True
    try:
        tarfile.TarInfo.frombuf(head, 'utf-8', 'backslashreplace')
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # zeros: an archive without a member
        return True
    except Exception:  # other bytes raise all sorts
        return False
    return True


def is_image_name(name: str) -> bool:
    """Whether a file of that name in an archive or a folder is an image, and not hidden."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not _HIDDEN.search(name)


def place_of(archive: str, name: str, offset: int) -> str:
    """Returns where a member lies, as sentences say it."""
    return f'{archive!r}: member {name!r} at byte {offset}'


def problem_of(size: int) -> str:
    """Returns why a member of so many bytes has no data, '' where it has."""
    if size <= MAX_MEMBER_BYTES:
        return ''
    return f'it claims {size} bytes, more than the {MAX_MEMBER_BYTES} allowed for one image'


_Take = Callable[[HeaderReader, ForwardFile, Entry], T]


def _read_data(headers: HeaderReader, stream: ForwardFile, entry: Entry) -> bytes:
    if entry.size > MAX_MEMBER_BYTES:
        _skip_data(headers, stream, entry)
        return b''
    stream.allow(entry.size + BLOCK)
    if entry.is_sparse:
        return headers.file(entry).read()
    return stream.read(entry.size)


def _skip_data(headers: HeaderReader, stream: ForwardFile, entry: Entry) -> None:
    if entry.is_sparse and entry.size <= MAX_MEMBER_BYTES:
        _read_data(headers, stream, entry)  # the map alone says what is stored
    else:
        stream.seek(entry.next if entry.is_sparse else entry.data + entry.size)


def _walk(
    archive: str,
    take: _Take[T],
    progress: Callable[[float], None] | None = None,
    opened: io.BufferedReader | None = None,
) -> Iterator[tuple[Entry, T]]:
    """Yields each image member, its name normalised, and what `take` makes of its data."""
    raw = opened or open_archive(archive)
    with _open(archive, raw, seeks_only=take is _skip_data) as (stream, share):
        for number, member in enumerate(_members(archive, stream, take)):
            if progress and number % _PROGRESS_EVERY == 0:
                progress(share())
            yield member


def _members(archive: str, stream: ForwardFile, take: _Take[T]) -> Iterator[tuple[Entry, T]]:
    headers = HeaderReader(stream)
    entry: Entry | None = None
    try:
        while entry := headers.read():
            if entry.is_file:
                name = _normalise(entry.name)
                if is_image_name(name):
                    data = take(headers, stream, entry)
                    yield entry if name == entry.name else entry._replace(name=name), data
            stream.seek(entry.next)
            entry = None  # what fails from here on is no fault of it
        stream.finish(endless=is_pipe(archive))
    except Exception as error:  # damaged bytes raise all sorts, down to RecursionError
        raise DataError(_what_broke(archive, stream, headers, entry, error)) from error


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
    archive: str, raw: io.BufferedReader, seeks_only: bool
) -> Iterator[tuple[ForwardFile, Callable[[], float]]]:
    """Opens the tar stream inside an archive; beside it, a function that tells how much of it was read.

    Args:
      archive: a path, a URL, or '-'.
      raw: the open archive; it is closed here.
      seeks_only: whether all data will be seeked over: then a buffer would read what nobody wants.
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
        for magic, decompress in _MAGIC:
            if magic.match(start):
                stream = ForwardFile(stack.enter_context(decompress(raw)), length=None)
                yield stream, lambda: raw.tell() / length if length else 0.0
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
