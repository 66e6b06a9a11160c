"""Archives broken at random, for the tests of the tar reader."""

import contextlib
import random
import re

_BLOCK = 512
_CHECKSUM = slice(148, 156)
# Offsets of name, size, type, magic, prefix, the old sparse map and the old real size.
_FIELDS = (0, 124, 156, 257, 345, 386, 482)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Returns the data with one to ten changes.

    Bytes changed, lost or added, false headers and numbers, a cut; zero blocks inside, blocks repeated many
    times, another archive or garbage at the end.
    """
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 3, 10])):
        changed = changed or bytearray(1)
        offset = rng.randrange(len(changed))
        rng.choice(_EDITS)(changed, offset, rng)
    return bytes(changed)


def _block(offset: int) -> int:
    """Returns the start of the block that contains a byte."""
    return offset // _BLOCK * _BLOCK


def _replace(data: bytearray, offset: int, rng: random.Random) -> None:
    data[offset] = rng.randrange(256)


def _flip(data: bytearray, offset: int, rng: random.Random) -> None:
    data[offset] ^= 1 << rng.randrange(8)


def _delete(data: bytearray, offset: int, rng: random.Random) -> None:
    del data[offset : offset + rng.choice([1, 512, 700])]


def _insert(data: bytearray, offset: int, rng: random.Random) -> None:
    data[offset:offset] = rng.randbytes(rng.choice([1, 512, 700]))


def _cut(data: bytearray, offset: int, rng: random.Random) -> None:
    del data[max(rng.choice([offset, _block(offset)]), 1) :]


def _insert_zeros(data: bytearray, offset: int, rng: random.Random) -> None:
    block = _block(offset)
    data[block:block] = bytes(_BLOCK * rng.choice([1, 2, 20]))


def _repeat(data: bytearray, offset: int, rng: random.Random) -> None:
    block = _block(offset)
    end = block + _BLOCK * rng.choice([1, 2, 4])
    data[block:block] = data[block:end] * rng.choice([1, 3, 100, 1000])


def _append(data: bytearray, offset: int, rng: random.Random) -> None:
    data += rng.choice([bytes(data), rng.randbytes(rng.choice([1, 512, 3000]))])


def _lie(data: bytearray, offset: int, rng: random.Random) -> None:
    """Overwrites a field of what may be a header, and corrects its checksum."""
    header = _block(offset)
    field = rng.choice(_FIELDS)
    lies = [rng.randbytes(12), b'%011o\0' % rng.randrange(2**33), b'%011o\0' % rng.randrange(5000)]
    lies += [mark + rng.choice([bytes(11), b'\xff' * 11, rng.randbytes(11)]) for mark in (b'\x80', b'\xff')]
    data[header + field : header + field + 12] = rng.choice(lies)
    with contextlib.suppress(OverflowError):
        if header + _BLOCK <= len(data):
            fix_checksum(data, header)


def _misnumber(data: bytearray, offset: int, rng: random.Random) -> None:
    """Replaces a decimal number after `offset`, as in pax records and maps of holes."""
    if found := re.compile(rb'[=,\n](\d+)').search(data, offset):
        count = len(found[1])
        others = [b'9' * rng.choice([count, 19, 30]), b'-1'.ljust(count, b'0')]
        data[found.start(1) : found.end(1)] = rng.choice([*others, b'%0*d' % (count, rng.randrange(9999))])


_EDITS = (_replace, _flip, _delete, _insert, _cut, _cut, _insert_zeros, _repeat, _append, _lie, _misnumber)


def fix_checksum(data: bytearray, offset: int) -> None:
    """Corrects the checksum of the header at `offset`."""
    header = memoryview(data)[offset : offset + _BLOCK]
    header[_CHECKSUM] = b' ' * 8
    header[_CHECKSUM] = b'%06o\0 ' % sum(header)
