"""Members of any source that a user names: an archive, a text, a pipe or a folder of files."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from estimator_lab.data.file_types import SkippedFiles
from estimator_lab.data.folder.index import open_folder
from estimator_lab.data.folder.walk import files_below
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.member import Member
from estimator_lab.data.storage.names import STDIN, is_command, is_url
from estimator_lab.data.tar import index, stream
from estimator_lab.data.tar.index import Index, ShowProgress
from estimator_lab.data.tar.sources import why_unreadable
from estimator_lab.data.tar.stream import Note
from estimator_lab.errors import DataError


def is_folder(source: str) -> bool:
    """Whether a source is a local folder.

    Raises:
      DataError: permission is denied.
    """
    return source != STDIN and not is_url(source) and not is_command(source) and stat.S_ISDIR(mode_of(source))


def mode_of(path: str) -> int:
    """Returns `st_mode` of what a path leads to; 0 if that is nothing.

    Raises:
      DataError: permission is denied.
    """
    try:
        return Path(path).stat().st_mode
    except PermissionError as error:
        raise DataError(why_unreadable(path, error)) from error
    except (OSError, ValueError):
        return 0


def open_index(
    source: str, progress: ShowProgress | None = None, note: Note | None = None, kind: Kind = IMAGES
) -> Index:
    """Returns the index of an archive or a folder: `tar.index.open_index` or `folder.index.open_folder`.

    Raises:
      DataError: it can't be read, or is damaged before its first example.
    """
    opener = open_folder if is_folder(source) else index.open_index
    return opener(source, progress, note, kind)


def stream_members(
    source: str,
    progress: Callable[[float], None] | None = None,
    note: Note | None = None,
    kind: Kind = IMAGES,
) -> Iterator[Member]:
    """Yields the members of an archive as `tar.stream.stream_members` does, or the files of a folder.

    Raises:
      DataError: it can't be read any further.
    """
    if not is_folder(source):
        yield from stream.stream_members(source, progress, note=note, kind=kind)
        return
    found = open_folder(source, note=note, kind=kind)
    for row in range(len(found)):
        if progress:
            progress(row / len(found))
        yield found.member(row).read()


def first_member(source: str, kind: Kind) -> Member | None:
    """Returns the first member, without data if the source is a folder; None if there is none.

    Raises:
      DataError: it can't be read.
    """
    if not is_folder(source):
        return next(stream.stream_members(source, kind=kind), None)
    first = next(files_below(source, kind, SkippedFiles()), None)
    return first and Member(source, first.name, 0)
