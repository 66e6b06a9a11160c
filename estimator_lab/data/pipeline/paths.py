"""Examples from wherever people have them: files, folders, archives, texts, pipes, one after the other."""

import io
import itertools
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from estimator_lab.console.printable import escaped
from estimator_lab.data.folder.walk import files_below
from estimator_lab.data.labels import label_of
from estimator_lab.data.members import is_folder, open_index
from estimator_lab.data.order.order import ScheduledMember
from estimator_lab.data.tar.headers import BLOCK
from estimator_lab.data.tar.member import IMAGES, MAX_MEMBER_BYTES, Member, Wanted, problem_of
from estimator_lab.data.tar.skipped_files import SkippedFiles
from estimator_lab.data.tar.sources import expand_paths, is_pipe, is_url, is_web, open_archive, why_unreadable
from estimator_lab.data.tar.stream import Note, is_tar, stream_members
from estimator_lab.errors import DataError

_TAR_SUFFIXES = ('.tar', '.tgz', '.tbz2', '.txz', '.tar.gz', '.tar.bz2', '.tar.xz')


@dataclass(frozen=True, slots=True)
class ExampleFile:
    """An example in a file of its own, read when its data is asked for.

    Attributes:
      path: of the file; '-' is standard input.
      piped: what came out of it, where it can't be read twice.
      given_label: what a table says; None where the folder's name is the label.
    """

    path: str
    piped: bytes | None = None
    given_label: str | None = None

    @property
    def archive(self) -> str:
        return self.key

    @property
    def name(self) -> str:
        return self.key

    @property
    def offset(self) -> int:
        return 0

    @property
    def key(self) -> str:
        """The path; bytes in it that are not UTF-8 and control characters are escaped, as in archives."""
        return escaped(self.path)

    @property
    def place(self) -> str:
        return repr(self.key)

    @property
    def label(self) -> str:
        return label_of(self.key) if self.given_label is None else self.given_label

    @property
    def size(self) -> int:
        try:
            return len(self.piped) if self.piped is not None else Path(self.path).stat().st_size
        except (OSError, ValueError):  # it won't be read either
            return 0

    def read(self) -> Member:
        """Returns it; a file that can't be read has a `problem` instead of data."""
        data = self.piped
        if data is None:
            if is_pipe(self.path):  # opening one may wait for ever
                return Member(self.key, self.key, 0, b'', 'it is a FIFO, a socket or a device, not a file')
            try:
                with open_archive(self.path) as file:
                    data = _read_file(file)
            except (DataError, OSError) as error:
                return Member(self.key, self.key, 0, b'', str(error).rstrip('.'))
        problem = problem_of(len(data))
        return Member(self.key, self.key, 0, b'' if problem else data, problem)


class ExampleInput:
    """The examples below some paths, in that order; an `order.Order` of one epoch.

    Of a folder all those count that have an example's name, at any depth, in the order of their names; of a
    tar archive or a text all members that training would take; any other file is an example. What a pipe
    holds, a tar, a text or one example, its bytes say.

    Args:
      paths: of files, folders and archives, globs, URLs, '-' for standard input.
      note: told in one sentence what is unusual about an archive but no error.
      wanted: which members are examples.

    Attributes:
      share: how much of all that was read lies behind, in [0, 1]; None where nobody knows.

    Raises:
      DataError: for a path that is not there.
    """

    def __init__(self, paths: Sequence[str], note: Note | None = None, wanted: Wanted = IMAGES) -> None:
        self.paths = expand_paths(paths, note or (lambda line: None))
        self.wanted = wanted
        self.share: float | None = None
        self._note = note

    def epoch(self, number: int) -> Iterator[ScheduledMember]:
        """Yields every example once.

        Raises:
          DataError: where an archive or a folder can't be read any further.
        """
        for done, path in enumerate(self.paths):
            yield from _scheduled(path, number, self.wanted, self._note, partial(self._set_share, done))

    def _set_share(self, paths: int, share: float) -> None:
        self.share = (paths + share) / len(self.paths)

    def onwards(self, start: int) -> Iterator[ScheduledMember]:
        """Yields the examples behind position `start`, once."""
        yield from itertools.islice(self.epoch(0), start, None)


def read_example(place: str, wanted: Wanted = IMAGES) -> Member:
    """Reads one example.

    Args:
      place: path of its file, or of a tar archive and the name of a member, 'faces.tar:n000001/1.jpg'.
      wanted: what counts as one.

    Raises:
      DataError: there is none, or it can't be read.
    """
    if is_web(place):
        expand_paths([place])  # which has the sentence
    if not is_url(place) and _mode_of(place):
        member = _only_example(place, wanted)
    else:
        archive, name = _archive_and_name(place)
        member = _member_called(archive, name, wanted)
    if member.problem:
        raise DataError(f'{member.place} cannot be read: {member.problem}.')
    return member


def _only_example(path: str, wanted: Wanted) -> Member:
    """Returns the example of a file that holds no more than one."""
    found = list(itertools.islice(_scheduled(path, 0, wanted), 1))
    if not found:
        raise DataError(f'{path!r} holds no {wanted.name}.')
    member = found[0].member
    if isinstance(member, ExampleFile) and member.path == path:
        return member.read()
    raise DataError(f'{path!r} holds many {wanted.noun}: name one of them, such as {member.key}.')


def _archive_and_name(place: str) -> tuple[str, str]:
    """Splits at the colon behind which an archive's path ends; a path or a name may have others."""
    colons = [match.start() for match in re.finditer(':', place)]
    for colon in colons:
        if stat.S_ISREG(_mode_of(place[:colon])):
            return place[:colon], place[colon + 1 :]
    raise DataError(f'There is no file {place!r}' + (', and no archive before its colon.' if colons else '.'))


def _member_called(archive: str, name: str, wanted: Wanted) -> Member:
    index = open_index(archive, wanted=wanted)
    for row in range(len(index)):
        if index.name(row) in (name, escaped(name)):
            if index.random_access:
                return index.member(row)
            return next(itertools.islice(stream_members(archive, wanted=wanted), row, None))
    example = f'; it has {index.name(0)!r}' if len(index) else ''
    raise DataError(f'{archive!r} has no {wanted.name} {name!r}{example}.')


def _mode_of(path: str) -> int:
    """Returns what a path leads to, as `os.stat` has it in `st_mode`; 0 where that is nothing."""
    try:
        return Path(path).stat().st_mode
    except PermissionError as error:
        raise DataError(why_unreadable(path, error)) from error
    except (OSError, ValueError):
        return 0


def _scheduled(
    path: str,
    epoch: int,
    wanted: Wanted,
    note: Note | None = None,
    progress: Callable[[float], None] | None = None,
) -> Iterator[ScheduledMember]:
    if is_folder(path):
        passed = SkippedFiles(wanted.noun)
        for file in files_below(path, wanted, passed):
            yield ScheduledMember(epoch, ExampleFile(str(Path(path, file.path)), given_label=file.label))
        passed.tell(lambda words: note(f'{path!r} {words}') if note else None)
        return
    head, opened = _open(path)
    of_lines = wanted.name_of_line and not wanted.accepts(path)
    if of_lines or is_tar(head) or path.lower().endswith(_TAR_SUFFIXES):
        for member in stream_members(path, progress, opened, note, wanted):
            yield ScheduledMember(epoch, member)
            del member  # before the next is read
        return
    with opened:
        label = wanted.labels.of(escaped(path)) if wanted.labels else None
        yield ScheduledMember(epoch, ExampleFile(path, _read_file(opened) if is_pipe(path) else None, label))


def _open(path: str) -> tuple[bytes, io.BufferedReader]:
    """Returns the first bytes of a file, and the file at its beginning."""
    file = open_archive(path)
    try:
        head = file.read(BLOCK)
        if is_pipe(path):
            return head, io.BufferedReader(_Again(head, file))
        file.seek(0)
    except OSError as error:
        raise DataError(why_unreadable(path, error)) from error
    return head, file


class _Again(io.RawIOBase):
    """A pipe whose first bytes were read, and come once more."""

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


def _read_file(file: io.BufferedReader) -> bytes:
    return file.read(MAX_MEMBER_BYTES + 1)
