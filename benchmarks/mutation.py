"""Archives that are broken at random, for the fuzzer and for the tests of the tar reader."""

import contextlib
import random
import tarfile
from collections.abc import Sequence

_BLOCK = 512
_CHECKSUM = slice(148, 156)
# Where name, size, type, magic, prefix, the old sparse map and the old real size begin.
_FIELDS = (0, 124, 156, 257, 345, 386, 482)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Returns the data with one to ten changes: bytes changed, lost or added, lying headers, a cut."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 3, 10])):
        changed = changed or bytearray(1)
        offset = rng.randrange(len(changed))
        kind = rng.randrange(6)
        if kind == 0:
            changed[offset] = rng.randrange(256)
        elif kind == 1:
            del changed[offset : offset + rng.choice([1, 512, 700])]
        elif kind == 2:
            changed[offset:offset] = rng.randbytes(rng.choice([1, 512, 700]))
        elif kind == 3:
            _lie(changed, offset // _BLOCK * _BLOCK, rng)
        elif kind == 4:
            changed[offset] ^= 1 << rng.randrange(8)
        else:
            del changed[max(offset, 1) :]
    return bytes(changed)


def _lie(data: bytearray, header: int, rng: random.Random) -> None:
    """Overwrites a field of what may be a header, and its checksum so that it confirms the lie."""
    field = rng.choice(_FIELDS)
    lies = [rng.randbytes(12), b'%011o\0' % rng.randrange(2**33), b'%011o\0' % rng.randrange(5000)]
    data[header + field : header + field + 12] = rng.choice(lies)
    with contextlib.suppress(OverflowError):
        if header + _BLOCK <= len(data):
            fix_checksum(data, header)


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
