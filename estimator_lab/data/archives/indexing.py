"""Opening the index of a source: a stored one, or a new one of its headers."""

import contextlib
from array import array
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from estimator_lab.base.errors import DataError
from estimator_lab.data.archives.index import Index
from estimator_lab.data.archives.index_file import (
    FORMAT,
    ROW,
    Header,
    IndexContents,
    copied_index,
    path_in_cache,
    path_next_to,
    read_index_file,
)
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.labels import FROM_SIDECARS
from estimator_lab.data.sources import remote
from estimator_lab.data.sources.formats import format_of, scan_members
from estimator_lab.data.sources.reading import Format, Scan
from estimator_lab.data.sources.source import Source, errors_naming

Note = Callable[[str], None]
ShowProgress = Callable[[str, float | None], None]


def open_index(
    source: Source,
    kind: Kind,
    progress: ShowProgress = lambda done, share: None,
    note: Note = lambda line: None,
) -> Index:
    """Returns the index of a source: the one next to an archive, or in the cache, or a new one.

    A stored index is used only if the archive has the same size as when it was indexed, and the contents of
    the index are possible; one next to an archive only if it is not older. Each read compares the beginning
    of a member with its checksum.

    Args:
      source: an archive, a text or a folder. A remote archive that fits into the cache is fetched first.
      kind: which members are examples; an index of another kind is replaced.
      progress: called with the number of examples so far, as text, and the share of the archive that was
        read.
      note: called with a sentence about what is unusual but not an error.

    Raises:
      DataError: the source can't be read, or is damaged before its first example.
    """
    if source.is_pipe:
        raise DataError(f'{source.name!r} can be read only once, so that it cannot be indexed.')
    form = format_of(source, kind)
    if not form.is_cached:
        return build_index(source, kind, progress, note)
    if source.is_remote:
        source.stamp(again=True)
        with errors_naming(source.name):
            remote.open_remote(source.url).fetch(progress)
    in_cache, is_remote = path_in_cache(source, kind.fields), source.is_remote
    index = _load(in_cache if is_remote else _newer_next_to(source, note), source, kind, form)
    is_new = not index and is_remote
    index = index or _load(copied_index(source) if is_remote else in_cache, source, kind, form)
    if index:
        for sentence in index.notes:
            note(sentence)
    else:  # there is none, or it is empty
        index, is_new = build_index(source, kind, progress, note), True
    if is_new and index.lasts:
        with contextlib.suppress(OSError):  # it only saves time
            index.write(in_cache)
    return index


def build_index(
    source: Source,
    kind: Kind,
    progress: ShowProgress = lambda done, share: None,
    note: Note = lambda line: None,
) -> Index:
    """Indexes a source by reading its headers; see `open_index`.

    Raises:
      DataError: it can't be read, or is damaged before its first example.
    """
    size = 0 if source.is_folder else source.stamp().size
    columns = [array('Q') for _ in ROW.names or ()]
    offsets, sizes, ends, headers, checksums, numbers = columns
    names, damage, lasts = bytearray(), '', True
    labels: dict[tuple[str, bool], int] = {}  # numbers of labels, given ones and names of folders
    notes: list[str] = []
    scan = Scan(True, notes.append, lambda share: progress(f'{len(offsets):,} {kind.noun}', share or None))
    form = format_of(source, kind)
    try:
        for member in scan_members(source, kind, scan, form):
            names += member.name.encode()
            offsets.append(member.offset)
            sizes.append(member.size)
            ends.append(len(names))
            headers.append(member.headers)
            checksums.append(member.checksum)
            numbers.append(labels.setdefault((member.label, member.is_labelled), len(labels)))
    except DataError as error:
        cause = error.__cause__
        if not offsets or isinstance(cause, remote.RemoteError):
            raise
        damage = str(error)
        lasts = not getattr(cause, 'errno', None)
    scan.skipped.report(notes.append)
    rows = np.empty(len(offsets), ROW)
    for name, column in zip(ROW.names or (), columns, strict=True):
        rows[name] = column
    are_given = any(given for _, given in labels)
    texts, renumbered = _of_one_kind(labels, are_given)
    rows['label'] = renumbered[rows['label']]
    instead = '' if len(rows) else scan.skipped.instead(source.name if source.is_folder else '')
    header = Header(
        format=FORMAT,
        size=size,
        members=len(rows),
        name_bytes=len(names),
        damage=damage,
        notes=notes,
        labels=texts,
        kind=kind.name,
        labels_from=source.table.fingerprint if source.table else FROM_SIDECARS if are_given else '',
        instead=instead,
    )
    index = Index(source, kind, form, IndexContents(header, rows, memoryview(names)))
    index.lasts = lasts
    for sentence in index.notes:
        note(sentence)
    return index


def _of_one_kind(found: Collection[tuple[str, bool]], are_given: bool) -> tuple[list[str], np.ndarray]:
    """Returns the labels of an index, and for each label that was found its number among these, uint32.

    If some labels are given, members without have none: the names of folders would be labels of another kind.
    """
    labels: dict[str, int] = {}
    texts = [label if given or not are_given else '' for label, given in found]
    numbers = [labels.setdefault(text, len(labels)) for text in texts]
    return list(labels), np.array(numbers, np.uint32)


def _newer_next_to(source: Source, note: Note) -> Path | None:
    """Returns the path of the index next to an archive; None if it is older: labels may have changed."""
    path = path_next_to(source)
    try:
        if path is None or path.stat().st_mtime_ns >= int(source.stamp().version):
            return path
    except OSError:
        return None
    note(
        f'{str(path)!r} is older than the archive, and is not used: python -m estimator_lab.data.tar_index '
        'writes it again.'
    )
    return None


def _load(path: Path | None, source: Source, kind: Kind, form: Format) -> Index | None:
    """Returns the index in a file; None if there is none that can be used."""
    known = (source.table.fingerprint,) if source.table else ('', FROM_SIDECARS)
    contents = read_index_file(path) if path else None
    if contents is None:
        return None
    header = contents.header
    if (header.size, header.kind) != (source.stamp().size, kind.name) or header.labels_from not in known:
        return None
    index = Index(source, kind, form, contents)
    index.path = path
    return index
