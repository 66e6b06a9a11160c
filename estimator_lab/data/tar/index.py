"""The index of an archive: its members and their places, so that later starts, shuffles and resumes are fast.

    python -m estimator_lab.data.tar_index ARCHIVE...

writes an index next to each archive; training writes one into the user's cache folder at the first use of an
archive. With an index, an uncompressed archive has random access; for a compressed one it saves the pass over
the headers. `index_file` describes the file and when it is used.
"""

import contextlib
import functools
import hashlib
import os
import zlib
from array import array
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from estimator_lab.base.regular_files import read_regular
from estimator_lab.base.urls import unsigned
from estimator_lab.data.cache import cache_folder
from estimator_lab.data.file_types import SkippedFiles
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.label_table import FROM_SIDECARS, LabelColumn
from estimator_lab.data.member import Member, problem_of
from estimator_lab.data.storage.failures import RemoteError
from estimator_lab.data.storage.files import open_remote
from estimator_lab.data.storage.io_threads import submit
from estimator_lab.data.storage.names import is_url, private_name
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
from estimator_lab.data.tar.sources import Stamp, is_elsewhere, is_pipe, sample_of, stamp_of
from estimator_lab.data.tar.stream import Note, is_compressed, scan_members
from estimator_lab.errors import DataError

ShowProgress = Callable[[str, float | None], None]

_MEASURED = ('offset', 'size', 'name_end', 'headers', 'checksum')


class Index:
    """The members of one archive that are examples, in stored order.

    Attributes:
      archive: its path or URL.
      labels: the labels that occur, in the order of their first members; '' for members without one.
      random_access: whether `read` can be called.
      damage: a sentence that says where the archive is damaged; '' for a whole one.
      lasts: whether the same archive always gives this index; not if the system failed to read the archive.
      notes: sentences about what is unusual but not an error.
      others: what an archive without examples holds instead, to end a sentence.
    """

    def __init__(
        self, archive: str, contents: Contents, path: Path | None = None, kind: Kind = IMAGES
    ) -> None:
        """Makes an index of its contents; `path` is the file that they were read from, None for new ones."""
        header, self._rows, self._names = contents
        # Looking up a column takes a third of the time of a row's field.
        self._ends = self._rows['name_end']
        self.archive = archive
        self.labels = tuple(header.labels)
        self.random_access = header.random_access
        self.damage = header.damage
        self.lasts = True
        self.notes = tuple(header.notes)
        self.others = header.others
        self._header = header
        self._path = path
        self._kind = kind
        self._access = RandomAccess(archive, header.mtime_ns, kind, is_elsewhere(archive))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        """Bytes of memory of the whole index."""
        return self._rows.nbytes + self._names.nbytes

    @property
    def is_text(self) -> bool:
        """Whether its members are lines of a text."""
        return bool(len(self)) and self._rows['headers'][0] == NO_HEADERS

    @property
    def label_ids(self) -> np.ndarray:
        """The number in `labels` of the label of each member, uint32 [members]."""
        return self._rows['label']

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of members by label."""
        counts = np.bincount(self.label_ids, minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))

    def name(self, row: int) -> str:
        """Returns the name of a member."""
        start = self._ends.item(row - 1) if row else 0
        return str(self._names[start : self._ends.item(row)], 'utf-8')

    def label(self, row: int) -> str:
        """Returns the label of a member, '' if it has none."""
        return self.labels[self._rows['label'].item(row)]

    def why_no_label(self, row: int) -> str:
        """Returns why a member has no label, to end a sentence."""
        if self.is_text:
            return (
                'its line has none, as in (3 (2 not) (4 bad)), or as a label and a tab in front of the tree'
            )
        if self._kind.labels:
            return f'--labels={self._kind.labels.path} has no line for it'
        if self._header.labels_from == FROM_SIDECARS:
            return 'no .cls or .json file is next to it, as next to others'
        return 'it is not in a folder, and no .cls or .json file is next to it; --labels=FILE reads a table'

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
        if len(rows) > 1 and self.is_slow:
            under_way = [submit(partial(self._read, *one)) for one in zip(members, rows, strict=True)]
            return [one.result() for one in under_way]
        with self._access.together(row for row in rows if not problem_of(row[1])):
            return list(map(self._read, members, rows))

    @property
    def is_slow(self) -> bool:
        """Whether reading many members at once takes about as long as reading one."""
        return self.random_access and self._access.is_slow

    def still_fits(self) -> bool:
        """Whether the first, middle and last members are where they were.

        For a compressed archive, whether some of its bytes are the same. A URL is not checked: fsspec's have
        an ETag, which is compared at each read.

        Raises:
          DataError: the archive can't be read.
        """
        if is_url(self.archive):
            return self._access.is_elsewhere or not self.random_access
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
        """Closes the archive; reading opens it again."""
        self._access.close()

    @cached_property
    def fingerprint(self) -> str:
        """Equal for archives with the same members, headers and places; the files' names do not matter."""
        names = ['offset', 'size', 'name_end', 'checksum']
        if self._header.labels_from:
            names.append('label')
        columns = (np.ascontiguousarray(self._rows[name]).data for name in names)
        places = functools.reduce(lambda total, column: zlib.crc32(column, total), columns, 0)
        return f'{len(self):x}-{places:08x}{zlib.crc32(self._names):08x}'

    @cached_property
    def name_hashes(self) -> np.ndarray:
        """A hash of each member's name, uniform over uint64 [members]."""
        return np.fromiter((name_hash(self.name(row)) for row in range(len(self))), np.uint64, len(self))

    def write(self, path: Path) -> None:
        """Writes the index, which appears whole or not at all.

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
        """Makes later starts ignore this index; returns what the user has to do."""
        again = 'Start again: it is then indexed anew.'
        try:
            path_in_cache(self.archive).unlink(missing_ok=True)
            if self._path == path_next_to(
                self.archive
            ):  # which belongs to the user, who may need it elsewhere
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
    """Returns the index of a stored archive: the one next to it, or in the cache, or a new one in the cache.

    An index is used only if the archive has the same size and modification time as when it was indexed, some
    of its members are where they were, and the contents of the index are possible.

    Args:
      archive: path or URL of a tar archive.
      progress: called with the number of examples so far, as text, and the share of the archive that was
        read.
      note: called with a sentence about what is unusual but not an error.
      kind: which members are examples; an index of another kind is replaced.

    Raises:
      DataError: the archive can't be read, or is damaged before its first example.
    """
    stamp = stamp_of(archive)
    if stamp is None:
        raise DataError(f'{archive!r} can be read only once, so that it cannot be indexed.')
    for path in (path_next_to(archive), path_in_cache(archive)):
        if path and (found := _usable_index(path, archive, stamp, kind)):
            if note:
                for sentence in found.notes:
                    note(sentence)
            return found
    index = build_index(archive, progress, note, kind)
    if index.lasts:
        with contextlib.suppress(OSError):  # it only saves time
            index.write(path_in_cache(archive))
    return index


def build_index(
    archive: str, progress: ShowProgress | None = None, note: Note | None = None, kind: Kind = IMAGES
) -> Index:
    """Indexes an archive by reading its headers; see `open_index`.

    Raises:
      DataError: it can't be read, or is damaged before its first example.
    """
    stamp = stamp_of(archive) or Stamp(0, 0)
    notes: list[str] = []
    columns: dict[str, array[int]] = {name: array('Q') for name in _MEASURED}
    offsets, sizes, ends, headers, checksums = columns.values()
    names, labels, damage, lasts = bytearray(), LabelColumn(kind.labels), '', True
    skipped = SkippedFiles()

    def keep(sentence: str) -> None:
        notes.append(sentence)
        if note:
            note(sentence)

    def show(share: float) -> None:
        if progress:
            progress(f'{len(offsets):,} {kind.noun}', share)

    try:
        for entry in scan_members(archive, show, keep, kind, skipped):
            names += entry.name.encode()
            offsets.append(entry.offset)
            sizes.append(entry.size)
            ends.append(len(names))
            headers.append(_header_bytes(entry))
            checksums.append(entry.checksum)
            labels.add(entry.name, entry.label)
    except DataError as error:
        if not offsets or isinstance(error.__cause__, RemoteError):
            raise
        damage = str(error)
        lasts = not getattr(error.__cause__, 'errno', None)
    rows = np.empty(len(offsets), ROW)
    for name, column in columns.items():
        rows[name] = column
    rows['label'], texts, origin = labels.finish()
    is_stored = not is_url(archive) and not is_pipe(archive)
    has_ranges = is_stored or (is_elsewhere(archive) and open_remote(archive).facts.has_ranges)
    random_access = has_ranges and not is_compressed(archive)
    sample = sample_of(archive) if is_stored and not random_access else 0
    counts = len(rows), len(names)
    others = '' if len(rows) else skipped.why_none()
    header = Header(
        *(FORMAT, *stamp, *counts, random_access, damage, notes, texts, kind.name, sample, origin, others)
    )
    index = Index(archive, Contents(header, rows, memoryview(names)), kind=kind)
    index.lasts = lasts
    return index


def path_next_to(archive: str) -> Path | None:
    """Returns the path of an index next to its archive; None for a URL."""
    return None if is_url(archive) else Path(f'{archive}.index')


def path_in_cache(archive: str) -> Path:
    """Returns the path in the cache folder of the index of an archive."""
    place = unsigned(private_name(archive)) if is_url(archive) else str(Path(archive).resolve())
    return cache_folder() / 'index' / f'{hashlib.sha256(os.fsencode(place)).hexdigest()[:32]}.index'


def _distrusted(archive: str) -> Path:
    """Returns the path in the cache folder of the checksum of a wrong index next to its archive."""
    return path_in_cache(archive).with_suffix('.distrusted')


def _usable_index(path: Path, archive: str, stamp: Stamp, kind: Kind) -> Index | None:
    """Returns the index in a file; None if there is none that can be used."""
    contents = read_index_file(path, stamp)
    if contents is None or contents.header.kind != kind.name:
        return None
    known = (kind.labels.fingerprint,) if kind.labels else ('', FROM_SIDECARS)
    if contents.header.labels_from not in known:
        return None
    if path == path_next_to(archive):
        with contextlib.suppress(OSError, ValueError):
            if read_regular(_distrusted(archive), BLOCK) == b'%d' % contents.header.checksum:
                return None
    index = Index(archive, contents, path, kind)
    return index if index.still_fits() else None


def _header_bytes(entry: Entry) -> int:
    """Returns the bytes from the first header of a member to its data, or why they do not matter."""
    count = entry.data - entry.offset
    if not count:
        return NO_HEADERS
    return NOT_IN_ONE_PIECE if entry.is_sparse or count > MOST_HEADER_BYTES else count
