"""The examples of a tar archive, in one forward pass, one in memory at a time.

Memory stays constant, however long the stream is. A damaged header is an error. Concatenated archives
(`cat a.tar b.tar`) are read as one, as by `tar --ignore-zeros`. If examples may be lines of a text, a file
without zeros at its beginning is such a text, and each of its lines is a member.
"""

import io
import itertools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from estimator_lab.data.file_types import HEAD_BYTES, SkippedFiles, file_type, may_be_recognised
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.label_table import MOST_SIDECAR_BYTES
from estimator_lab.data.labels import label_of
from estimator_lab.data.member import Member, problem_of
from estimator_lab.data.storage.failures import RemoteError
from estimator_lab.data.storage.files import stored_file_of
from estimator_lab.data.tar.compression import DecompressedFile, compression_of
from estimator_lab.data.tar.forward_file import BLOCK, ForwardFile
from estimator_lab.data.tar.headers import Entry, HeaderReader, is_header
from estimator_lab.data.tar.lines import is_text, read_lines
from estimator_lab.data.tar.sidecar_labels import LabelsBeside, is_label_name
from estimator_lab.data.tar.skipping_file import SkippingFile
from estimator_lab.data.tar.sources import is_read_once, open_archive, why_unreadable
from estimator_lab.data.tar.sparse import read_file
from estimator_lab.errors import DataError

T = TypeVar('T')

_PROGRESS_EVERY = 1000  # headers; each member if data is read, which takes longer than reporting it
_END = bytes(BLOCK)
_BUFFER_BYTES = 2**17
_PART = re.compile(  # 'faces.tar.aa', 'faces.tar.gz.part-002', 'faces.tgz001', as `split` names them
    r'(.+\.(?:tar(?:\.gz|\.bz2|\.xz)?|tgz|tbz2|txz)[._-]?(?:part[._-]?)?)(?!gz|xz|lz|zst|bz|bak|old|tmp)(?:[a-z]{2,3}|\d+)'
)
Note = Callable[[str], None]


def stream_members(
    archive: str | Path,
    progress: Callable[[float], None] | None = None,
    opened: io.BufferedReader | None = None,
    note: Note | None = None,
    kind: Kind = IMAGES,
) -> Iterator[Member]:
    """Yields the examples of a tar archive in stored order.

    Plain, gzip, bzip2 and xz archives, and texts, are recognised by their content, also in a pipe; '-' is
    standard input. Folders, links, devices and files of another kind are skipped; files without a suffix are
    recognised by their first bytes. A label next to a member (`sidecar_labels`), or in the table of `kind`,
    replaces that of its folder. The holes of a sparse member are zeros. A member above `MAX_MEMBER_BYTES` has
    a `problem` instead of data. An archive of nothing but zero blocks yields nothing.

    Args:
      archive: path or URL, or '-'.
      progress: called with the share of the archive's bytes that was read, in [0, 1].
      opened: the archive at its first byte if it can't be opened again, as a pipe; it is closed here.
      note: called with a sentence about what is unusual but not an error: data after the end of the archive,
        a missing end, or skipped pictures.
      kind: which members are examples.

    Raises:
      DataError: the archive can't be read, is not a tar, or is damaged or cut off; every member before the
        damage is yielded first.
    """
    for entry, data in _walk(str(archive), _read_data, kind, progress, opened, note):
        yield _member(str(archive), entry, data)
        del data  # before the next is read


def scan_members(
    archive: str | Path,
    progress: Callable[[float], None] | None = None,
    note: Note | None = None,
    kind: Kind = IMAGES,
    skipped: SkippedFiles | None = None,
) -> Iterator[Entry]:
    """Yields the headers of the members that `stream_members` yields, with the same arguments and errors.

    In an uncompressed file, data is skipped by seeking. `skipped` counts the other files.
    """
    for entry, _ in _walk(str(archive), _skip_data, kind, progress, note=note, skipped=skipped):
        yield entry


def member_at(archive: str, offset: int, kind: Kind = IMAGES) -> Member:
    """Returns the member whose first header block is at byte `offset` of an uncompressed archive.

    Raises:
      DataError: there is none.
    """
    with open_archive(archive) as file:
        length = _length(file)
        if length is not None and offset <= length:
            file.seek(offset)
            stream, skipped = ForwardFile(file, length, offset), SkippedFiles()
            for entry, data in _members(archive, HeaderReader(stream), stream, _read_data, kind, skipped):
                if entry.offset == offset:
                    return _member(archive, entry, data)
                break
    raise DataError(f'{archive!r} has no such member at byte {offset}.')


def _member(archive: str, entry: Entry, data: bytes) -> Member:
    label = label_of(entry.name) if entry.label is None else entry.label
    return Member(archive, entry.name, entry.offset, data, problem_of(entry.size), label)


def is_compressed(archive: str | Path) -> bool:
    """Whether a stored archive is compressed, so that a member can be reached only by reading all before.

    Raises:
      DataError: it can't be read.
    """
    with open_archive(str(archive)) as file:
        return compression_of(file.peek(16)) is not None


def is_tar(head: bytes) -> bool:
    """Whether a file with these first bytes, up to 512, is a tar archive, compressed or not."""
    return compression_of(head) is not None or is_header(head) or head == _END


_Take = Callable[[ForwardFile, Entry], T]


def _read_data(stream: ForwardFile, entry: Entry) -> bytes:
    if problem_of(entry.size):
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
    kind: Kind,
    progress: Callable[[float], None] | None = None,
    opened: io.BufferedReader | None = None,
    note: Note | None = None,
    skipped: SkippedFiles | None = None,
) -> Iterator[tuple[Entry, T]]:
    """Yields each example, its name normalised, and the result of `take` for its data."""
    skipped = skipped or SkippedFiles()

    def about(words: str) -> None:
        if note:
            note(f'{archive!r} {words}')

    raw = opened or open_archive(archive)
    seeks_only = take is _skip_data
    every = _PROGRESS_EVERY if seeks_only else 1
    with _open(archive, raw, seeks_only, about) as (stream, share):
        numbers = itertools.count()
        members: Iterator[tuple[Entry, Any]] = (
            _lines(archive, stream, take, kind)
            if kind.has_lines and is_text(stream.peek(BLOCK))
            else _members(archive, HeaderReader(stream, about), stream, take, kind, skipped)
        )
        for member in members:
            if progress and next(numbers) % every == 0:
                progress(share())
            yield member
            del member  # before the next is read
    skipped.tell(about)


def _members(
    archive: str,
    headers: HeaderReader,
    stream: ForwardFile,
    take: _Take[T],
    kind: Kind,
    skipped: SkippedFiles,
) -> Iterator[tuple[Entry, T]]:
    entry: Entry | None = None
    first = b''
    labels = LabelsBeside[tuple[Entry, T]]()
    try:
        first = stream.peek(HEAD_BYTES)
        while entry := headers.read():
            if entry.is_file:
                name = _normalise(entry.name)
                yield from map(_labelled, labels.begin(name))
                if kind.accepts(name) or (may_be_recognised(name) and kind.recognises(_head(stream, entry))):
                    named = entry if name == entry.name else entry._replace(name=name)
                    if kind.labels:
                        yield named._replace(label=kind.labels.of(name)), take(stream, entry)
                    else:
                        yield from map(_labelled, labels.hold((named, take(stream, entry)), name, entry.size))
                elif is_label_name(name) and 0 < entry.size <= MOST_SIDECAR_BYTES and not kind.labels:
                    yield from map(_labelled, labels.tell(name, _read_data(stream, entry)))
                else:
                    skipped.count(name)
            headers.skip(entry)
            entry = None  # a later error is not in this member
        yield from map(_labelled, labels.rest())
        if not is_read_once(archive):  # where something else may follow endlessly
            stream.finish()
    except Exception as error:  # damaged bytes make decompressors raise many types
        yield from map(_labelled, labels.rest())
        raise DataError(_what_broke(archive, kind, first, stream, headers, entry, error)) from error


def _labelled(found: tuple[tuple[Entry, T], str | None]) -> tuple[Entry, T]:
    (entry, data), label = found
    return (entry if label is None else entry._replace(label=label)), data


def _head(stream: ForwardFile, entry: Entry) -> bytes:
    """Returns the first bytes of a member whose header was read last; none of a sparse one."""
    return b'' if entry.is_sparse else stream.peek(min(entry.size, HEAD_BYTES))


def _lines(archive: str, stream: ForwardFile, take: _Take[Any], kind: Kind) -> Iterator[tuple[Entry, Any]]:
    try:
        for entry, data in read_lines(stream, kind.line_name):
            yield entry, data if take is _read_data else None
            del data  # before the next is read
    except Exception as error:  # damaged bytes make decompressors raise many types
        how = 'cut off' if isinstance(error, EOFError) else 'damaged'
        reason = f'{error}' or type(error).__name__
        raise DataError(f'{archive!r} is {how} at byte {stream.position} of its text: {reason}.') from error


def _what_broke(
    archive: str,
    kind: Kind,
    first: bytes,
    stream: ForwardFile,
    headers: HeaderReader,
    entry: Entry | None,
    error: Exception,
) -> str:
    reason = f'{error}' or type(error).__name__
    if isinstance(error, RemoteError) and not headers.found_any:
        return why_unreadable(archive, error)
    if not headers.found_any:
        known = file_type(first)
        if known and kind.has_lines:  # advice on images does not help then
            what = known.partition(':')[0]
            return f'{archive!r} is neither a text of {kind.noun} nor a tar archive, but {what}.'
        if known:
            return f'{archive!r} is not a tar archive, but {known}.'
        return (
            f'{archive!r} is not a tar archive, plain or compressed with gzip, bzip2 or xz: '
            f'no valid header at byte 0 ({reason}).{_how_to_join(archive)}'
        )
    member = ''
    if entry is not None:
        member = f', in member {_normalise(entry.name)!r} at byte {entry.offset}'
    place = f'at byte {stream.position} of its tar stream{member}'
    if isinstance(error, RemoteError):
        return f'{archive!r} cannot be read any further {place}: {error.strerror}.'
    how = 'cut off' if isinstance(error, EOFError) else 'damaged'
    return f'{archive!r} is {how} {place}: {reason}.{_how_to_join(archive)}'


def _how_to_join(archive: str) -> str:
    """Returns how to read an archive that was split into parts, if its name is that of a part; else ''."""
    found = _PART.fullmatch(archive.rpartition('/')[2])
    return (
        f' If it is part of a split archive, join the parts: `cat {found[1]}* | ... --data=-`.'
        if found
        else ''
    )


@contextmanager
def _open(
    archive: str, raw: io.BufferedReader, seeks_only: bool, note: Note
) -> Iterator[tuple[ForwardFile, Callable[[], float]]]:
    """Opens the tar stream in an archive; yields it and a function that returns the share that was read.

    Args:
      archive: a path, a URL, or '-'.
      raw: the open archive; it is closed here.
      seeks_only: whether all data will be skipped, so that a buffer would only read unused bytes.
      note: called with words that follow the archive's name, about what is unusual.
    """
    with ExitStack() as stack:
        stack.enter_context(raw)
        try:
            start = raw.peek(16)
            length = None if is_read_once(archive) else _length(raw)
        except (OSError, ValueError) as error:
            raise DataError(why_unreadable(archive, error)) from error
        if not start:
            raise DataError(f'{archive!r} is an empty file (0 bytes).')
        if compression := compression_of(start):
            file = DecompressedFile(raw, compression, note)
            stream = ForwardFile(stack.enter_context(io.BufferedReader(file, _BUFFER_BYTES)), length=None)
            yield stream, lambda: file.consumed / length if length else 0.0
            return
        stored = stored_file_of(raw.raw) if seeks_only and length is not None else None
        if stored and length is not None:
            stream = stack.enter_context(closing(SkippingFile(stored, length)))
        else:
            stream = ForwardFile(raw, length)
        yield stream, lambda: stream.position / length if length else 0.0


def _length(raw: io.BufferedReader) -> int | None:
    """Returns the bytes of the file, and moves to its beginning; None if it can't seek."""
    if not raw.seekable():
        return None
    length = raw.seek(0, os.SEEK_END)
    raw.seek(0)
    return length


def _normalise(name: str) -> str:
    while name.startswith('./'):
        name = name[2:].lstrip('/')
    return name
