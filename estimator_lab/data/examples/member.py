"""Members: the examples of archives, folders and files, read at once or when their data is needed.

A member may hold 256 MB. Each loop that hands members on therefore deletes its own reference, by `del`,
before it asks for the next one; and no such loop uses `enumerate`, which keeps one.
"""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from estimator_lab.base.errors import DataError
from estimator_lab.base.printable import escaped, without_middle
from estimator_lab.data.examples.labels import LONGEST_LABEL

T = TypeVar('T')

Data = bytes | np.ndarray
"""An example: encoded, or the pixels of an image in memory, [height, width, channels]."""

MAX_MEMBER_BYTES = 256 * 2**20
"""Larger members are bad examples: a header that lies about the size must not exhaust the memory."""

MOST_NAME_BYTES = 4096
"""Members with longer names are bad examples: a few bytes can claim a megabyte. As in PATH_MAX of Linux."""

_SHOWN = {'-': 'stdin'}
_SHOWN_LETTERS = 200  # of a name in a message
_SOURCES_AT_ONCE = 32  # each of which waits for a server


class ChangedError(Exception):
    """A member is no longer where it was."""


class BadExampleError(DataError):
    """The bytes of a member are not a usable example; the message is the reason alone, without the member."""


class MemberBytes(Protocol):
    """Reads the data of members."""

    @property
    def is_slow(self) -> bool:
        """Whether many reads at once take about as long as one."""

    def read(self, members: 'Sequence[Member]') -> 'list[Data | BadExampleError]':
        """Returns the data of members of one source, or why they have none; many threads may call it.

        Raises:
          DataError: the source can't be read any more, or has changed.
          OSError, ChangedError: likewise, of a reader that belongs to an index.
        """


_escaped = functools.lru_cache(256)(escaped)  # the names of archives, which are few


class Member(NamedTuple):
    """One example in an archive or a folder, or in a file of its own.

    Attributes:
      archive: path or URL of the archive; a folder's ends in a slash; '' for an array.
      name: its name in the archive, without a leading './', or that of a file of its own. Bytes that are not
        UTF-8, control characters and the like are backslash escapes (`printable.escaped`), so that it can be
        printed and stored.
      offset: where it begins, larger than the preceding offset: its first header block in the
        uncompressed tar stream; in a folder the file's number.
      label: its label; '' if it has none.
      size: bytes of its data.
      row: its number in the source.
      epoch: pass over the data, from 0, in which it is read.
      data: `Data`, empty until `read`; or why it has none.
      source: reads its data; None if that was done.
      headers: bytes from `offset` to its data.
      checksum: of its first bytes.
      is_labelled: whether its label is from a table or a file next to it, not the name of its folder.
    """

    archive: str
    name: str
    offset: int = 0
    label: str = ''
    size: int = 0
    row: int = 0
    epoch: int = 0
    data: Any = b''
    source: MemberBytes | None = None
    headers: int = 0
    checksum: int = 0
    is_labelled: bool = True

    @property
    def key(self) -> str:
        """Its name for people: ARCHIVE:NAME, or the path of a file in a folder.

        Standard input is called 'stdin', since a table would escape '-', the beginning of a formula.
        """
        archive = _escaped(self.archive)
        if not archive or archive == self.name:
            return _SHOWN.get(self.name, self.name)
        archive = _SHOWN.get(archive, archive)
        return f'{archive}{"" if self.archive.endswith("/") else ":"}{self.name}'

    @property
    def bytes_held(self) -> int:
        """How many bytes of memory its encoded data takes."""
        return len(self.data) if isinstance(self.data, bytes) else 0

    @property
    def is_own_file(self) -> bool:
        """Whether it is a file by itself rather than one of an archive or a folder."""
        return self.name == escaped(self.archive)

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        if self.is_own_file:
            return repr(self.name)
        name = without_middle(self.name, _SHOWN_LETTERS)
        if not self.archive or self.archive.endswith('/'):
            return repr(f'{self.archive}{name}')
        return f'{self.archive!r}: member {name!r} at byte {self.offset}'

    def read(self) -> 'Member':
        """Returns the member with its data.

        Raises:
          BadExampleError: it has none.
          DataError: its archive can't be read any more.
        """
        (data,) = read_members([self])
        if isinstance(data, BadExampleError):
            raise data
        return self._replace(data=data, source=None)


def read_members(members: Sequence[Member]) -> list[Data | BadExampleError]:
    """Returns the data of members, or why they have none.

    Members of one source are read together, and slow sources side by side.

    Raises:
      DataError: one of them can't be read any more.
    """
    if len(members) == 1 and members[0].source and not unreadable(members[0]):
        return members[0].source.read(members)
    found: dict[int, Data | BadExampleError] = {}
    by_source: dict[MemberBytes, list[int]] = {}
    for place, member in enumerate(members):
        if reason := unreadable(member):
            found[place] = reason
        elif member.source:
            by_source.setdefault(member.source, []).append(place)
        else:
            found[place] = member.data
    tasks = [
        functools.partial(source.read, [members[place] for place in places])
        for source, places in by_source.items()
    ]
    if len(tasks) > 1 and any(source.is_slow for source in by_source):
        threads = ThreadPoolExecutor(min(len(tasks), _SOURCES_AT_ONCE))
        try:
            results = [future.result() for future in [threads.submit(task) for task in tasks]]
        finally:
            threads.shutdown(wait=False, cancel_futures=True)  # an interrupt waits for no server
    else:
        results = [task() for task in tasks]
    for places, data in zip(by_source.values(), results, strict=True):
        found.update(zip(places, data, strict=True))
    return [found[place] for place in range(len(members))]


def or_why(use: Callable[[Any], T], data: Data | BadExampleError) -> T | BadExampleError:
    """Returns what `use` makes of the data of a member, or why there is nothing."""
    if isinstance(data, BadExampleError):
        return data
    try:
        return use(data)
    except BadExampleError as reason:
        return reason.with_traceback(None)  # which would keep the data alive


def unreadable(member: Member) -> BadExampleError | None:
    """Returns why a member is a bad example, whatever its bytes are; None if it may be read."""
    if len(member.name.encode()) > MOST_NAME_BYTES:
        return BadExampleError(f'its name has more than {MOST_NAME_BYTES:,} bytes')
    if len(member.label) > LONGEST_LABEL:
        return BadExampleError(f'its label has more than {LONGEST_LABEL} letters')
    return too_large(member.size)


def too_large(size: int) -> BadExampleError | None:
    """Returns why a member of `size` bytes is not read; None if it is."""
    if size <= MAX_MEMBER_BYTES:
        return None
    return BadExampleError(
        f'it claims {size} bytes, more than the {MAX_MEMBER_BYTES} allowed for one example'
    )
