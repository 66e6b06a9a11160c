"""Blocks of adjacent members: an order in which a server is asked for megabytes, not for single members.

A block has the members that begin in one stretch of an archive. In each epoch the blocks are shuffled, and
the members of every WINDOW consecutive blocks are shuffled among themselves. That, too, is a function of the
archives, the seed, the position and the number of lanes alone.
"""

import operator
from collections import deque
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.sizes import parse_size, shown_size
from estimator_lab.data.archives.index import Index
from estimator_lab.data.archives.shuffling import keys_of, permuted, permuted_each
from estimator_lab.data.examples.member import BadExampleError, Data, Member
from estimator_lab.data.sources import remote
from estimator_lab.data.sources.blocks import BlockFile

WINDOW = 8
"""Blocks whose members are shuffled among themselves."""

SIZE = 8 * 2**20
"""Bytes of a block by default."""

_SMALLEST, _LARGEST = 4096, 2**30  # bytes of a block that may be asked for
_MEMBER_BYTES = 512  # of a member at least: its header in a tar


class BlockOrder:
    """The numbers of examples in an order by blocks, which is divided into lanes, one for each rank.

    The blocks of an epoch in their random order are a sequence of its n examples, which is cut into as many
    spans of equal length as there are lanes; a block at a cut is in two of them. Position p of the epoch is
    place p // lanes of span p % lanes. So a rank that takes every lanes-th position reads its own blocks
    alone, and all ranks together read hardly more than the data once.

    Memory: 40 bytes for each block.

    Args:
      counts: examples of each block, in stored order, int64 [blocks].
      seed: of the order, together with the epoch.
      window: blocks of a span whose members are shuffled among themselves.
      lanes: number of spans.
    """

    def __init__(self, counts: np.ndarray, seed: int | str, window: int = WINDOW, lanes: int = 1) -> None:
        self._counts, self._starts, self._seed = counts, np.cumsum(counts) - counts, seed
        self._window, self._lanes = window, lanes
        self._in_epoch = lru_cache(2)(self._of_epoch)  # the end of one, and the beginning of the next

    def numbers(self, epoch: int, positions: np.ndarray) -> np.ndarray:
        """Returns the numbers of the examples at some positions of an epoch, int64 [positions]."""
        order, starts, ends = self._in_epoch(epoch)
        lanes, (shortest, longer) = positions % self._lanes, divmod(ends.item(-1), self._lanes)
        span_starts = lanes * shortest + np.minimum(lanes, longer)
        span_ends = span_starts + shortest + (lanes < longer)
        places = span_starts + positions // self._lanes  # in the sequence of blocks
        first, last, at = (
            np.searchsorted(ends, each, 'right') for each in (span_starts, span_ends - 1, places)
        )
        # Blocks that are left over are a window of their own, as they always were, or else join the last one.
        windows = (last - first) // self._window + 1
        if self._lanes > 1:
            windows = np.maximum((last + 1 - first) // self._window, 1)
        turns = np.minimum((at - first) // self._window, windows - 1)
        firsts = first + turns * self._window
        lasts = np.where(turns == windows - 1, last, firsts + self._window - 1)
        begin, end = np.maximum(starts[firsts], span_starts), np.minimum(ends[lasts], span_ends)
        different, which = np.unique(firsts, return_inverse=True)
        names = [f'seed {self._seed} window {number} epoch {epoch}' for number in different.tolist()]
        places = begin + permuted_each(places - begin, end - begin, keys_of(names)[:, which])
        at = np.searchsorted(ends, places, 'right')
        return self._starts[order[at]] + places - starts[at]

    def _of_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the blocks in turn, and how many examples are before the start and the end of each."""
        order = permuted(np.arange(len(self._counts)), len(self._counts), f'{self._seed} blocks', epoch)
        counts = self._counts[order]
        ends = np.cumsum(counts)
        return order, ends - counts, ends

    def __reduce__(self) -> tuple[Any, ...]:
        return BlockOrder, (self._counts, self._seed, self._window, self._lanes)


def parse_block_size(text: str) -> int:
    """Returns the bytes of blocks, such as '8M'; 0 for none.

    Raises:
      FlagError: it is not a size, or not an allowed one.
    """
    size = parse_size(option.shuffle_blocks, text)
    if size and not _SMALLEST <= size <= _LARGEST:
        allowed = f'from {shown_size(_SMALLEST)} to {shown_size(_LARGEST)}, or 0'
        raise FlagError(f'{option.shuffle_blocks}={text} must be {allowed}.')
    return size


def firsts_of(index: Index, size: int, rows: np.ndarray | None = None) -> np.ndarray:
    """Returns which members of an archive are the first ones of blocks, of all or of ascending rows, int64.

    Args:
      index: of the archive.
      size: bytes of the stretches in which the members of a block begin.
      rows: of the members that are used; None for all.

    Returns:
      Places in `rows`, or the rows themselves.
    """
    offsets = index.column('offset')
    if (np.diff(offsets) < _MEMBER_BYTES).any():  # such as of files in a folder, which have none
        sizes = index.column('size')
        offsets = np.cumsum(sizes) - sizes
    stretches = (offsets if rows is None else offsets[rows]) // size
    return np.flatnonzero(np.diff(stretches, prepend=-1))


def reader_of(index: Index, size: int) -> 'BlockReader | None':
    """Returns what reads the members of an archive by blocks of `size`; None if they are read singly."""
    is_far = size and index.remote_file and (np.diff(index.column('offset')) > 0).all()
    return BlockReader(index, size, remote.bytes_kept) if is_far else None


class BlockReader:
    """Reads the members of a remote archive by blocks, which were begun before: a `member.MemberBytes`.

    Args:
      index: of the archive, which has a `remote_file`.
      size: bytes of the stretches in which the members of a block begin.
      most: bytes of the machine's cache, in which blocks are kept; a process that is spawned knows its own.
    """

    is_slow = False  # threads of its own fetch blocks

    def __init__(self, index: Index, size: int, most: int) -> None:
        self._index, self._size, self._most = index, size, most

    def read(self, members: Sequence[Member]) -> list[Data | BadExampleError]:
        """Returns the data of members, or why they have none; see `Index.read`."""
        return self._index.read(members, self._file)

    def block_of(self, rows: np.ndarray) -> np.ndarray:
        """Returns the numbers of the blocks that members are in, int64."""
        return np.searchsorted(self._firsts, rows, 'right') - 1

    def expect(self, row: int) -> None:
        """Begins to read the block of a member that will be needed soon."""
        self._file.expect(self._offsets.item(row))

    @cached_property
    def _firsts(self) -> np.ndarray:
        return firsts_of(self._index, self._size)

    @cached_property
    def _offsets(self) -> np.ndarray:
        return self._index.column('offset')

    @cached_property
    def _file(self) -> BlockFile:
        file, firsts = self._index.remote_file, self._firsts
        assert file
        ends = self._offsets + np.maximum(
            self._index.column('headers') + self._index.column('size'), _MEMBER_BYTES
        )
        return BlockFile(file, self._offsets[firsts], np.maximum.reduceat(ends, firsts), self._most)

    def __reduce__(self) -> tuple[Any, ...]:
        return BlockReader, (self._index, self._size, self._most)


class Lookahead:
    """Begins to read blocks before their members are needed: as many as a window has, while members pass."""

    def __init__(self) -> None:
        self._position = self._end = 0  # members that have passed, and that were looked at
        self._uses = deque[tuple[int, BlockReader, int]]()  # of blocks: position, and the row of a member
        self._asked = deque[int]()  # positions of the uses of blocks that were asked for
        self._known = dict[tuple[int, int], None]()

    @property
    def is_far(self) -> bool:
        """Whether the blocks of a window are known that are not asked for yet."""
        return len(self._uses) >= WINDOW

    def look_at(self, archives: np.ndarray, rows: np.ndarray, readers: Sequence[BlockReader | None]) -> None:
        """Looks at further members, given by their archives and rows, int64 [members] each."""
        uses = []  # the first place in each block
        for archive in np.unique(archives).tolist():
            if reader := readers[archive]:
                here = np.flatnonzero(archives == archive)
                blocks, firsts = np.unique(reader.block_of(rows[here]), return_index=True)
                places = here[firsts].tolist()
                uses += [
                    (n, archive, block, reader) for n, block in zip(places, blocks.tolist(), strict=True)
                ]
        for place, archive, block, reader in sorted(uses, key=operator.itemgetter(0)):
            if (archive, block) not in self._known:
                self._uses.append((self._end + place, reader, rows.item(place)))
            self._known.pop((archive, block), None)  # so that it is the last to be forgotten
            self._known[archive, block] = None
        while len(self._known) > 2 * WINDOW:
            del self._known[next(iter(self._known))]
        self._end += len(rows)

    def step(self) -> None:
        """Lets a member pass."""
        while self._asked and self._asked[0] <= self._position:
            self._asked.popleft()
        while self._uses and len(self._asked) < WINDOW:
            position, reader, row = self._uses.popleft()
            reader.expect(row)
            self._asked.append(position)
        self._position += 1
