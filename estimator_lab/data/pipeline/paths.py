"""Examples of files, folders, archives, texts and pipes, one after the other."""

import io
import itertools
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from estimator_lab.base.printable import escaped
from estimator_lab.data.file_types import SkippedFiles
from estimator_lab.data.folder.walk import files_below
from estimator_lab.data.images.kind import IMAGES
from estimator_lab.data.kind import Kind
from estimator_lab.data.labels import label_of
from estimator_lab.data.member import MAX_MEMBER_BYTES, Member, problem_of
from estimator_lab.data.members import is_folder, mode_of, open_index
from estimator_lab.data.order.split_and_shard import ONLY_WORKER, WorkerShard
from estimator_lab.data.storage.names import is_url
from estimator_lab.data.tar.headers import BLOCK
from estimator_lab.data.tar.sources import expand_paths, is_pipe, open_archive, why_unreadable
from estimator_lab.data.tar.stream import Note, is_tar, stream_members
from estimator_lab.errors import DataError

_TAR_SUFFIXES = ('.tar', '.tgz', '.tbz2', '.txz', '.tar.gz', '.tar.bz2', '.tar.xz')


@dataclass(frozen=True)
class _File:
    """A file that is one example: the source of its member.

    Attributes:
      path: of the file; '-' is standard input.
      piped: its bytes, if it can't be read twice.
    """

    path: str
    piped: bytes | None = None
    is_slow: bool = False

    def member(self, epoch: int, label: str | None = None) -> Member:
        """Returns the member, without its data; its label is the name of its folder where `label` is None."""
        name = escaped(self.path)
        try:
            size = len(self.piped) if self.piped is not None else Path(self.path).stat().st_size
        except (OSError, ValueError):  # it won't be read either
            size = 0
        label = label_of(name) if label is None else label
        return Member('', name, 0, label=label, epoch=epoch, unread=size, source=self)

    def read(self, members: Sequence[Member]) -> list[Member]:
        """Returns the member with its data; a file that can't be read has a `problem` instead."""
        data, problem = self.piped or b'', ''
        if self.piped is None and is_pipe(self.path):  # opening one may block
            problem = 'it is a FIFO, a socket or a device, not a file'
        elif self.piped is None:
            try:
                with open_archive(self.path) as file:
                    data = file.read(MAX_MEMBER_BYTES + 1)
            except (DataError, OSError) as error:
                problem = str(error).rstrip('.')
        problem = problem or problem_of(len(data))
        data = b'' if problem else data
        return [member._replace(data=data, problem=problem, unread=0, source=None) for member in members]


class ExampleInput:
    """The examples below some paths, in that order; an `order.Order` of one epoch.

    Of a folder: all files with an example's name, at any depth, in the order of their names. Of a tar archive
    or a text: all members that training would read. Any other file is one example. Whether a pipe holds a
    tar, a text or one example is decided by its bytes.

    Args:
      paths: of files, folders and archives, globs, URLs, '-' for standard input.
      note: called with a sentence about what is unusual about an archive but not an error.
      kind: which members are examples.

    Raises:
      DataError: for a path that is not there.
    """

    def __init__(self, paths: Sequence[str], note: Note | None = None, kind: Kind = IMAGES) -> None:
        self.paths = expand_paths(paths, note or (lambda line: None))
        self.kind = kind
        self._share: float | None = None
        self._read = 0
        self._note = note

    def epoch(self, number: int) -> Iterator[Member]:
        """Yields every example once; see `Order.epoch`."""
        for done, path in enumerate(self.paths):
            members = _members_of(path, number, self.kind, self._note, partial(self._set_share, done))
            yield from map(self._counted, members)

    def share(self, done: int) -> float | None:
        """Returns the share of all input, in [0, 1], that the first `done` examples are; None if unknown.

        Reading is ahead of the work: the share of the bytes read so far is divided by the examples in them.
        """
        return self._share and self._share * min(done / max(self._read, 1), 1)

    def _counted(self, member: Member) -> Member:
        self._read += 1
        return member

    def _set_share(self, paths: int, share: float) -> None:
        self._share = (paths + share) / len(self.paths)

    def onwards(self, start: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """Yields the examples of a worker from position `start` on, once."""
        return shard.of(itertools.islice(self.epoch(0), start, None))


def read_example(place: str, kind: Kind = IMAGES) -> Member:
    """Reads one example.

    Args:
      place: path or URL of its file, or of a tar archive and the name of a member, 'faces.tar:a/1.jpg'.
      kind: which members are examples.

    Raises:
      DataError: there is none, or it can't be read.
    """
    if is_url(place):
        archive, name = _url_and_name(place)
        (archive,) = expand_paths([archive])
        member = _member_called(archive, name, kind) if name else _only_example(archive, kind)
    elif mode_of(place):
        member = _only_example(place, kind)
    else:
        archive, name = _archive_and_name(place)
        member = _member_called(archive, name, kind)
    if member.problem:
        raise DataError(f'{member.place} cannot be read: {member.problem}.')
    return member


def _only_example(path: str, kind: Kind) -> Member:
    """Returns the example in a file that holds exactly one."""
    found = list(itertools.islice(_members_of(path, 0, kind), 1))
    if not found:
        raise DataError(f'{path!r} holds no {kind.name}.')
    (member,) = found
    if member.source and not is_folder(path):
        return member.read()
    raise DataError(f'{path!r} holds many {kind.noun}: name one of them, such as {member.key}.')


def _archive_and_name(place: str) -> tuple[str, str]:
    """Splits at the colon that ends an archive's path; the path and the member's name may hold others."""
    colons = [match.start() for match in re.finditer(':', place)]
    for colon in colons:
        if stat.S_ISREG(mode_of(place[:colon])):
            return place[:colon], place[colon + 1 :]
    raise DataError(f'There is no file {place!r}' + (', and no archive before its colon.' if colons else '.'))


def _url_and_name(place: str) -> tuple[str, str]:
    """Splits at the first colon that follows the URL of an archive; the name is '' if there is none."""
    found = re.match(rf'(\w+://.+?(?:{"|".join(map(re.escape, _TAR_SUFFIXES))})(?:\?[^:]*)?):(.+)', place)
    return (found[1], found[2]) if found else (place, '')


def _member_called(archive: str, name: str, kind: Kind) -> Member:
    index = open_index(archive, kind=kind)
    for row in range(len(index)):
        if index.name(row) in (name, escaped(name)):
            if index.random_access:
                return index.member(row).read()
            return next(itertools.islice(stream_members(archive, kind=kind), row, None))
    example = f'; it has {index.name(0)!r}' if len(index) else ''
    raise DataError(f'{archive!r} has no {kind.name} {name!r}{example}.')


def _members_of(
    path: str,
    epoch: int,
    kind: Kind,
    note: Note | None = None,
    progress: Callable[[float], None] | None = None,
) -> Iterator[Member]:
    if is_folder(path):
        skipped = SkippedFiles()
        for file in files_below(path, kind, skipped):
            yield _File(str(Path(path, file.path))).member(epoch, file.label)
        skipped.tell(lambda words: note(f'{path!r} {words}') if note else None)
        return
    head, opened = _open(path)
    of_lines = kind.has_lines and not kind.accepts(path)
    if of_lines or is_tar(head) or path.lower().endswith(_TAR_SUFFIXES):
        for member in stream_members(path, progress, opened, note, kind):
            yield member._replace(epoch=epoch)
            del member  # before the next is read
        return
    with opened:
        label = kind.labels.of(escaped(path)) if kind.labels else None
        piped = opened.read(MAX_MEMBER_BYTES + 1) if is_pipe(path) else None
        yield _File(path, piped).member(epoch, label)


def _open(path: str) -> tuple[bytes, io.BufferedReader]:
    """Returns the first bytes of a file, and the file at its beginning."""
    file = open_archive(path)
    try:
        head = file.read(BLOCK)
        if is_pipe(path) or not file.seekable():  # such as a URL whose server sends no parts of files
            return head, io.BufferedReader(_Again(head, file))
        file.seek(0)
    except OSError as error:
        raise DataError(why_unreadable(path, error)) from error
    return head, file


class _Again(io.RawIOBase):
    """A file that can't seek, whose first bytes were read, and are read again."""

    def __init__(self, head: bytes, rest: io.BufferedReader) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        data = data or self._rest.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._rest.close()
        super().close()
