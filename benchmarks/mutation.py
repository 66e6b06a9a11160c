"""Archives that are broken at random, for the fuzzer and for the tests of the tar reader."""

import contextlib
import random
import re
import tarfile
from collections.abc import Sequence

_BLOCK = 512
_CHECKSUM = slice(148, 156)
# Where name, size, type, magic, prefix, the old sparse map and the old real size begin.
_FIELDS = (0, 124, 156, 257, 345, 386, 482)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Returns the data with one to ten changes.

    Bytes changed, lost or added, lying headers and numbers, a cut; zero blocks within, blocks many times
    over, another archive or garbage behind.
    """
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 3, 10])):
        changed = changed or bytearray(1)
        offset = rng.randrange(len(changed))
        block = offset // _BLOCK * _BLOCK
        kind = rng.randrange(11)
        if kind == 0:
            changed[offset] = rng.randrange(256)
        elif kind == 1:
            del changed[offset : offset + rng.choice([1, 512, 700])]
        elif kind == 2:
            changed[offset:offset] = rng.randbytes(rng.choice([1, 512, 700]))
        elif kind == 3:
            _lie(changed, block, rng)
        elif kind == 4:
            changed[offset] ^= 1 << rng.randrange(8)
        elif kind == 5:
            del changed[max(offset, 1) :]
        elif kind == 6:
            del changed[max(block, 1) :]
        elif kind == 7:
            changed[block:block] = bytes(_BLOCK * rng.choice([1, 2, 20]))
        elif kind == 8:
            end = block + _BLOCK * rng.choice([1, 2, 4])
            changed[block:block] = changed[block:end] * rng.choice([1, 3, 100, 1000])
        elif kind == 9:
            changed += rng.choice([data, rng.randbytes(rng.choice([1, 512, 3000]))])
        else:
            _misnumber(changed, offset, rng)
    return bytes(changed)


def _lie(data: bytearray, header: int, rng: random.Random) -> None:
    """Overwrites a field of what may be a header, and its checksum so that it confirms the lie."""
    field = rng.choice(_FIELDS)
    lies = [rng.randbytes(12), b'%011o\0' % rng.randrange(2**33), b'%011o\0' % rng.randrange(5000)]
    lies += [mark + rng.choice([bytes(11), b'\xff' * 11, rng.randbytes(11)]) for mark in (b'\x80', b'\xff')]
    data[header + field : header + field + 12] = rng.choice(lies)
    with contextlib.suppress(OverflowError):
        if header + _BLOCK <= len(data):
            fix_checksum(data, header)


def _misnumber(data: bytearray, offset: int, rng: random.Random) -> None:
    """Overwrites a decimal number behind `offset`, as pax records and maps of holes have them, by another."""
    if found := re.compile(rb'[=,\n](\d+)').search(data, offset):
        count = len(found[1])
        data[found.start(1) : found.end(1)] = rng.choice(
            [
                b'9' * rng.choice([count, 19, 30]),
                b'-1'.ljust(count, b'0'),
                b'%0*d' % (count, rng.randrange(9999)),
            ]
        )


def fix_checksum(data: bytearray, offset: int) -> None:
    """Makes the checksum of the header at `offset` right again."""
    header = memoryview(data)[offset : offset + _BLOCK]
    header[_CHECKSUM] = b' ' * 8
    header[_CHECKSUM] = b'%06o\0 ' % sum(header)


def old_gnu_sparse_header(info: tarfile.TarInfo, chunks: Sequence[tuple[int, int]], size: int) -> bytes:
    """Returns the header of a sparse member in GNU tar's oldest form.

    Args:
      info: `size` is that of the stored chunks.
      chunks: offset and size of each, four at most.
      size: of the file with its holes.
    """
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    for number, (start, count) in enumerate(chunks):
        header[386 + 24 * number : 410 + 24 * number] = b'%011o\0%011o\0' % (start, count)
    header[483:495] = b'%011o\0' % size
    fix_checksum(header, 0)
    return bytes(header)
