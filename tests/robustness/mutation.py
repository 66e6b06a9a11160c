"""Archives and JSON broken at random, for the fuzzers and for the tests of the tar reader."""

import contextlib
import copy
import json
import random
import re
import tarfile
from collections.abc import Iterator, Sequence
from typing import Any

_BLOCK = 512
_CHECKSUM = slice(148, 156)
_NUMBERS = (0, 1, -1, 2**31, 2**63, -(2**63), 10**30, 0.0, -0.5, 1e308, float('nan'), float('inf'))
_TEXTS = ('', '0', 'x', '/', '.', '..', '*', 'a\0b', 'a\nb', '\x1b[2J', '\ud800', 'ü', 'x' * 5000, '\u2028')
_CONTAINERS = ([], {}, [[]], [0], ['a'], [None], {'a': 1}, {'': {}}, list(range(300)))
_VALUES = (None, True, False, *_NUMBERS, *_TEXTS, *_CONTAINERS)
_RAW = ('[' * 2000 + ']' * 2000, '{"a":' * 5000, '1e999', '9' * 5000, '{"a": 1, "a": 2}', '-', '"', '\x00')
_RAW_MARK = 'replaced by raw text'
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


def old_gnu_sparse_header(info: tarfile.TarInfo, chunks: Sequence[tuple[int, int]], size: int) -> bytes:
    """Returns the header of a sparse member in GNU tar's oldest form.

    Args:
      info: `size` is that of the stored chunks.
      chunks: offset and size of each, four at most.
      size: of the file including its holes.
    """
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    for number, (start, count) in enumerate(chunks):
        header[386 + 24 * number : 410 + 24 * number] = b'%011o\0%011o\0' % (start, count)
    header[483:495] = b'%011o\0' % size
    fix_checksum(header, 0)
    return bytes(header)


def mutate_json(value: Any, rng: random.Random, strange: Sequence[str] = ()) -> str:
    """Returns JSON with one to three parts replaced, lost, doubled or renamed; it may be invalid JSON.

    Args:
      value: an object or list.
      rng: random numbers.
      strange: further texts to insert, such as paths.
    """
    root = [copy.deepcopy(value)]
    for _ in range(rng.choice([1, 1, 2, 3])):
        holder, key = rng.choice(list(_places(root)))
        kind = rng.randrange(8)
        if kind == 0 and holder is not root:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[rng.choice(['', 'x', *strange, *holder])] = holder.pop(key)
        elif kind == 2 and isinstance(holder, list) and holder is not root:
            holder.append(copy.deepcopy(holder[key]))
        elif kind == 3:
            holder[key] = _RAW_MARK
        elif kind == 4:
            other, place = rng.choice(list(_places(root)))
            holder[key] = copy.deepcopy(other[place])
        elif kind == 5 and type(holder[key]) in (int, float):
            holder[key] += rng.choice([-1, 1, 512, 10**6])
        else:
            holder[key] = copy.deepcopy(rng.choice([*_VALUES, *strange, *strange]))
    return json.dumps(root[0]).replace(f'"{_RAW_MARK}"', rng.choice(_RAW))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yields each (list or object, index or name) within a value."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
