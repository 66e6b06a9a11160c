"""The examples below a folder, in an order that depends on their names alone."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from estimator_lab.base.printable import escaped
from estimator_lab.base.regular_files import read_regular
from estimator_lab.data.file_types import HEAD_BYTES, SkippedFiles, may_be_recognised
from estimator_lab.data.kind import Kind
from estimator_lab.data.label_table import MOST_SIDECAR_BYTES, SIDECAR_SUFFIXES, sidecar_label
from estimator_lab.data.tar.sources import why_unreadable
from estimator_lab.errors import DataError

_HIDDEN = ('.', '__MACOSX')


class File(NamedTuple):
    """An example in a file.

    Attributes:
      path: its path, relative to the folder.
      name: the same, escaped for printing and storing.
      size: its bytes; 0 if it can't be read, such as a FIFO.
      label: from a table or a file next to it; None if its folder's name is the label.
    """

    path: str
    name: str
    size: int
    label: str | None


def files_below(folder: str, kind: Kind, skipped: SkippedFiles) -> Iterator[File]:
    """Yields the examples below a folder at any depth, those of each folder before those of its subfolders.

    Links to files are followed, links to folders are not; hidden files and folders are skipped.

    Args:
      folder: its path.
      kind: which files are examples.
      skipped: counts the others.

    Raises:
      DataError: where a folder can't be read.
    """

    def fail(error: OSError) -> None:
        raise DataError(why_unreadable(str(error.filename), error)) from error

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders.sort()
        folders[:] = [name for name in folders if not name.startswith(_HIDDEN)]
        sidecars = {
            Path(name).stem: name for name in sorted(names) if name.lower().endswith(SIDECAR_SUFFIXES)
        }
        start = os.path.relpath(parent, folder)
        for name in sorted(names):
            size = _size_of_example(Path(parent, name), kind)
            if size is None:
                if name not in sidecars.values():
                    skipped.count(escaped(name))
                continue
            path = name if start == os.curdir else f'{start}/{name}'
            shown = escaped(path)
            label = kind.labels.of(shown) if kind.labels else _sidecar_label(parent, name, sidecars)
            yield File(path, shown, size, label)


def _size_of_example(path: Path, kind: Kind) -> int | None:
    """Returns the size of an example in bytes; None for other files."""
    is_named = kind.accepts(path.name)
    if not is_named and not may_be_recognised(path.name):
        return None
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return 0 if is_named else None
        return status.st_size if is_named or _is_recognised(path, kind) else None
    except OSError:
        return 0 if is_named else None


def _is_recognised(path: Path, kind: Kind) -> bool:
    with path.open('rb') as file:
        return kind.recognises(file.read(HEAD_BYTES))


def _sidecar_label(parent: str, name: str, sidecars: dict[str, str]) -> str | None:
    """Returns the label in a file of the same name, up to its last or its first dot."""
    for stem in (name.rpartition('.')[0], name.partition('.')[0]) if sidecars else ():
        if stem in sidecars:
            try:
                return sidecar_label(
                    sidecars[stem], read_regular(Path(parent, sidecars[stem]), MOST_SIDECAR_BYTES)
                )
            except (OSError, ValueError):
                return None
    return None
