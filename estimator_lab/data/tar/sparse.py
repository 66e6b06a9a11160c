"""Sparse members: which bytes of a file are stored; all others are zeros.

Source: GNU tar's manual, "Storing Sparse Files": the old format, and the pax formats 0.0, 0.1 and 1.0.
"""

import io
from collections.abc import Callable, Sequence
from itertools import pairwise

from estimator_lab.data.tar.forward_file import BLOCK, HeaderError
from estimator_lab.data.tar.pax import decimal, field_number

Chunks = tuple[tuple[int, int], ...]
"""Offset in the file and size of each stored piece, in order."""

_Read = Callable[[int], bytes]

_OLD_CHUNKS, _OLD_CONTINUES, _OLD_SIZE = slice(386, 482), 482, slice(483, 495)  # in the member's header
_MORE_CHUNKS, _MORE_CONTINUES = slice(504), 504  # in each following block
_FIELD = 12
_COPIED_AT_ONCE = 2**20


def old_chunks(header: bytes, read: _Read) -> tuple[list[int], int]:
    """Returns alternating offsets and sizes, and the file's size, in GNU tar's old format.

    Args:
      header: its block.
      read: reads the following bytes.
    """
    fields, continues = header[_OLD_CHUNKS], header[_OLD_CONTINUES]
    numbers: list[int] = []
    while True:
        for start in range(0, len(fields), 2 * _FIELD):
            offset, count = fields[start : start + _FIELD], fields[start + _FIELD : start + 2 * _FIELD]
            if count[0]:
                numbers += field_number(offset), field_number(count)
        if not continues:
            return numbers, field_number(header[_OLD_SIZE])
        block = read(BLOCK)
        fields, continues = block[_MORE_CHUNKS], block[_MORE_CONTINUES]


def listed_chunks(text: bytes) -> list[int]:
    """Returns offsets and sizes in the formats 0.0 and 0.1, whose map is in the pax header."""
    return [decimal(number) for number in text.split(b',')] if text else []


def leading_chunks(read: _Read, stored: int) -> list[int]:
    """Returns offsets and sizes in the format 1.0, whose map is in whole blocks in front of the data.

    Args:
      read: reads the following bytes.
      stored: bytes of map and data.
    """
    blocks: list[bytes] = []
    lines, wanted = 0, 1
    while lines < wanted:
        if len(blocks) * BLOCK >= stored:
            raise HeaderError('a map of holes that is longer than its member')
        blocks.append(read(BLOCK))
        lines += blocks[-1].count(b'\n')
        if lines and wanted == 1:
            wanted += 2 * decimal(b''.join(blocks).partition(b'\n')[0])
    return [decimal(number) for number in b''.join(blocks).split(b'\n')[1:wanted]]


def checked_chunks(numbers: Sequence[int], size: int, stored: int) -> Chunks:
    """Returns the pieces that offsets and sizes describe.

    Args:
      numbers: alternating offsets and sizes.
      size: of the file.
      stored: bytes in the archive.

    Raises:
      HeaderError: they overlap, are out of order, or do not fit in.
    """
    if len(numbers) % 2:
        raise HeaderError('a map of holes that ends within a piece')
    chunks = tuple(
        (offset, count) for offset, count in zip(numbers[::2], numbers[1::2], strict=True) if count
    )
    if any(offset + count > following for (offset, count), (following, _) in pairwise(chunks)):
        raise HeaderError('a map of holes that is out of order')
    if chunks and sum(chunks[-1]) > size:
        raise HeaderError(f'a map of holes beyond the end of its file of {size} bytes')
    if sum(count for _, count in chunks) > stored:
        raise HeaderError(f'a map of holes that needs more than the {stored} bytes stored')
    return chunks


def read_file(read: _Read, chunks: Chunks, size: int) -> bytes:
    """Returns a file with its holes filled with zeros, in no more memory than its size."""
    if not size:
        return b''
    whole = io.BytesIO()
    whole.seek(size - 1)
    whole.write(b'\0')  # allocates it whole: a growing buffer is copied
    for offset, count in chunks:
        whole.seek(offset)
        for start in range(0, count, _COPIED_AT_ONCE):
            whole.write(read(min(_COPIED_AT_ONCE, count - start)))
    return whole.getvalue()
