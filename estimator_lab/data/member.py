"""Members: the examples of archives, folders and files, read at once or when their data is needed."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from estimator_lab.base.printable import escaped
from estimator_lab.errors import DataError

MAX_MEMBER_BYTES = 256 * 2**20
"""Larger members are bad examples: a header that lies about the size must not exhaust the memory."""

_SHOWN = {'-': 'stdin'}


class BadExampleError(DataError):
    """The bytes of a member are not a usable example; the message is the reason alone, without the member."""


class MemberSource(Protocol):
    """Where members are read from: an index with random access, or a file."""

    @property
    def is_slow(self) -> bool:
        """Whether reading many members at once takes about as long as reading one."""

    def read(self, members: 'Sequence[Member]') -> 'list[Member]':
        """Returns members of this source with their data, in the same order.

        Raises:
          DataError: the source can't be read any more.
        """


class Member(NamedTuple):
    """One example in an archive or a folder, or in a file of its own.

    Attributes:
      archive: path or URL of the archive; that of a folder ends in a slash.
      name: its name in the archive, without a leading './'. Bytes that are not UTF-8, control characters and
        the like are backslash escapes (`printable.escaped`), so that it can be printed and stored.
      offset: of its first header block in the uncompressed tar stream; in a folder the file's number.
      data: its bytes; empty until `read`.
      problem: why it has no data; '' if it has, or was not read yet.
      label: its label; '' if it has none, or must not be known.
      epoch: pass over the data, from 0, in which it is read.
      row: its number in the source.
      unread: bytes of data that `read` would bring into memory.
      source: reads its data; None once that was done.
    """

    archive: str
    name: str
    offset: int
    data: bytes = b''
    problem: str = ''
    label: str = ''
    epoch: int = 0
    row: int = 0
    unread: int = 0
    source: MemberSource | None = None

    @property
    def key(self) -> str:
        """Its name for people: ARCHIVE:NAME, or the path of a file in a folder.

        Standard input is called 'stdin', since a table would escape '-', the beginning of a formula.
        """
        if not self.archive:
            return _SHOWN.get(self.name, self.name)
        archive = _SHOWN.get(self.archive, escaped(self.archive))
        return f'{archive}{"" if self.archive.endswith("/") else ":"}{self.name}'

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        if not self.archive or self.archive.endswith('/'):
            return repr(f'{self.archive}{self.name}')
        return f'{self.archive!r}: member {self.name!r} at byte {self.offset}'

    def read(self) -> 'Member':
        """Returns the member with its data, or with the `problem` that it has none.

        Raises:
          DataError: its archive can't be read any more.
        """
        return self.source.read([self])[0] if self.source else self

    def without_data(self) -> 'Member':
        """Returns the member without what is in memory of its data."""
        return self._replace(data=b'') if self.data else self


def read_members(members: Sequence[Member]) -> list[Member]:
    """Returns members with their data; those of one source are read together, which costs less.

    Raises:
      DataError: one of them can't be read any more.
    """
    by_source: dict[MemberSource, list[Member]] = {}
    for member in members:
        if member.source:
            by_source.setdefault(member.source, []).append(member)
    found = {source: iter(source.read(several)) for source, several in by_source.items()}
    return [next(found[member.source]) if member.source else member for member in members]


def problem_of(size: int) -> str:
    """Returns why a member of `size` bytes is not read; '' if it is."""
    if size <= MAX_MEMBER_BYTES:
        return ''
    return f'it claims {size} bytes, more than the {MAX_MEMBER_BYTES} allowed for one example'
