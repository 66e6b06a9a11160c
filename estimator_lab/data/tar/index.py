"""What is in an archive, and where: found out once, so that later starts, shuffles and resumes take no time.

    python -m estimator_lab.data.tar_index ARCHIVE...

writes an index beside each archive; training writes one into the user's cache folder at its first use.
The index of an uncompressed archive gives random access to its members; that of a compressed one still
saves the pass over its headers. On disk it is one line of JSON, a row of 36 bytes for each member, and the
names; it is mapped into memory, not read.
"""

import contextlib
import hashlib
import json
import mmap
import os
import zlib
from array import array
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from estimator_lab.data.cache import cache_folder, partial_name
from estimator_lab.data.labels import label_of
from estimator_lab.data.tar.headers import BLOCK
from estimator_lab.data.tar.sources import Stamp, is_pipe, is_url, stamp_of
from estimator_lab.data.tar.stream import (
    MAX_MEMBER_BYTES,
    Member,
    Note,
    is_compressed,
    member_at,
    problem_of,
    scan_members,
)
from estimator_lab.errors import DataError

ShowProgress = Callable[[str, float | None], None]

_FORMAT = 'estimator_lab index 1'
_ALIGN = 64
_FILES_KEPT_OPEN = 128  # a process may have 1,024 in all, and a data set more shards
_SPARSE = 0  # as the length of the headers: the data doesn't lie there in one piece
_PROGRESS_EVERY = 1000
_ROW = np.dtype(
    [
        ('offset', '<u8'),  # of the member's first header block
        ('size', '<u8'),  # of its data
        ('name_end', '<u8'),  # in the names, which follow each other
        ('headers', '<u4'),  # bytes from its first header block to its data
        ('checksum', '<u4'),  # Adler-32 of that block
        ('label', '<u4'),  # number of its label
    ]
)


class _Header(NamedTuple):
    """The line of JSON."""

    format: str
    size: int
    mtime_ns: int
    members: int
    name_bytes: int
    random_access: bool
    damage: str
    labels: list[str]


class Index:
    """The image members of one archive, in stored order.

    Attributes:
      archive: its path or URL.
      labels: the labels that occur, in the order of their first members; '' for images in no folder.
      random_access: whether `member` can be called.
      damage: the sentence that tells where the archive breaks off or is damaged; '' for a whole one.
    """

    def __init__(self, archive: str, header: _Header, rows: np.ndarray, names: memoryview) -> None:
        self.archive = archive
        self.labels = tuple(header.labels)
        self.random_access = header.random_access
        self.damage = header.damage
        self._header = header
        self._rows = rows
        self._names = names

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the index takes once all of it has been looked at."""
        return self._rows.nbytes + self._names.nbytes

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
        start = self._rows['name_end'][row - 1] if row else 0
        return str(self._names[start : self._rows['name_end'][row]], 'utf-8')

    def offset(self, row: int) -> int:
        """Returns the offset of a member's first header block."""
        return int(self._rows['offset'][row])

    def member(self, row: int) -> Member:
        """Reads a member; may be called from many threads.

        Raises:
          DataError: the archive can't be read, or is no longer the one that was indexed.
        """
        offset, size, _, headers, checksum, _ = self._rows[row].item()
        name = self.name(row)
        if size > MAX_MEMBER_BYTES:
            return Member(self.archive, name, offset, b'', problem_of(size))
        if headers == _SPARSE:
            member = member_at(self.archive, offset)
            data = member.data if member.name == name else b''
        else:
            stored = self._read(headers + size, offset)
            data = stored[headers:] if zlib.adler32(stored[:BLOCK]) == checksum else b''
        if len(data) != size:
            raise DataError(
                f'{self.archive!r} has changed since it was indexed: member {name!r} is no longer at byte '
                f'{offset}. Start again, and it is indexed anew.'
            )
        return Member(self.archive, name, offset, data)

    @cached_property
    def name_hashes(self) -> np.ndarray:
        """A number for each member that depends on its name alone, uniform over uint64."""
        return np.fromiter((name_hash(self.name(row)) for row in range(len(self))), np.uint64, len(self))

    def write(self, path: Path) -> None:
        """Writes the index; a reader never sees half of one.

        Raises:
          OSError: it can't be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_name(path)
        try:
            with partial.open('wb') as file:
                file.write(_encode_header(self._header))
                file.write(self._rows.tobytes())
                file.write(self._names)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _read(self, count: int, offset: int) -> bytes:
        try:
            file = _open_file(self.archive, self._header.mtime_ns)
            return os.pread(file.descriptor, count, offset)
        except OSError as error:
            raise DataError(f'{self.archive!r} cannot be read any more: {error.strerror}.') from error


class _OpenFile:
    """A file that is closed when the last thread has let go of it."""

    descriptor = -1

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


@lru_cache(maxsize=_FILES_KEPT_OPEN)
def _open_file(archive: str, mtime_ns: int) -> _OpenFile:
    return _OpenFile(archive)


def name_hash(name: str) -> int:
    """Returns a 64-bit hash of a member's name, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), 'big')


def open_index(archive: str, progress: ShowProgress | None = None, note: Note | None = None) -> Index:
    """Returns the index of a stored archive: the one beside it, or in the cache, or a new one in the cache.

    An index is taken only if the archive has the same size and modification time as when it was indexed.

    Args:
      archive: path or URL of a tar archive.
      progress: called with what was done and the share of the archive that lies behind.
      note: told, where a new one is made, what is unusual about the archive but no error.

    Raises:
      DataError: the archive can't be read, or breaks off before its first image.
    """
    stamp = stamp_of(archive)
    if stamp is None:
        raise DataError(f'{archive!r} passes by only once, so that it cannot be indexed.')
    for path in (path_beside(archive), path_in_cache(archive)):
        if path and (found := _read(path, archive, stamp)):
            return found
    index = build_index(archive, progress, note)
    with contextlib.suppress(OSError):  # keeping it saves time, no more
        index.write(path_in_cache(archive))
    return index


def build_index(archive: str, progress: ShowProgress | None = None, note: Note | None = None) -> Index:
    """Reads the headers of an archive.

    Raises:
      DataError: it can't be read, or breaks off before its first image.
    """
    stamp = stamp_of(archive) or Stamp(0, 0)
    columns: dict[str, array[int]] = {name: array('Q') for name in _ROW.names or ()}
    offsets, sizes, ends, headers, checksums, label_ids = columns.values()
    names, labels, damage = bytearray(), dict[str, int](), ''
    last_folder, label_id = None, 0

    def show(share: float) -> None:
        if progress:
            progress(f'{len(offsets):,} images', share)

    try:
        for entry in scan_members(archive, show, note):
            names += entry.name.encode()
            offsets.append(entry.offset)
            sizes.append(entry.size)
            ends.append(len(names))
            headers.append(_SPARSE if entry.is_sparse else entry.data - entry.offset)
            checksums.append(entry.checksum)
            folder = entry.name.rpartition('/')[0]
            if folder != last_folder:  # members of one folder mostly follow each other
                last_folder, label_id = folder, labels.setdefault(label_of(entry.name), len(labels))
            label_ids.append(label_id)
    except DataError as error:
        if not offsets:
            raise
        damage = str(error)
    rows = np.empty(len(offsets), _ROW)
    for name, column in columns.items():
        rows[name] = column
    random_access = not is_url(archive) and not is_pipe(archive) and not is_compressed(archive)
    header = _Header(_FORMAT, *stamp, len(rows), len(names), random_access, damage, list(labels))
    return Index(archive, header, rows, memoryview(names))


def path_beside(archive: str) -> Path | None:
    """Returns where an index lies beside its archive; None beside a URL."""
    return None if is_url(archive) else Path(f'{archive}.index')


def path_in_cache(archive: str) -> Path:
    """Returns where the cache folder keeps the index of an archive."""
    place = archive if is_url(archive) else str(Path(archive).resolve())
    return cache_folder() / 'index' / f'{hashlib.sha256(os.fsencode(place)).hexdigest()[:32]}.index'


def _read(path: Path, archive: str, stamp: Stamp) -> Index | None:
    """Returns the index in a file, None if there is none that is whole and belongs to the archive."""
    try:
        with path.open('rb') as file:
            line = file.readline()
            header = _Header(**json.loads(line))
            expected = len(line) + header.members * _ROW.itemsize + header.name_bytes
            if header.format != _FORMAT or (header.size, header.mtime_ns) != stamp:
                return None
            if os.fstat(file.fileno()).st_size != expected:
                return None
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError, TypeError):
        return None
    names_start = expected - header.name_bytes
    rows = np.frombuffer(whole[len(line) : names_start], _ROW)
    return Index(archive, header, rows, whole[names_start:])


def _encode_header(header: _Header) -> bytes:
    """Returns the line of JSON, filled up so that the rows behind it are aligned."""
    text = json.dumps(header._asdict()).encode()
    return text + b' ' * (-(len(text) + 1) % _ALIGN) + b'\n'
