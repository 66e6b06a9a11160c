"""Tar archives: headers -> files -> examples -> examples with labels, in one forward pass.

Memory stays constant, however long the stream is. Plain headers are parsed here in under three microseconds,
all others by `tarfile`. A damaged header is an error. Concatenated archives (`cat a.tar b.tar`) are read as
one, as by `tar --ignore-zeros`. Sparse members are bad examples.
"""

import os
import tarfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from estimator_lab.base.errors import DataError
from estimator_lab.base.files import why_unread
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.labels import MOST_SIDECAR_BYTES, is_sidecar, label_of, sidecar_label
from estimator_lab.data.examples.member import BadExampleError, ChangedError, Data, Member, too_large
from estimator_lab.data.sources.files import HEAD_BYTES, lacks_suffix
from estimator_lab.data.sources.reading import Format, Scan, Stored
from estimator_lab.data.sources.remote import RemoteError
from estimator_lab.data.sources.source import (
    Source,
    decompressed,
    decompressor,
    errors_naming,
    why_unreadable,
)
from estimator_lab.data.sources.tar_headers import BLOCK, Forward, entries

TAR_SUFFIXES = ('.tar', '.tgz', '.tbz2', '.txz', '.tar.gz', '.tar.bz2', '.tar.xz')

_PROGRESS_EVERY = 1000  # headers; each member if data is read, which takes longer than reporting it
_SPARSE = 0  # as the bytes of headers
_READ_AT_ONCE = 2**20  # a larger member would be in memory twice
_OTHERS = {  # by their first bytes: what they are, and how they are unpacked
    b'PK\x03\x04': 'a ZIP archive: unpack it by `unzip FILE -d FOLDER`, and name the folder',
    b'7z\xbc\xaf\x27\x1c': 'a 7-Zip archive: unpack it by `7z x FILE -oFOLDER`, and name the folder',
    b'Rar!\x1a\x07': 'a RAR archive: unpack it by `unrar x FILE FOLDER/`, and name the folder',
    b'\x28\xb5\x2f\xfd': 'compressed by zstd: decompress it by `zstd -d FILE`, and name the tar archive',
}
_MOST_HELD, _MOST_BYTES_HELD = 8, 2**24  # examples that wait for a label


def _scan(source: Source, kind: Kind, scan: Scan) -> Iterator[Member]:
    """Yields the examples; folders, links, devices and files of another kind are skipped.

    A label next to a member (`000123.cls`), or in the table of the source, replaces its folder's.
    """
    with ExitStack() as stack:
        raw = stack.enter_context(source.open())
        with errors_naming(source.name):
            head = raw.peek(BLOCK)[:BLOCK]
            length = raw.seek(0, os.SEEK_END) if raw.seekable() and not source.is_pipe else None
            if length is not None:
                raw.seek(0)
            file = stack.enter_context(decompressed(raw))
        if not head:
            raise DataError(f'{source.name!r} is an empty file (0 bytes).')
        is_plain, count = file is raw, 0
        stream = Forward(file, length if is_plain else None)
        try:
            for member in _labelled(_chosen(stream, source, kind, scan)):
                count += 1
                if not scan.headers_only or not count % _PROGRESS_EVERY:
                    done = stream.position if is_plain else length and raw.tell()
                    scan.progress(done / length if done and length else 0.0)
                yield member
                del member
            if not source.is_pipe:  # where something else may follow endlessly
                stream.finish()
        except DataError:
            raise
        except Exception as error:  # damaged headers make `tarfile` raise many types
            raise DataError(_what_broke(source, stream, head, error)) from error


def _read(file: Stored, members: Sequence[Member]) -> list[Data | BadExampleError]:
    """Returns the data of members; see `Format.read`."""
    parts = iter(file.read([place for member in members for place in _places(member)]))
    found: list[Data | BadExampleError] = []
    for member in members:
        data, start = next(parts), member.headers
        if zlib.adler32(data[:BLOCK]) != member.checksum:
            raise ChangedError
        if start and member.size > _READ_AT_ONCE:
            data, start = next(parts), 0
        if not member.headers:
            found.append(_sparse())
        elif len(data) != start + member.size:
            raise ChangedError
        else:
            found.append(data[start:])
    return found


def _places(member: Member) -> tuple[tuple[int, int], ...]:
    offset, size, headers = member.offset, member.size, member.headers
    if not headers:
        return ((offset, BLOCK),)
    if size <= _READ_AT_ONCE:
        return ((offset, headers + size),)
    return (offset, BLOCK), (offset + headers, size)


def _sparse() -> BadExampleError:
    return BadExampleError('it is stored as a sparse file')


def _chosen(stream: Forward, source: Source, kind: Kind, scan: Scan) -> Iterator[tuple[Member, bool]]:
    """Yields the examples, and the sidecar files with their data; whether each is an example."""
    row = 0
    for entry in entries(stream, scan.note):
        if entry.type == 'link':
            scan.skipped.links += kind.accepts(entry.name)
        if entry.type in ('', 'link'):
            continue
        name, is_sparse = _normalised(entry.name), entry.type == 'sparse'
        head, is_example = b'', kind.accepts(name)
        if not is_example and lacks_suffix(name) and not is_sparse:
            head = stream.read(min(entry.size, HEAD_BYTES))
            is_example = kind.recognises(head)
        is_label = not is_example and is_sidecar(name) and 0 < entry.size <= MOST_SIDECAR_BYTES
        if not is_example and (source.table or not is_label):
            scan.skipped.count(name)
            continue
        headers_size = _SPARSE if is_sparse else entry.data - entry.offset
        reason = too_large(entry.size) or (_sparse() if is_sparse else None)
        data: bytes | BadExampleError = reason or b''
        if is_label or not (scan.headers_only or reason):
            data = head + stream.read(entry.size - len(head))
        else:
            stream.check_holds(entry.data + (0 if is_sparse else entry.size))
        member = Member(
            source.name,
            name,
            entry.offset,
            label=source.table.of(name) if source.table else label_of(name),
            size=entry.size,
            row=row,
            data=data,
            headers=headers_size,
            checksum=entry.checksum,
            is_labelled=source.table is not None,
        )
        row += is_example
        yield member, is_example
        del data, member


def _labelled(files: Iterator[tuple[Member, bool]]) -> Iterator[Member]:
    """Yields the examples; the label in a sidecar file of the same sample replaces theirs.

    A sample is a run of files that are equal up to the first dot, in any order. Its examples are held until
    their label is known, or it ends; of many files with the same stem, only a few are held.
    """
    sample = stem = label = ''
    held: deque[Member] = deque()
    try:
        for file, is_example in files:
            if (its_sample := _sample_of(file.name)) != sample:
                yield from _emptied(held)
                sample, stem = its_sample, ''
            if not is_example:
                found, its_stem = sidecar_label(file.name, file.data), file.name[: file.name.rfind('.') + 1]
                if found is not None and its_stem != stem:  # the first one of a stem counts
                    label, stem = found, its_stem
                    if all(example.name.startswith(stem) for example in held):
                        yield from _emptied(held, label=label, is_labelled=True)
            elif stem and file.name.startswith(stem):
                yield file._replace(label=label, is_labelled=True)
            else:
                held.append(file)
                if len(held) > _MOST_HELD or sum(each.bytes_held for each in held) > _MOST_BYTES_HELD:
                    yield from _emptied(held)
            del file
    except Exception:
        yield from _emptied(held)
        raise
    yield from _emptied(held)


def _emptied(held: deque[Member], **known: Any) -> Iterator[Member]:
    """Yields the examples that are held, with what is known of them."""
    while held:
        example = held.popleft()
        yield example._replace(**known) if known else example
        del example


def _sample_of(name: str) -> str:
    dot = name.find('.', name.rfind('/') + 1)
    return name if dot < 0 else name[:dot]


def _what_broke(source: Source, stream: Forward, head: bytes, error: Exception) -> str:
    """Returns the sentence for an error at reading an archive."""
    reason, last = why_unread(error) or type(error).__name__, stream.entry
    if not last and stream.position <= BLOCK:
        if isinstance(error, RemoteError):
            return why_unreadable(source.name, error)
        other = what_instead(head)
        what = f', but {other}' if other else f': no valid header at byte 0 ({reason})'
        return f'{source.name!r} is not a tar archive, plain or compressed with gzip, bzip2 or xz{what}.'
    member = ''
    if last and stream.position < last.data + last.size:
        member = f', in member {last.name!r} at byte {last.offset}'
    how = 'cut off' if isinstance(error, EOFError) else 'damaged'
    if isinstance(error, RemoteError):
        how = 'not readable any further'
    return f'{source.name!r} is {how} at byte {stream.position} of its tar stream{member}: {reason}.'


def _normalised(name: str) -> str:
    while name.startswith('./'):
        name = name[2:].lstrip('/')
    return name


def is_archive(source: Source) -> bool:
    """Whether a source is a tar archive, plain or compressed, by its name or its first bytes.

    Raises:
      DataError: it can't be read.
    """
    if source.url.partition('?')[0].lower().endswith(TAR_SUFFIXES):
        return True
    file = source.open()
    try:
        with errors_naming(source.name):
            head = file.peek(BLOCK)[:BLOCK]
        return decompressor(head) is not None or is_tar(head)
    finally:
        if not source.is_pipe:
            file.close()


def what_instead(head: bytes) -> str:
    """Returns what a file with these first bytes is instead of a tar, and a remedy; '' if that is unknown."""
    if head.lstrip().lower().startswith((b'<!doctype', b'<html', b'<?xml')):
        return 'a web page'
    return next((words for magic, words in _OTHERS.items() if head.startswith(magic)), '')


def is_tar(head: bytes) -> bool:
    """Whether a file with these first bytes, up to 512, begins as an uncompressed tar archive."""
    if len(head) < BLOCK or head == bytes(BLOCK):
        return len(head) == BLOCK
    try:
        tarfile.TarInfo.frombuf(head, 'utf-8', 'surrogateescape')
    except (tarfile.HeaderError, ValueError):
        return False
    return True


TAR = Format(_scan, _read, is_cached=True)
"""Tar archives, plain or compressed."""
