"""The examples of an archive, whatever its format: entries -> files -> examples -> examples with labels.

One forward pass; memory stays constant, however long the stream is. A format is a function from a stream to
its entries, such as `tar_headers.entries`. Sparse members are bad examples.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from estimator_lab.base.errors import DataError
from estimator_lab.base.files import why_unread
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.labels import MOST_SIDECAR_BYTES, is_sidecar, label_of, sidecar_label
from estimator_lab.data.examples.member import BadExampleError, Member, too_large
from estimator_lab.data.sources.entries import ArchiveEntry, Forward
from estimator_lab.data.sources.files import HEAD_BYTES, lacks_suffix
from estimator_lab.data.sources.reading import Scan
from estimator_lab.data.sources.remote import RemoteError
from estimator_lab.data.sources.source import Source, decompressed, errors_naming, why_unreadable

Entries = Callable[[Forward, Callable[[str], None]], Iterator[ArchiveEntry]]
"""(stream, note) -> the entries of an archive; the data of each may be read before the next is requested.

`note` is called with words that follow the archive's name, about what is unusual but not an error."""

HEAD = 512
"""First bytes of a file by which an archive is recognised."""

_PROGRESS_EVERY = 1000  # headers; each member if data is read, which takes longer than reporting it
_SPARSE = 0  # as the bytes of headers
_OTHERS = {  # by their first bytes: what they are, and how they are unpacked
    b'PK\x03\x04': 'a ZIP archive: unpack it by `unzip FILE -d FOLDER`, and name the folder',
    b'7z\xbc\xaf\x27\x1c': 'a 7-Zip archive: unpack it by `7z x FILE -oFOLDER`, and name the folder',
    b'Rar!\x1a\x07': 'a RAR archive: unpack it by `unrar x FILE FOLDER/`, and name the folder',
    b'\x28\xb5\x2f\xfd': 'compressed by zstd: decompress it by `zstd -d FILE`, and name the tar archive',
}
_MOST_HELD, _MOST_BYTES_HELD = 8, 2**24  # examples that wait for a label


def scan_archive(entries: Entries, noun: str, source: Source, kind: Kind, scan: Scan) -> Iterator[Member]:
    """Yields the examples; folders, links, devices and files of another kind are skipped.

    A label next to a member (`000123.cls`), or in the table of the source, replaces its folder's.

    Args:
      entries: of the archive's format.
      noun: what that is called in a sentence, such as 'tar'.
      source: the archive, plain or compressed.
      kind: which members are examples.
      scan: see `reading.Format`.

    Raises:
      DataError: it can't be read, or is damaged; every example before the damage is yielded first.
    """
    with ExitStack() as stack:
        raw = stack.enter_context(source.open())
        with errors_naming(source.name):
            head = raw.peek(HEAD)[:HEAD]
            length = raw.seek(0, os.SEEK_END) if raw.seekable() and not source.is_pipe else None
            if length is not None:
                raw.seek(0)
            file = stack.enter_context(decompressed(raw))
        if not head:
            raise DataError(f'{source.name!r} is an empty file (0 bytes).')
        is_plain, count = file is raw, 0
        stream = Forward(file, length if is_plain else None)
        try:
            for member in _labelled(_chosen(entries(stream, scan.note), stream, source, kind, scan)):
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
            raise DataError(_what_broke(noun, source, stream, head, error)) from error


def sparse() -> BadExampleError:
    """Returns why a sparse member is a bad example."""
    return BadExampleError('it is stored as a sparse file')


def _chosen(
    entries: Iterator[ArchiveEntry], stream: Forward, source: Source, kind: Kind, scan: Scan
) -> Iterator[tuple[Member, bool, bool]]:
    """Yields the examples, and the sidecar files with their data; whether each is the one, or the other.

    A field of samples, such as a .cls, may be both.
    """
    row = 0
    for entry in entries:
        if entry.type == 'link':
            scan.skipped.links += kind.accepts(entry.name)
        if entry.type in ('', 'link'):
            continue
        name, is_sparse = _normalised(entry.name), entry.type == 'sparse'
        head, is_example = b'', kind.accepts(name)
        if not is_example and lacks_suffix(name) and not is_sparse:
            head = stream.read(min(entry.size, HEAD_BYTES))
            is_example = kind.recognises(head)
        is_label = is_sidecar(name) and not source.table and 0 < entry.size <= MOST_SIDECAR_BYTES
        if not is_example and not is_label:
            scan.skipped.count(name)
            continue
        headers_size = _SPARSE if is_sparse else entry.data - entry.offset
        reason = too_large(entry.size) or (sparse() if is_sparse else None)
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
        yield member, is_example, is_label
        del data, member


def _labelled(files: Iterator[tuple[Member, bool, bool]]) -> Iterator[Member]:
    """Yields the examples; the label in a sidecar file of the same sample replaces theirs.

    A sample is a run of files that are equal up to the first dot, in any order. Its examples are held until
    their label is known, or it ends; of many files with the same stem, only a few are held.
    """
    sample = stem = label = ''
    held: deque[Member] = deque()
    try:
        for file, is_example, is_label in files:
            if (its_sample := _sample_of(file.name)) != sample:
                yield from _emptied(held)
                sample, stem = its_sample, ''
            if is_label:
                found, its_stem = sidecar_label(file.name, file.data), file.name[: file.name.rfind('.') + 1]
                if found is not None and its_stem != stem:  # the first one of a stem counts
                    label, stem = found, its_stem
                    if all(example.name.startswith(stem) for example in held):
                        yield from _emptied(held, label=label, is_labelled=True)
            if is_example and stem and file.name.startswith(stem):
                yield from _emptied(held)  # of other stems: the stored order is kept
                yield file._replace(label=label, is_labelled=True)
            elif is_example:
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


def _what_broke(noun: str, source: Source, stream: Forward, head: bytes, error: Exception) -> str:
    """Returns the sentence for an error at reading an archive."""
    reason, last = why_unread(error) or type(error).__name__, stream.entry
    if not last and stream.position <= HEAD:
        if isinstance(error, RemoteError):
            return why_unreadable(source.name, error)
        other = what_instead(head)
        what = f', but {other}' if other else f': no valid header at byte 0 ({reason})'
        return f'{source.name!r} is not a {noun} archive, plain or compressed with gzip, bzip2 or xz{what}.'
    member = ''
    if last and stream.position < last.data + last.size:
        member = f', in member {last.name!r} at byte {last.offset}'
    how = 'cut off' if isinstance(error, EOFError) else 'damaged'
    if isinstance(error, RemoteError):
        how = 'not readable any further'
    return f'{source.name!r} is {how} at byte {stream.position} of its {noun} stream{member}: {reason}.'


def _normalised(name: str) -> str:
    while name.startswith('./'):
        name = name[2:].lstrip('/')
    return name


def what_instead(head: bytes) -> str:
    """Returns what a file with these first bytes is instead of an archive, and a remedy; '' if unknown."""
    if head.lstrip().lower().startswith((b'<!doctype', b'<html', b'<?xml')):
        return 'a web page'
    return next((words for magic, words in _OTHERS.items() if head.startswith(magic)), '')
