"""Files that are examples: a folder's, or one by itself, such as a photo; a pipe or a URL of one, too.

The examples of a folder are named by their paths in it, and ordered by their names alone.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from estimator_lab.base.errors import DataError
from estimator_lab.base.files import read_regular
from estimator_lab.base.printable import escaped, unescaped
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.labels import (
    MOST_SIDECAR_BYTES,
    SIDECAR_SUFFIXES,
    LabelTable,
    label_of,
    sidecar_label,
)
from estimator_lab.data.examples.member import MAX_MEMBER_BYTES, BadExampleError, Data, Member
from estimator_lab.data.sources.files import HEAD_BYTES, SkippedFiles, is_hidden, lacks_suffix
from estimator_lab.data.sources.reading import Format, Scan, UnindexedBytes
from estimator_lab.data.sources.source import STDIN, Source, errors_naming, why_unreadable
from estimator_lab.data.sources.tar import TAR


def _scan(source: Source, kind: Kind, scan: Scan) -> Iterator[Member]:
    """Yields the files in the order of their names.

    The label of a file is the name of its folder, which may be this one, unless a table or a file next to
    it gives another.
    """
    own_name, reader = escaped(Path(source.url).resolve().name), UnindexedBytes(source, _read)
    for number, (path, size, label) in enumerate(files_below(source.url, kind, scan.skipped, source.table)):
        name = escaped(path)
        is_labelled = label is not None
        if label is None:
            label = label_of(name if '/' in path else f'{own_name}/{name}')
        yield Member(
            source.name,
            name,
            number,
            label=label,
            size=size,
            row=number,
            source=reader,
            is_labelled=is_labelled,
        )


def _read(source: Source, members: Sequence[Member]) -> list[Data | BadExampleError]:
    """Returns the data of files; see `Format.read`. One that can't be read is a bad example."""
    return [data_of(Path(source.url, unescaped(member.name))) for member in members]


def data_of(path: Path) -> bytes | BadExampleError:
    """Returns the bytes of a file, or why they can't be read."""
    try:
        return read_regular(path, MAX_MEMBER_BYTES)
    except OSError as error:
        return BadExampleError(why_unreadable(str(path), error).rstrip('.'))
    except ValueError as error:  # it has grown too large, or is not a file
        return BadExampleError(f'{error}')


def files_below(
    folder: str, kind: Kind, skipped: SkippedFiles, table: LabelTable | None = None
) -> Iterator[tuple[str, int, str | None]]:
    """Yields the examples below a folder at any depth, a folder's own before its subfolders'.

    Links to files are followed, links to folders are not; hidden files and folders are skipped.

    Yields:
      The path of a file in the folder; its bytes, 0 if it can't be read, such as a FIFO; its label from a
      table or a file next to it, None if its folder's name is the label.

    Raises:
      DataError: where a folder can't be read.
    """

    def fail(error: OSError) -> None:
        raise DataError(why_unreadable(str(error.filename), error)) from error

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not is_hidden(f'{name}/'))
        start = os.path.relpath(parent, folder)
        present = set(names) if any(name.endswith(SIDECAR_SUFFIXES) for name in names) else ()
        used: set[str] = set()
        others: list[str] = []
        for name in sorted(names):
            size = _size_of_example(parent, name, kind)
            if size is None:
                others.append(name)
                continue
            path = name if start == os.curdir else f'{start}/{name}'
            if table:
                yield path, size, table.of(escaped(path))
                continue
            sidecars = [sidecar for sidecar in _sidecars(name) if sidecar in present] if present else []
            used.update(sidecars)
            yield path, size, _label_in(parent, sidecars)
        for name in others:
            if name not in used:
                skipped.count(escaped(name))


def _size_of_example(parent: str, name: str, kind: Kind) -> int | None:
    """Returns the size of an example in bytes; None for other files.

    A `Path` for each of many files would take longer than the system's answers.
    """
    is_named = kind.accepts(name)
    if not is_named and not lacks_suffix(name):
        return None
    path = f'{parent}/{name}'
    try:
        status = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(status.st_mode):
            return 0 if is_named else None
        if not is_named:
            with open(path, 'rb') as file:  # noqa: PTH123
                is_named = kind.recognises(file.read(HEAD_BYTES))
        return status.st_size if is_named else None
    except OSError:
        return 0 if is_named else None


def _sidecars(name: str) -> list[str]:
    """Returns the names of files that may hold the label of a file; of several, the first one counts."""
    stems = dict.fromkeys((name.rpartition('.')[0], name.partition('.')[0]))
    return [f'{stem}{suffix}' for stem in stems if stem for suffix in SIDECAR_SUFFIXES]


def _label_in(parent: str | Path, sidecars: Iterable[str]) -> str | None:
    for sidecar in sidecars:
        try:
            label = sidecar_label(sidecar, read_regular(Path(parent, sidecar), MOST_SIDECAR_BYTES))
        except (FileNotFoundError, ValueError):  # ValueError: not a regular file, or one of something else
            continue
        except OSError as error:
            raise DataError(why_unreadable(f'{parent}/{sidecar}', error)) from error
        if label is not None:
            return label
    return None


FOLDER = Format(_scan, _read, is_cached=False)
"""Folders, which are listed at each start: that takes less time than reading them."""


def _scan_file(source: Source, kind: Kind, scan: Scan) -> Iterator[Member]:
    """Yields the file, with the label that it has in its folder.

    A stored file of unknown contents is read as an archive, which says what is wrong with it.
    """
    name = escaped(source.name)
    if source.is_pipe:
        data = _bytes_of(source)
        yield Member(source.name, name, label=_label_of(source, name), size=len(data), data=data)
    elif not (kind.accepts(name) or kind.recognises(_bytes_of(source, HEAD_BYTES))):
        yield from TAR.scan(source, kind, scan)
    else:
        label, size = _label_of(source, name), source.stamp().size
        yield Member(source.name, name, label=label, size=size, source=UnindexedBytes(source, _read_file))


def _label_of(source: Source, name: str) -> str:
    if source.table:
        return source.table.of(name)
    if source.url == STDIN:
        return ''
    if source.is_remote:
        return escaped(label_of(source.url.partition('?')[0]))
    path = Path(source.url).absolute()
    label = None if source.is_pipe else _label_in(path.parent, _sidecars(path.name))
    return escaped(label_of(str(path))) if label is None else label


def _read_file(source: Source, members: Sequence[Member]) -> list[Data | BadExampleError]:
    """Returns the data of the file; see `Format.read`. A local one that can't be read is a bad example."""
    data = _bytes_of(source) if source.is_remote else data_of(Path(source.url))
    return [data] * len(members)


def _bytes_of(source: Source, most: int = MAX_MEMBER_BYTES + 1) -> bytes:
    with errors_naming(source.name), source.open() as file:
        return file.read(most)


OWN_FILE = Format(_scan_file, _read_file, is_cached=False)
"""Files of one example."""
