"""The index of a folder: its files are members with random access, named by their paths in the folder."""

import functools
import os
import zlib
from array import array
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from estimator_lab.base.printable import escaped
from estimator_lab.base.regular_files import read_regular
from estimator_lab.data.file_types import SkippedFiles
from estimator_lab.data.folder.walk import files_below
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.label_table import LabelColumn
from estimator_lab.data.member import MAX_MEMBER_BYTES, Member
from estimator_lab.data.tar.index import Index, ShowProgress
from estimator_lab.data.tar.index_file import FORMAT, ROW, Contents, Header
from estimator_lab.data.tar.sources import why_unreadable
from estimator_lab.data.tar.stream import Note


class _Paths(NamedTuple):
    """The paths of all files, concatenated, as the system stores them."""

    text: bytes
    ends: np.ndarray

    def of(self, row: int) -> str:
        return os.fsdecode(self.text[self.ends[row - 1] if row else 0 : self.ends[row]])


class FolderIndex(Index):
    """The examples below a folder, in the order of `walk.files_below`; built at each start, not stored.

    The label of a file is the name of its folder, which may be this one, unless a table or a file next to it
    gives another.
    """

    def __init__(self, folder: str, contents: Contents, paths: _Paths, kind: Kind) -> None:
        super().__init__(folder, contents, kind=kind)
        self._paths = paths

    @property
    def is_text(self) -> bool:
        """Whether its members are lines of a text: never."""
        return False

    @cached_property
    def fingerprint(self) -> str:
        """Equal for folders whose files have the same paths and sizes, whatever the folders' names."""
        names = ['size', 'name_end', *(['label'] if self._header.labels_from else [])]
        columns = (np.ascontiguousarray(self._rows[name]).data for name in names)
        sizes = functools.reduce(lambda total, column: zlib.crc32(column, total), columns, 0)
        return f'folder {len(self):x}-{sizes:08x}{zlib.crc32(self._names):08x}'

    @property
    def is_slow(self) -> bool:
        """See `MemberSource.is_slow`; not measured."""
        return False

    def read(self, members: Sequence[Member]) -> list[Member]:
        """Reads files; one that can't be read has a `problem`. Many threads may call it."""
        return list(map(self._read_file, members))

    def _read_file(self, member: Member) -> Member:
        path = Path(self.archive, self._paths.of(member.row))
        data = problem = None
        try:
            data = read_regular(path, MAX_MEMBER_BYTES)
        except OSError as error:
            problem = why_unreadable(str(path), error).rstrip('.')
        except ValueError as error:  # it has grown too large, or is not a file
            problem = f'{error}'
        return member._replace(data=data or b'', problem=problem or '', row=0, unread=0, source=None)

    def still_fits(self) -> bool:
        """Whether it describes the folder, which it did when it was built a moment ago."""
        return True

    def close(self) -> None:
        """Does nothing: no file stays open."""


def open_folder(
    folder: str, progress: ShowProgress | None = None, note: Note | None = None, kind: Kind = IMAGES
) -> FolderIndex:
    """Indexes a folder.

    Args:
      folder: its path.
      progress: called with the number of examples so far, as text, and None.
      note: called with a sentence about what is unusual but not an error.
      kind: which files are examples.

    Raises:
      DataError: a folder in it can't be read.
    """
    folder = f'{folder.rstrip("/")}/'
    own_name, notes = escaped(Path(folder).resolve().name), list[str]()
    sizes, ends, path_ends = array('Q'), array('Q'), array('Q')
    names, paths = bytearray(), bytearray()
    labels, skipped = LabelColumn(kind.labels), SkippedFiles()
    for file in files_below(folder, kind, skipped):
        names += file.name.encode()
        paths += os.fsencode(file.path)
        sizes.append(file.size)
        ends.append(len(names))
        path_ends.append(len(paths))
        labels.add(file.name if '/' in file.name else f'{own_name}/{file.name}', file.label)
        if progress:
            progress(f'{len(sizes):,} {kind.noun}', None)
    skipped.tell(lambda words: notes.append(f'{folder!r} {words}'))
    if note:
        for sentence in notes:
            note(sentence)
    rows = np.zeros(len(sizes), ROW)
    rows['offset'] = np.arange(len(rows))  # distinguishes members, as places do in archives
    rows['size'], rows['name_end'] = sizes, ends
    rows['label'], texts, origin = labels.finish()
    others = '' if len(rows) else skipped.why_none()
    if others and skipped.first_archive:
        suffix = '.'.join(['', *skipped.first_archive.split('.')[1:]])
        others = f"but archives, for which give --data='{folder}*{suffix}'"
    header = Header(
        *(FORMAT, 0, 0, len(rows), len(names), True, '', notes, texts, kind.name, 0, origin, others)
    )
    contents = Contents(header, rows, memoryview(bytes(names)))
    return FolderIndex(folder, contents, _Paths(bytes(paths), np.array(path_ends, np.uint64)), kind)
