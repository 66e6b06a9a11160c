"""The index of a source: its examples and their places, so that later starts, shuffles and resumes are fast.

    python -m estimator_lab.data.tar_index ARCHIVE...

writes an index next to each archive; training writes one into the user's cache folder at the first use of an
archive. With an index, an uncompressed archive has random access; for a compressed one it saves the pass over
the headers.
"""

import contextlib
import functools
import hashlib
import itertools
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from estimator_lab.base.errors import DataError, option
from estimator_lab.data.archives.index_file import (
    IndexContents,
    path_in_cache,
    path_next_to,
    read_index_file,
    write_index_file,
)
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.examples.labels import FROM_SIDECARS
from estimator_lab.data.examples.member import BadExampleError, ChangedError, Data, Member, MemberBytes
from estimator_lab.data.sources import remote
from estimator_lab.data.sources.arrays import ArraySource
from estimator_lab.data.sources.blocks import BlockFile
from estimator_lab.data.sources.formats import scan_members
from estimator_lab.data.sources.reading import Format, Scan, Stored, open_stored
from estimator_lab.data.sources.source import Source, errors_naming

_HASHED = 2**16  # names at once
_TOGETHER = 1024  # members looked up at once


class Index:
    """The examples of one source, in stored order.

    Attributes:
      source: the source.
      labels: the labels that occur, in the order of their first members; '' for members without one.
      label_ids: the number in `labels` of the label of each member, uint32 [members].
      damage: a sentence that says where the archive is damaged; '' for a whole one.
      lasts: whether the same archive always gives this index; not if the system failed to read the archive.
    """

    def __init__(self, source: Source, kind: Kind, form: Format, contents: IndexContents) -> None:
        header, self._table, self._names = contents
        self.source = source
        self.path: Path | None = None  # of the file that holds it
        self.labels = tuple(header.labels)
        self.damage = header.damage
        self.lasts = True
        self._kind = kind
        self._format = form
        self._header = header
        self.label_ids, self._ends = self._table['label'], self._table['name_end']

    def __len__(self) -> int:
        return len(self._table)

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets another process map the file of the index, and read its archive as it was opened."""
        stored: str | IndexContents = self.fingerprint
        if self.path is None:
            stored = IndexContents(self._header, np.array(self._table), bytes(self._names))
        return _unpickled, (self.source, self._kind, self._format, self.path, stored, self._file)

    def check_any(self) -> None:
        """Raises DataError if there are no examples; it says what there is instead."""
        if not len(self):
            raise DataError(no_examples(self.source, self._kind, self._header.instead))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what is unusual but not an error."""
        return tuple(f'{self.source.name!r} {words}' for words in self._header.notes)

    @cached_property
    def random_access(self) -> bool:
        """Whether members can be read without the preceding ones."""
        return self._file is not None

    def label(self, row: int) -> str:
        """Returns the label of a member; '' if it has none."""
        return self.labels[self.label_ids.item(row)]

    def name(self, row: int) -> str:
        """Returns the name of a member."""
        start = self._ends.item(row - 1) if row else 0
        return str(self._names[start : self._ends.item(row)], 'utf-8')

    def key(self, row: int) -> str:
        """Returns the key of a member, or of the sample whose field it is."""
        return Member(self.source.name, self._kind.example_name(self.name(row))).key

    def why_no_label(self) -> str:
        """Returns why a member has no label, to end a sentence."""
        if self._kind.has_lines:
            return 'its line has none, as in (3 (2 not) (4 bad)), or as a label and a tab before the tree'
        if isinstance(self.source, ArraySource):
            return 'give a pair, (images, labels)'
        if self.source.table:
            return f'{option.labels}={self.source.table.path} has no line for it'
        missing = 'no .cls or .json file is next to it'
        if self._format.is_cached:  # an archive, which is read forward
            missing = 'no .cls or .json file is directly before or after it, as `tar --sort=name` writes them'
        if self._header.labels_from == FROM_SIDECARS:
            return f'{missing}, but others have one'
        return f'it is not in a folder, and {missing}; {option.labels}=FILE reads a table'

    def member(self, row: int, epoch: int = 0, source: MemberBytes | None = None) -> Member:
        """Returns a member; see `members`."""
        return self._member(row, self._table[row].item(), epoch, source)

    def members(self, rows: Sequence[int], epoch: int = 0, source: MemberBytes | None = None) -> list[Member]:
        """Returns members, without their data, as they are scheduled for an epoch.

        Their data are read by `source`, by default this index.
        """
        places = zip(rows, self._table[rows].tolist(), strict=True)
        return [self._member(row, place, epoch, source) for row, place in places]

    def _member(self, row: int, place: tuple[int, ...], epoch: int, source: MemberBytes | None) -> Member:
        offset, size, _, headers, checksum, label = place
        return Member(
            self.source.name,
            self.name(row),
            offset,
            self.labels[label],
            size,
            row,
            epoch,
            source=source or self,
            headers=headers,
            checksum=checksum,
        )

    def stored(self, rows: range, scan: Scan) -> Iterator[Member]:
        """Yields some consecutive members: with random access without their data.

        Raises:
          DataError: the source can't be read; or is damaged, after its last member, which is one of them.
        """
        if not rows:
            return
        if self.random_access:
            for start in range(rows.start, rows.stop, _TOGETHER):
                for member in self.members(range(start, min(start + _TOGETHER, rows.stop))):
                    scan.progress((member.row + 1 - rows.start) / len(rows))
                    yield member
        else:
            every = scan_members(self.source, self._kind, Scan(progress=scan.progress), self._format)
            for member in itertools.islice(every, rows.start, rows.stop):
                yield member._replace(label=self.label(member.row))
                del member
        if self.damage and rows.stop == len(self):
            raise DataError(self.damage)

    def column(self, name: str) -> np.ndarray:
        """Returns a column of `index_file.ROW`, but for labels, int64 [members]."""
        values: np.ndarray = self._table[name].astype(np.int64)
        return values

    def read(
        self, members: Sequence[Member], file: Stored | BlockFile | None = None
    ) -> list[Data | BadExampleError]:
        """Returns the data of members, or why they have none. Many threads may call it.

        They are read through `file`, if it is given.

        Raises:
          DataError: the archive can't be read, or is no longer the one that was indexed.
        """
        try:
            assert self._file, 'without random access, `scan_members` reads'
            return self._format.read(file or self._file, members)
        except ChangedError as error:
            remedy = 'Start again: it is then indexed anew.'
            with contextlib.suppress(OSError, DataError):
                path_in_cache(self.source, self._kind.fields).unlink(missing_ok=True)
            if (path := path_next_to(self.source)) and path.exists():  # which belongs to the user
                remedy = f'Remove {str(path)!r}, and start again.'
            raise DataError(f'{self.source.name!r} has changed since it was indexed. {remedy}') from error
        except (OSError, ValueError) as error:
            reason = getattr(error, 'strerror', None) or error
            raise DataError(f'{self.source.name!r} cannot be read any more: {reason}.') from error

    @property
    def remote_file(self) -> remote.RemoteFile | None:
        """The file on a server that members are read from; None for others, such as its copy in the cache."""
        return self._file if isinstance(self._file, remote.RemoteFile) else None

    @cached_property
    def is_slow(self) -> bool:
        """Whether many reads at once take about as long as one."""
        return self._file is not None and self._file.is_remote

    @cached_property
    def fingerprint(self) -> str:
        """Equal for archives with the same members, labels, headers and places; their names do not matter."""
        is_folder = self.source.is_folder
        names = ['size', 'name_end'] if is_folder else ['offset', 'size', 'name_end', 'checksum']
        labels = b''  # folders of members, which are in their names
        if self._header.labels_from:
            names.append('label')
            labels = '\0'.join(self.labels).encode('utf-8', 'surrogateescape')
        columns = (np.ascontiguousarray(self._table[name]).data for name in names)
        places = functools.reduce(lambda total, column: zlib.crc32(column, total), columns, 0)
        kind = 'folder ' if is_folder else ''
        return f'{kind}{len(self):x}-{places:08x}{zlib.crc32(labels, zlib.crc32(self._names)):08x}'

    @cached_property
    def name_hashes(self) -> np.ndarray:
        """A hash of each member's name, uniform over uint64 [members]."""
        hashes = np.empty(len(self), '>u8')
        for first in range(0, len(self), _HASHED):  # as in `name_hash`, in half the time
            ends = self._ends[first : first + _HASHED].tolist()
            starts = [self._ends.item(first - 1) if first else 0, *ends[:-1]]
            digests = (
                hashlib.blake2b(self._names[start:end], digest_size=8).digest()
                for start, end in zip(starts, ends, strict=True)
            )
            hashes[first : first + len(ends)] = np.frombuffer(b''.join(digests), '>u8')
        return hashes.astype(np.uint64)

    def write(self, path: Path) -> None:
        """Writes the index; see `write_index_file`."""
        write_index_file(path, IndexContents(self._header, self._table, self._names))
        self.path = path

    @cached_property
    def _file(self) -> Source | Stored | None:
        """What its members are read from at their places; None without random access."""
        with errors_naming(self.source.name):
            return open_stored(self.source) if self._format.is_cached else self.source


def _unpickled(
    source: Source,
    kind: Kind,
    form: Format,
    path: Path | None,
    stored: 'str | IndexContents',
    file: Source | Stored | None,
) -> Index:
    """Returns the index that another process has opened: `stored` itself, or its fingerprint and a path.

    Raises:
      DataError: the file at the path is gone, or of another archive.
    """
    contents = read_index_file(path) if path else cast(IndexContents, stored)
    if contents is None:
        raise DataError(f'The index {str(path)!r} of {source.name!r} is gone: start again.')
    index = Index(source, kind, form, contents._replace(names=memoryview(contents.names)))
    index.path, index._file = path, file
    if path and index.fingerprint != stored:
        raise DataError(f'{source.name!r} has changed since it was opened: start again.')
    return index


def no_examples(source: Source, kind: Kind, instead: str) -> str:
    """Returns the sentence for a source without examples; `instead` is what it holds, as `Header.instead`."""
    return f'{source.name!r} holds no {kind.noun}{instead and f", {instead}"}.'


def name_hash(name: str) -> int:
    """Returns a 64-bit hash of a member's name, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), 'big')
