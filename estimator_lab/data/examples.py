"""Examples that a command is given: files, folders, archives and pipes, one after the other."""

import io
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from estimator_lab.base.errors import DataError
from estimator_lab.base.printable import escaped
from estimator_lab.data.arrays import ArraySource
from estimator_lab.data.folder import data_of
from estimator_lab.data.formats import Scan
from estimator_lab.data.index import Note, build_index, open_index, scan_members
from estimator_lab.data.kind import Kind
from estimator_lab.data.labels import label_of
from estimator_lab.data.member import MAX_MEMBER_BYTES, BadExampleError, Member
from estimator_lab.data.order import ONLY_WORKER, IndexedOrder, WorkerShard
from estimator_lab.data.sources import STDIN, Source, decompressed, expand, source_of, why_unreadable
from estimator_lab.data.tar import is_tar
from estimator_lab.data.tar_headers import BLOCK

_TAR_SUFFIXES = ('.tar', '.tgz', '.tbz2', '.txz', '.tar.gz', '.tar.bz2', '.tar.xz')


class ExampleInput:
    """The examples below some paths, in that order; an `order.Order` of one epoch.

    Of a folder: all files with an example's name, at any depth, in the order of their names. Of a tar archive
    or a text: all members that training would read. Any other file is one example. Whether a pipe holds a
    tar, a text or one example is decided by its bytes.

    Args:
      paths: of files, folders and archives, globs, URLs, '-' for standard input; a `Source` stands for
        itself.
      kind: which members are examples.
      note: called with a sentence about what is unusual about an archive but not an error.

    Raises:
      DataError: for a path that is not there.
    """

    def __init__(self, paths: Sequence[str | Source], kind: Kind, note: Note = lambda line: None) -> None:
        self.sources = expand(paths, note, commas=False)
        self.kind = kind
        self._note = note
        self._share: float | None = None
        self._read = 0

    @property
    def paths(self) -> list[str]:
        """The names of what is read."""
        return [source.name for source in self.sources]

    def epoch(self, number: int) -> Iterator[Member]:
        """Yields every example once; see `Order.epoch`."""
        for done, source in enumerate(self.sources):
            self._share = done / len(self.sources)
            for member in self._members_of(source, done):
                self._read += 1
                yield member._replace(epoch=number)
                del member  # before the next is read

    def share(self, done: int) -> float | None:
        """Returns the share of all input, in [0, 1], that the first `done` examples are; None if unknown.

        Reading is ahead of the work: the share of the bytes read so far is divided by the examples in them.
        """
        return self._share and self._share * min(done / max(self._read, 1), 1)

    def onwards(self, consumed: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """Yields the examples of a worker from position `consumed` on, once."""
        return shard.of(itertools.islice(self.epoch(0), consumed, None))

    def _members_of(self, source: Source, done: int) -> Iterator[Member]:
        def progress(share: float) -> None:
            self._share = (done + share) / len(self.sources)

        if source.is_folder or isinstance(source, ArraySource):
            index = build_index(source, self.kind, note=self._note)
            members = IndexedOrder([index]).epoch(0)
            yield from members if source.is_folder else (one._replace(archive='') for one in members)
            if index.damage:
                raise DataError(index.damage)
            return
        if source.is_pipe:
            source = _Opened(source)
        if not (self.kind.has_lines or _is_archive(source)):
            yield self._single(source)
            return
        scan = Scan(note=lambda words: self._note(f'{source.name!r} {words}'), progress=progress)
        yield from scan_members(source, self.kind, scan)
        scan.skipped.report(scan.note)

    def _single(self, source: Source) -> Member:
        """Returns the example in a file of its own."""
        name = escaped(source.name)
        label = self.kind.labels.of(name) if self.kind.labels else label_of(str(Path(source.url).absolute()))
        if not (source.is_pipe or source.is_remote):
            path = Path(source.url)
            return Member('', name, 0, escaped(label), path.stat().st_size, source=_File(path))
        try:
            with source.open() as file:
                data = file.read(MAX_MEMBER_BYTES + 1)
        except OSError as error:
            raise DataError(why_unreadable(source.name, error)) from error
        if source.url == STDIN and not self.kind.labels:
            label = ''
        return Member('', name, 0, escaped(label), len(data), data=data)


def read_example(place: str, kind: Kind) -> Member:
    """Reads one example.

    Args:
      place: path or URL of its file, or of a tar archive and the name of a member, 'faces.tar:a/1.jpg'.
      kind: which members are examples.

    Raises:
      DataError: there is none, or it can't be read.
    """
    archive, name = _archive_and_name(place)
    member = _member_called(source_of(archive), name, kind) if name else _only_example(archive, kind)
    try:
        return member.read()
    except BadExampleError as reason:
        raise DataError(f'{member.place} cannot be read: {reason}.') from reason


def _only_example(path: str, kind: Kind) -> Member:
    """Returns the example in a file that holds exactly one."""
    found = list(itertools.islice(ExampleInput([path], kind).epoch(0), 1))
    if not found:
        raise DataError(f'{path!r} holds no {kind.name}.')
    (member,) = found
    if not member.archive and not Path(path).is_dir():
        return member
    raise DataError(f'{path!r} holds many {kind.noun}: name one of them, such as {member.key}.')


def _archive_and_name(place: str) -> tuple[str, str]:
    """Splits at the colon that ends an archive's path or URL; the name is '' if there is none."""
    if '://' in place:
        suffixes = '|'.join(map(re.escape, _TAR_SUFFIXES))
        found = re.match(rf'(\w+://.+?(?:{suffixes})(?:\?[^:]*)?):(.+)', place)
        return (found[1], found[2]) if found else (place, '')
    if place == STDIN or os.path.lexists(place):
        return place, ''
    colons = [match.start() for match in re.finditer(':', place)]
    for colon in colons:
        if Path(place[:colon]).is_file():
            return place[:colon], place[colon + 1 :]
    raise DataError(f'There is no file {place!r}' + (', and no archive before its colon.' if colons else '.'))


def _member_called(source: Source, name: str, kind: Kind) -> Member:
    index = open_index(source, kind)
    for row in range(len(index)):
        if index.name(row) in (name, escaped(name)):
            if index.random_access:
                return index.member(row)
            return next(itertools.islice(scan_members(source, kind, Scan()), row, None))
    example = f'; it has {index.name(0)!r}' if len(index) else ''
    raise DataError(f'{source.name!r} has no {kind.name} {name!r}{example}.')


def _is_archive(source: Source) -> bool:
    """Whether a file is a tar archive, by its name or its first bytes."""
    if source.url.lower().endswith(_TAR_SUFFIXES):
        return True
    file = source.open()
    try:
        return decompressed(file) is not None or is_tar(file.peek(BLOCK)[:BLOCK])
    except OSError as error:
        raise DataError(why_unreadable(source.name, error)) from error
    finally:
        if not source.is_pipe:
            file.close()


class _Opened(Source):
    """A pipe that is open, as its first bytes have to be looked at."""

    _file: io.BufferedReader

    def __new__(cls, source: Source) -> '_Opened':
        made = super().__new__(cls, source.name, source.url)
        made._file = source.open()
        return made

    def open(self) -> io.BufferedReader:
        """See `Source.open`."""
        return self._file


class _File(NamedTuple):
    """Reads the example in a file of its own."""

    path: Path

    def read(self, members: Sequence[Member]) -> list[bytes | BadExampleError]:
        """See `MemberReader.read`."""
        return [data_of(self.path)] * len(members)
