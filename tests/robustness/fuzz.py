"""Reads archives broken at random, by everything that reads archives and images.

    python -m tests.robustness.fuzz --count=10000       flipped bits, cuts, false headers; about a minute

Readers must end with a DataError or read on, in time and memory, and agree with each other. Exit status 1
otherwise.
"""

import argparse
import bz2
import gzip
import io
import lzma
import random
import resource
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from estimator_lab.base.errors import DataError
from estimator_lab.data.images.reader import DECODERS
from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.sources import MAGIC_BYTES, is_compressed
from tests.robustness.bombs import header
from tests.robustness.driver import Tally, main
from tests.robustness.mutation import mutate, old_gnu_sparse_header
from tests.support.archive_files import encoded
from tests.support.streams import build_index, data_of, scan_headers, stream_members

_MEMORY_BOUND_MB = 512  # an image of the largest size, 256 MB, and a copy of it
_WARM_UP = 200
_COMPRESSIONS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    lambda data: gzip.compress(data, 1),
    lambda data: bz2.compress(data, 1),
    lambda data: lzma.compress(data, preset=0),
)


def measure(given: argparse.Namespace) -> int:
    """Reads `--count` broken archives; returns the failures."""
    rng, tally = random.Random(given.seed), Tally()
    sources = _sources(rng)
    before = _peak_mb()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'archive.tar'
        for number in range(given.count):
            compress = _COMPRESSIONS[number % len(_COMPRESSIONS)]
            source = sources[number // len(_COMPRESSIONS) % len(sources)]
            inside = rng.random() < 0.7
            path.write_bytes(compress(mutate(source, rng)) if inside else mutate(compress(source), rng))
            with tally.case(f'archive {number}'):
                _read_in_every_way(str(path), tally)
            if number == _WARM_UP:
                before = _peak_mb()
    growth = _peak_mb() - before
    print(f'{growth:.0f} MB of memory added, {_MEMORY_BOUND_MB} allowed')
    return tally.report(f'{given.count:,} archives') + (growth > _MEMORY_BOUND_MB)


class _Seen(NamedTuple):
    """What is compared of a member; its data is not kept, so that this program needs no memory for it."""

    name: str
    offset: int
    size: int
    checksum: int
    is_bad: bool

    @classmethod
    def of(cls, member: Member) -> '_Seen':
        found = data_of(member)
        data = found.encode() if isinstance(found, str) else found
        return cls(member.name, member.offset, len(data), zlib.crc32(data), _is_bad(data))


def _read_in_every_way(archive: str, tally: Tally) -> None:
    members: list[_Seen] = []
    notes: list[str] = []
    error = _until_error(map(_Seen.of, stream_members(archive, note=notes.append)), members)
    entries: list[Any] = []
    scan_notes: list[str] = []
    scan_error = _until_error(scan_headers(archive, note=scan_notes.append), entries)
    if notes != scan_notes:
        raise RuntimeError(f'streaming notes {notes}, scanning {scan_notes}')
    if str(error) != str(scan_error):
        raise RuntimeError(f'streaming ends with {error!s}, scanning with {scan_error!s}')
    if [(m.name, m.offset) for m in members] != [(e.name, e.offset) for e in entries]:
        raise RuntimeError('streaming and scanning find different members')
    if members and not is_compressed(Path(archive).read_bytes()[:MAGIC_BYTES]):
        _check_index(archive, members)
    tally.counts['damaged'] += error is not None
    tally.counts['images'] += len(members)
    tally.counts['images that cannot be decoded'] += sum(member.is_bad for member in members)


def _check_index(archive: str, members: list[_Seen]) -> None:
    index = build_index(archive)
    try:
        found = [_Seen.of(index.member(row)) for row in range(len(index))]
    except DataError as error:
        raise RuntimeError('an indexed member cannot be read') from error
    if found != members:
        raise RuntimeError('the index has other members')


def _is_bad(data: bytes) -> bool:
    bad = False
    for decode in DECODERS.values():
        try:
            decode(data, 8, 8, 1)
        except BadExampleError:
            bad = True
    return bad


def _until_error(items: Iterable[Any], found: list[Any]) -> DataError | None:
    try:
        found.extend(items)  # keeps what came before an exception
    except DataError as error:
        return error
    return None


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _sources(rng: random.Random) -> list[bytes]:
    """Returns intact archives: GNU, pax, ustar; long and non-ASCII names, links, holes, two in one."""
    files = dict(_images(rng))
    formats = (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    archives = [_tar(files, format) for format in formats]
    short = {f'n/{number}.jpg': data for number, data in enumerate(files.values())}
    archives.append(_tar(short, tarfile.USTAR_FORMAT))
    archives += [sparse + _tar(short, tarfile.GNU_FORMAT) for sparse in _sparse_members()]
    return [*archives, archives[0] + archives[1], archives[-1] + bytes(9000) + archives[2]]


def _images(rng: random.Random) -> Iterator[tuple[str, bytes]]:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (12, 9, 3), dtype=np.uint8))
    for number, kind in enumerate(('JPEG', 'PNG', 'GIF', 'BMP', 'WEBP', 'TIFF', 'PPM')):
        yield f'é/{number}{"n" * 60 * (number % 3)}.{"jpg" if number % 2 else "png"}', encoded(noise, kind)
    yield 'empty/0.jpg', b''
    yield 'text/1.jpg', rng.randbytes(700)


def _tar(files: dict[str, bytes], format: int) -> bytes:
    """Returns an archive with a hard link at its end and, if of pax, a global header at its start."""
    buffer = io.BytesIO()
    comment = {'comment': 'a global header'}
    with tarfile.open(fileobj=buffer, mode='w', format=format, pax_headers=comment) as archive:
        for name, data in files.items():
            archive.addfile(header(name, len(data)), io.BytesIO(data))
        link = header('n/link.jpg', 0)
        link.type, link.linkname = tarfile.LNKTYPE, next(iter(files))
        archive.addfile(link)
        end = archive.offset
    return buffer.getvalue()[: end + 1024]


def _sparse_members() -> Iterator[bytes]:
    """Yields members of 8 KiB, all holes but two blocks, in the four ways to store them."""
    stored = b'A' * 512 + b'B' * 512
    pax = {'GNU.sparse.realsize': '8192', 'GNU.sparse.name': 'n/sparse.tif'}
    info = header('n/sparse.tif', len(stored))
    yield old_gnu_sparse_header(info, [(1024, 512), (4096, 512)], 8192) + stored
    info.pax_headers = {'GNU.sparse.map': '1024,512,4096,512', 'GNU.sparse.size': '8192', **pax}
    yield info.tobuf(tarfile.PAX_FORMAT) + stored
    pieces = (('offset', '1024'), ('numbytes', '512'), ('offset', '4096'), ('numbytes', '512'))
    body = b''.join(
        f'{16 + len(key) + len(value)} GNU.sparse.{key}={value}\n'.encode() for key, value in pieces
    )
    extended = tarfile.TarInfo('pax')
    extended.type, extended.size = tarfile.XHDTYPE, len(body := b'24 GNU.sparse.size=8192\n' + body)
    yield extended.tobuf() + body.ljust(512, b'\0') + info.tobuf(tarfile.USTAR_FORMAT) + stored
    stored = b'2\n1024\n512\n4096\n512\n'.ljust(512, b'\0') + stored
    info.size = len(stored)
    info.pax_headers = {'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', **pax}
    yield info.tobuf(tarfile.PAX_FORMAT) + stored


if __name__ == '__main__':
    main(__doc__, measure, count=(10_000, 'archives'))
