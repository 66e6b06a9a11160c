"""What is in an archive, and where: found out once, so that later starts, shuffles and resumes take no time.

    python -m estimator_lab.data.tar_index ARCHIVE...

writes an index beside each archive; training writes one into the user's cache folder at its first use.
The index of an uncompressed archive gives random access to its members; that of a compressed one still
saves the pass over its headers. `index_file` tells what it is on disk, and when it is believed.
"""

import contextlib
import functools
import hashlib
import os
import zlib
from array import array
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from estimator_lab.console.regular_files import read_regular
from estimator_lab.data.cache import cache_folder
from estimator_lab.data.file_types import SkippedFiles
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.label_table import FROM_SIDECARS, LabelColumn
from estimator_lab.data.member import Member, problem_of
from estimator_lab.data.tar.headers import BLOCK, Entry
from estimator_lab.data.tar.index_file import (
    FORMAT,
    MOST_HEADER_BYTES,
    NO_HEADERS,
    NOT_IN_ONE_PIECE,
    ROW,
    Contents,
    Header,
    read_index_file,
    write_index_file,
)
from estimator_lab.data.tar.random_access import RandomAccess, Row
from estimator_lab.data.tar.sources import Stamp, is_pipe, is_url, sample_of, stamp_of
from estimator_lab.data.tar.stream import Note, is_compressed, scan_members
from estimator_lab.errors import DataError

ShowProgress = Callable[[str, float | None], None]

_MEASURED = ('offset', 'size', 'name_end', 'headers', 'checksum')


class Index:
    """The members of one archive that are examples, in stored order.

    Attributes:
      archive: its path or URL.
      labels: the labels that occur, in the order of their first members; '' for images in no folder.
      random_access: whether `member` can be called.
      damage: the sentence that tells where the archive breaks off or is damaged; '' for a whole one.
      notes: sentences that tell what is unusual about it but no error.
      others: what it holds instead of examples, where it has none, as the end of a sentence.
    """

    def __init__(
        self, archive: str, contents: Contents, path: Path | None = None, kind: Kind = IMAGES
    ) -> None:
        """Makes an index of its contents, which were read from `path`, or just built."""
        header, self._rows, self._names = contents
        # A column is looked up in a third of the time of a row's field.
        self._ends = self._rows['name_end']
        self.archive = archive
        self.labels = tuple(header.labels)
        self.random_access = header.random_access
        self.damage = header.damage
        self.notes = tuple(header.notes)
        self.others = header.others
        self._header = header
        self._path = path
        self._kind = kind
        self._access = RandomAccess(archive, header.mtime_ns, kind)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the index takes once all of it has been looked at."""
        return self._rows.nbytes + self._names.nbytes

    @property
    def is_text(self) -> bool:
        """Whether its members are lines of a text."""
        return bool(len(self)) and self._rows['headers'][0] == NO_HEADERS

    @property
    def label_ids(self) -> np.ndarray:
        """For each member the number of its label in `labels`, uint32 [members]."""
        return self._rows['label']

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many images each label has."""
        counts = np.bincount(self.label_ids, minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))

    def name(self, row: int) -> str:
        """Returns the name of a member."""
        start = self._ends.item(row - 1) if row else 0
        return str(self._names[start : self._ends.item(row)], 'utf-8')

    def label(self, row: int) -> str:
        """Returns the label of a member, '' where it has none."""
        return self.labels[self._rows['label'].item(row)]

    def why_no_label(self, row: int) -> str:
        """Returns why a member has no label, as the end of a sentence."""
        if self.is_text:
            return 'its line shows none, as (3 (2 not) (4 bad)) does, or a label and a tab before the tree'
        if self._kind.labels:
            return f'--labels={self._kind.labels.path} has no line for it'
        if self._header.labels_from == FROM_SIDECARS:
            return 'no .cls or .json file lies beside it, as beside others'
        return 'it lies in no folder, with no .cls or .json file beside it; --labels=FILE takes a table'

    def member(self, row: int) -> Member:
        """Returns a member, without its data."""
        return self.members([row])[0]

    def members(self, rows: Sequence[int], epoch: int = 0) -> list[Member]:
        """Returns members, without their data, as they are scheduled for an epoch."""
        members = []
        for row, (offset, size, _, _, _, label) in zip(rows, self._rows[rows].tolist(), strict=True):
            unread, text = 0 if problem_of(size) else size, self.labels[label]
            members.append(
                Member(self.archive, self.name(row), offset, b'', '', text, epoch, row, unread, self)
            )
        return members

    def read(self, members: Sequence[Member]) -> list[Member]:
        """Reads members; several in one call are less work than one by one. Many threads may call it.

        Raises:
          DataError: the archive can't be read, or is no longer the one that was indexed.
        """
        rows = self._rows[[member.row for member in members]].tolist()
        with self._access.together(row for row in rows if not problem_of(row[1])):
            return list(map(self._read, members, rows))

    def still_fits(self) -> bool:
        """Whether the first, the middle and the last member are still where they were.

        Of a compressed archive, whether some of its bytes are the same; a URL is not looked at.

        Raises:
          DataError: the archive can't be read.
        """
        if is_url(self.archive):
            return not self.random_access
        if self.random_access == is_compressed(self.archive):
            return False
        if not self.random_access:
            return sample_of(self.archive) == self._header.sample
        rows = sorted({0, len(self) // 2, len(self) - 1}) if len(self) else []
        try:
            return all(self._access.header_is_there(self._rows.item(row)) for row in rows)
        finally:
            self.close()

    def close(self) -> None:
        """Lets go of the archive; it is opened again if it is read again."""
        self._access.close()

    @cached_property
    def fingerprint(self) -> str:
        """The same for archives of the same members, headers and places, whatever the files are called."""
        names = ['offset', 'size', 'name_end', 'checksum']
        if self._header.labels_from:
            names.append('label')
        columns = (np.ascontiguousarray(self._rows[name]).data for name in names)
        places = functools.reduce(lambda total, column: zlib.crc32(column, total), columns, 0)
        return f'{len(self):x}-{places:08x}{zlib.crc32(self._names):08x}'

    @cached_property
    def name_hashes(self) -> np.ndarray:
        """A number for each member that depends on its name alone, uniform over uint64."""
        return np.fromiter((name_hash(self.name(row)) for row in range(len(self))), np.uint64, len(self))

    def write(self, path: Path) -> None:
        """Writes the index; a reader never sees half of one.

        Raises:
          OSError: it can't be written.
        """
        contents = write_index_file(path, Contents(self._header, self._rows, self._names))
        self._header, self._path = contents.header, path

    def _read(self, member: Member, row: Row) -> Member:
        problem = problem_of(row[1])
        data = b'' if problem else self._access.data(member.name, row)
        if data is None:
            raise DataError(
                f'{self.archive!r} has changed since it was indexed: member {member.name!r} is no longer '
                f'at byte {member.offset}. {self._distrust()}'
            )
        return member._replace(data=data, problem=problem, row=0, unread=0, source=None)

    def _distrust(self) -> str:
        """Sees to it that no later start believes this index, and says what is left to do."""
        again = 'Start again, and it is indexed anew.'
        try:
            path_in_cache(self.archive).unlink(missing_ok=True)
            if self._path == path_beside(self.archive):  # it is the user's, who may well need it elsewhere
                _distrusted(self.archive).parent.mkdir(parents=True, exist_ok=True)
                _distrusted(self.archive).write_text(f'{self._header.checksum}')
        except OSError:
            return f'Remove {str(self._path)!r}. {again}' if self._path else again
        return again


def name_hash(name: str) -> int:
    """Returns a 64-bit hash of a member's name, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), 'big')


def open_index(
    archive: str, progress: ShowProgress | None = None, note: Note | None = None, kind: Kind = IMAGES
) -> Index:
    """Returns the index of a stored archive: the one beside it, or in the cache, or a new one in the cache.

    An index is taken only if the archive has the same size and modification time as when it was indexed, if
    some of its members are still where they were, and if all that it says can be true.

    Args:
      archive: path or URL of a tar archive.
      progress: called with what was done and the share of the archive that lies behind.
      note: told what is unusual about the archive but no error.
      kind: which members are examples; an index of others is made anew.

    Raises:
      DataError: the archive can't be read, or breaks off before its first image.
    """
    stamp = stamp_of(archive)
    if stamp is None:
        raise DataError(f'{archive!r} passes by only once, so that it cannot be indexed.')
    for path in (path_beside(archive), path_in_cache(archive)):
        if path and (found := _believed(path, archive, stamp, kind)):
            if note:
                for sentence in found.notes:
                    note(sentence)
            return found
    index = build_index(archive, progress, note, kind)
    with contextlib.suppress(OSError):  # keeping it saves time, no more
        index.write(path_in_cache(archive))
    return index


def build_index(
    archive: str, progress: ShowProgress | None = None, note: Note | None = None, kind: Kind = IMAGES
) -> Index:
    """Reads the headers of an archive.

    Raises:
      DataError: it can't be read, or breaks off before its first image.
    """
    stamp = stamp_of(archive) or Stamp(0, 0)
    notes: list[str] = []
    columns: dict[str, array[int]] = {name: array('Q') for name in _MEASURED}
    offsets, sizes, ends, headers, checksums = columns.values()
    names, labels, damage = bytearray(), LabelColumn(kind.labels), ''
    passed = SkippedFiles()

    def keep(sentence: str) -> None:
        notes.append(sentence)
        if note:
            note(sentence)

    def show(share: float) -> None:
        if progress:
            progress(f'{len(offsets):,} {kind.noun}', share)

    try:
        for entry in scan_members(archive, show, keep, kind, passed):
            names += entry.name.encode()
            offsets.append(entry.offset)
            sizes.append(entry.size)
            ends.append(len(names))
            headers.append(_header_bytes(entry))
            checksums.append(entry.checksum)
            labels.add(entry.name, entry.label)
    except DataError as error:
        if not offsets:
            raise
        damage = str(error)
    rows = np.empty(len(offsets), ROW)
    for name, column in columns.items():
        rows[name] = column
    rows['label'], texts, origin = labels.finish()
    is_stored = not is_url(archive) and not is_pipe(archive)
    random_access = is_stored and not is_compressed(archive)
    sample = sample_of(archive) if is_stored and not random_access else 0
    counts = len(rows), len(names)
    others = '' if len(rows) else passed.why_none()
    header = Header(
        *(FORMAT, *stamp, *counts, random_access, damage, notes, texts, kind.name, sample, origin, others)
    )
    return Index(archive, Contents(header, rows, memoryview(names)), kind=kind)


def path_beside(archive: str) -> Path | None:
    """Returns where an index lies beside its archive; None beside a URL."""
    return None if is_url(archive) else Path(f'{archive}.index')


def path_in_cache(archive: str) -> Path:
    """Returns where the cache folder keeps the index of an archive."""
    place = archive if is_url(archive) else str(Path(archive).resolve())
    return cache_folder() / 'index' / f'{hashlib.sha256(os.fsencode(place)).hexdigest()[:32]}.index'


def _distrusted(archive: str) -> Path:
    """Returns where the cache folder keeps the checksum of a wrong index that lies beside its archive."""
    return path_in_cache(archive).with_suffix('.distrusted')


def _believed(path: Path, archive: str, stamp: Stamp, kind: Kind) -> Index | None:
    """Returns the index in a file, None if there is none that can be believed."""
    contents = read_index_file(path, stamp)
    if contents is None or contents.header.kind != kind.name:
        return None
    known = (kind.labels.fingerprint,) if kind.labels else ('', FROM_SIDECARS)
    if contents.header.labels_from not in known:
        return None
    if path == path_beside(archive):
        with contextlib.suppress(OSError, ValueError):
            if read_regular(_distrusted(archive), BLOCK) == b'%d' % contents.header.checksum:
                return None
    index = Index(archive, contents, path, kind)
    return index if index.still_fits() else None


def _header_bytes(entry: Entry) -> int:
    """Returns the bytes from a member's first header to its data, if it can be read by them."""
    count = entry.data - entry.offset
    if not count:
        return NO_HEADERS
    return NOT_IN_ONE_PIECE if entry.is_sparse or count > MOST_HEADER_BYTES else count
