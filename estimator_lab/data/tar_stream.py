"""Image members of a tar archive, in one forward pass, one member in memory at a time.

`tarfile` parses the headers; this module adds what a long training run needs: memory that stays
flat, and an error where `tarfile` would silently end at a damaged or missing header. Reading ends
at the end-of-archive block, as in any tar program; members after it are not looked for.
"""

import bz2
import glob
import gzip
import lzma
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar, cast

from estimator_lab.errors import DataError

T = TypeVar('T')

MAX_MEMBER_BYTES = 256 * 2**20
"""A larger image is an error: its header is lying, and believing it would eat the memory."""

IMAGE_SUFFIXES = (
    *('.jpg', '.jpeg', '.jpe', '.jfif'),
    *('.png', '.bmp', '.dib', '.gif', '.webp', '.tif', '.tiff'),
    *('.ppm', '.pgm', '.pbm', '.pnm'),
)

_MAX_HEADER_BYTES = 2**20  # one header with its long name and pax records; usually 512 bytes
_CHUNK = 2**20
_HIDDEN = re.compile(r'(?:^|/)(?:\.(?!\.?/)|__MACOSX/)')  # './' and '../' hide nothing
_MAGIC: tuple[tuple[re.Pattern[bytes], Callable[[Any], Any]], ...] = (
    # As long as in `tarfile`: a plain tar may begin with the folder name 'BZhang'. Its own stream
    # mode isn't used: that checks no checksums, and ends after the first of several gzip members.
    (re.compile(rb'\x1f\x8b\x08'), lambda file: gzip.GzipFile(fileobj=file)),
    (re.compile(rb'BZh.1AY&SY', re.DOTALL), bz2.BZ2File),
    (re.compile(rb'\xfd7zXZ|\x5d\x00\x00\x80'), lzma.LZMAFile),
)
# Undocumented, hence unknown to type checkers, but the same since Python 2.7.
_EndOfArchive: type[tarfile.HeaderError] = tarfile.EOFHeaderError  # type: ignore[attr-defined]


class Member(NamedTuple):
    """One image file of an archive.

    `offset` is the byte offset of the member's first header block in the uncompressed tar stream;
    `data` holds the encoded image. `name` has no leading './'; bytes in it that are not UTF-8 are
    written as backslash escapes, so that it can always be printed and stored.
    """

    archive: str
    name: str
    offset: int
    data: bytes

    @property
    def key(self) -> str:
        return f'{self.archive}:{self.name}'


class Header(NamedTuple):
    """What `Member` says, with the size of the data in bytes in place of the data."""

    archive: str
    name: str
    offset: int
    size: int


def stream_members(archive: str | Path) -> Iterator[Member]:
    """Yields the image members of a tar archive in stored order.

    Plain, gzip, bzip2 and xz archives are told apart by content, and a pipe will do. Folders,
    links, devices, hidden files and names without an image suffix are skipped. The holes of a
    sparse member are zeros. An archive of nothing but zero blocks yields nothing.

    Raises:
      DataError: the archive can't be read, is no tar, or is damaged or cut off (after every member
        before the break was yielded), or an image is larger than `MAX_MEMBER_BYTES`.
    """
    for name, offset, data in _walk(str(archive), _read_data):
        yield Member(str(archive), name, offset, data)


def scan_members(archive: str | Path) -> Iterator[Header]:
    """Yields the headers of the members `stream_members` yields, and raises the same errors.

    In an uncompressed file the data is seeked over, not read.
    """
    for name, offset, size in _walk(str(archive), _skip_data):
        yield Header(str(archive), name, offset, size)


def expand_archives(patterns: Sequence[str]) -> list[str]:
    """Expands paths and globs (also several in one string, split at commas) into a list of paths.

    Patterns keep their order, the matches of one glob are sorted, and duplicates are dropped.

    Raises:
      DataError: a pattern matches nothing, or there is no pattern.
    """
    wanted = [part.strip() for pattern in patterns for part in pattern.split(',') if part.strip()]
    if not wanted:
        raise DataError('No archive is named: give the path of at least one tar archive.')
    return list(dict.fromkeys(path for part in wanted for path in _matches(part)))


def _matches(pattern: str) -> list[str]:
    if os.path.lexists(pattern):  # first, as 'photos[1].tar' is a file name as well as a glob
        return [pattern]
    if not glob.has_magic(pattern):
        raise DataError(f'There is no file {pattern!r}.')
    if found := sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - `Path.glob` takes no absolute pattern
        return found
    raise DataError(f'No file matches {pattern!r}.')


class _ForwardFile:
    """A file for `tarfile` that never returns less than asked for, and only goes forward.

    `length` is set where the file may seek over data. `allowance` is how many bytes reads may still
    return before it is renewed, so that a lying header can't eat the memory.
    """

    def __init__(self, file: IO[bytes], length: int | None) -> None:
        self.file = file
        self.length = length
        self.position = 0
        self.allowance = _MAX_HEADER_BYTES

    def tell(self) -> int:
        return self.position

    def read(self, count: int) -> bytes:
        if not 0 <= count <= self.allowance:
            raise tarfile.ReadError(f'a header asks for {count} bytes')
        self.allowance -= count
        data = self.file.read(count)
        self.position += len(data)
        if len(data) < count:
            raise EOFError('the data ends there')
        return data

    def seek(self, target: int) -> None:
        if target < self.position:
            raise tarfile.ReadError(f'a header points back to byte {target}')
        if self.length is None:
            self._read_up_to(target)
        elif target <= self.length:
            self.file.seek(target)
            self.position = target
        else:
            self.position = self.length
            raise EOFError('the data ends there')

    def finish(self) -> None:
        """Reads up to the end where reading tells more: decompressors check their sum there."""
        while self.length is None and self.file.read(_CHUNK):
            pass

    def _read_up_to(self, target: int) -> None:
        while left := target - self.position:
            skipped = len(self.file.read(min(left, _CHUNK)))
            self.position += skipped
            if not skipped:
                raise EOFError('the data ends there')


class _StrictInfo(tarfile.TarInfo):
    """A header that is an error when it is damaged; `TarFile.next` takes it for the end."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> '_StrictInfo':
        start = tarfile_.offset
        stream = cast(_ForwardFile, tarfile_.fileobj)
        stream.allowance = _MAX_HEADER_BYTES
        try:
            info = super().fromtarfile(tarfile_)
        except _EndOfArchive:
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f'{error} in the header at byte {start}') from error
        if info.size < 0 or tarfile_.offset <= start:
            raise tarfile.ReadError(f'negative size in the header at byte {start}')
        return info


_Take = Callable[[tarfile.TarFile, _ForwardFile, tarfile.TarInfo], T]


def _read_data(tar: tarfile.TarFile, stream: _ForwardFile, info: tarfile.TarInfo) -> bytes:
    if info.issparse():
        return cast(IO[bytes], tar.extractfile(info)).read()
    return stream.read(info.size)  # `extractfile` would cost as much as all the rest


def _skip_data(tar: tarfile.TarFile, stream: _ForwardFile, info: tarfile.TarInfo) -> int:
    if info.issparse():
        return len(_read_data(tar, stream, info))  # the map alone says what is stored
    stream.seek(stream.position + info.size)
    return info.size


def _walk(archive: str, take: _Take[T]) -> Iterator[tuple[str, int, T]]:
    """Yields name, offset and what `take` makes of it for each image member."""
    with _open(archive) as stream:
        tar = current = None
        try:
            tar = tarfile.open(  # noqa: SIM115 - holds nothing but `stream`
                fileobj=cast(IO[bytes], stream),
                mode='r:',
                tarinfo=_StrictInfo,
                encoding='utf-8',
                errors='backslashreplace',
            )
            for current in tar:
                tar.members.clear()  # type: ignore[attr-defined]  # else it keeps every header
                name = _normalise(current.name)
                if current.isreg() and _is_image(name):
                    _check_size(archive, name, current)
                    stream.allowance = current.size + tarfile.BLOCKSIZE
                    yield name, current.offset, take(tar, stream, current)
                current = None
            stream.finish()
        except DataError:
            raise
        except Exception as error:  # damaged bytes raise all sorts, down to RecursionError
            raise DataError(_what_broke(archive, stream, tar, current, error)) from error


def _check_size(archive: str, name: str, info: tarfile.TarInfo) -> None:
    if info.size > MAX_MEMBER_BYTES:
        raise DataError(
            f'{archive!r}: member {name!r} at byte {info.offset} claims {info.size} bytes, '
            f'more than the {MAX_MEMBER_BYTES} allowed for one image.'
        )


def _what_broke(
    archive: str,
    stream: _ForwardFile,
    tar: tarfile.TarFile | None,
    info: tarfile.TarInfo | None,
    error: Exception,
) -> str:
    reason = f'{error}' or type(error).__name__
    if tar is None:
        return (
            f'{archive!r} is not a tar archive, plain or compressed with gzip, bzip2 or xz: '
            f'no valid header at byte 0 ({reason}).'
        )
    member = ''
    if info is not None:
        member = f', in member {_normalise(info.name)!r} at byte {info.offset}'
    kind = 'cut off' if isinstance(error, EOFError) else 'damaged'
    return f'{archive!r} is {kind} at byte {stream.position} of its tar stream{member}: {reason}.'


@contextmanager
def _open(archive: str) -> Iterator[_ForwardFile]:
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(Path(archive).open('rb'))
            start = raw.peek(16)
            length = raw.seek(0, os.SEEK_END) if raw.seekable() else None
        except (OSError, ValueError) as error:
            raise DataError(_why_unreadable(archive, error)) from error
        if not start:
            raise DataError(f'{archive!r} is an empty file (0 bytes), not a tar archive.')
        if length is not None:
            raw.seek(0)
        for magic, decompress in _MAGIC:
            if magic.match(start):
                yield _ForwardFile(stack.enter_context(decompress(raw)), length=None)
                return
        yield _ForwardFile(raw, length)


def _why_unreadable(archive: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f'There is no file {archive!r}.'
    if isinstance(error, IsADirectoryError):
        return f'{archive!r} is a folder, not a tar archive.'
    if isinstance(error, PermissionError):
        return f'No permission to read {archive!r}.'
    return f'{archive!r} cannot be read: {error}.'


def _normalise(name: str) -> str:
    while name.startswith('./'):
        name = name[2:].lstrip('/')
    return name


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES) and not _HIDDEN.search(name)
