"""Compressed archives with flipped bits, or without their end, through everything that reads archives.

    python -m tests.robustness.damage --count=1000

Each must be read, or rejected with a sentence that names the archive. Exit status 1 if one is not.
"""

import argparse
import bz2
import contextlib
import gzip
import io
import lzma
import os
import random
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from unittest import mock

from estimator_lab.api import stream
from estimator_lab.base.errors import DataError
from estimator_lab.data import check, pack, tar_index
from estimator_lab.data.archives.kinds import kind_of
from estimator_lab.data.archives.one_example import read_example
from estimator_lab.data.archives.opened import open_archives, open_stream
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.sources.source import source_of
from tests.robustness.driver import Tally, main
from tests.support.archive_files import encoded, picture, tar_bytes
from tests.support.commands import invoke

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    'gz': lambda data: gzip.compress(data, mtime=0),
    'bz2': bz2.compress,
    'xz': lzma.compress,
    'lzma': lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}
if sys.version_info >= (3, 14):
    from compression import zstd

    COMPRESSIONS['zst'] = zstd.compress

_HEAD = 64  # bytes, in which half of the changes are


def contents() -> Iterator[bytes]:
    """Yields an archive of images, and a text of trees."""
    yield tar_bytes({f'n{n % 2}/{n}.png': encoded(picture(n, 8, 8)) for n in range(6)})
    yield b'(3 (2 not) (4 bad))\n(1 (0 so) (2 so))\n' * 20


def damaged(whole: bytes, rng: random.Random) -> bytes:
    """Returns a compressed file with a flipped bit, or without its end."""
    offset = rng.randrange(min(_HEAD, len(whole)) if rng.random() < 0.5 else len(whole))
    if rng.random() < 0.2:
        return whole[: offset + 1]
    changed = bytearray(whole)
    changed[offset] ^= 1 << rng.randrange(8)
    return bytes(changed)


def complaints(path: Path) -> Iterator[str]:
    """Reads an archive in all ways; yields what ends in anything but a sentence that names it."""
    for name, read in _WAYS.items():
        try:
            read(path)
        except DataError as error:
            if path.name not in str(error):
                yield f'{name}: a sentence that does not name the archive: {error}'
        except Exception:  # noqa: BLE001 - there must be none
            yield f'{name}:\n{traceback.format_exc()}'


def _command(module: ModuleType, path: Path, *flags: str) -> None:
    """Runs a command; raises DataError with what it prints if it fails."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        status = invoke(module, str(path), *flags)
    if status:
        raise DataError(output.getvalue())


def _pack(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as out:
        _command(pack, path, f'--out={out}/shards', '--shards=1', '--max_bad_fraction=1')


def _train(path: Path) -> None:
    """Reads an epoch as training does."""
    source = source_of(path)
    deque(open_archives([source], kind_of(source), say=_silent).order(8, 1).epoch(0), 0)


def _predict(path: Path) -> None:
    """Reads an epoch as `predict` does."""
    deque(open_stream([str(path)], IMAGES, say=_silent).order().epoch(0), 0)


def _silent(line: str) -> None:
    pass


_WAYS: dict[str, Callable[[Path], object]] = {
    'check': lambda path: _command(check, path),
    'check --quick': lambda path: _command(check, path, '--quick'),
    'tar_index': lambda path: _command(tar_index, path),
    'pack': _pack,
    'train': _train,
    'predict': _predict,
    'api.stream': lambda path: deque(stream(path, shuffle=False, max_bad_fraction=1), 0),
    'dream --image': lambda path: read_example(f'{path}:n0/2.png', IMAGES),
}


def walk(folder: Path, count: int, rng: random.Random, tally: Tally) -> None:
    """Damages archives `count` times, and adds what went wrong to a tally."""
    wholes = [(name, compress(data)) for data in contents() for name, compress in COMPRESSIONS.items()]
    for number in range(count):
        suffix, whole = wholes[number % len(wholes)]
        path = folder / f'damaged-{number}.tar.{suffix}'
        path.write_bytes(damaged(whole, rng))
        with tally.case(f'{path.name} of --seed'):
            tally.counts['damaged archives'] += 1
            tally.problems += [f'{path.name}: {words}' for words in complaints(path)]
        for written in folder.glob(f'{path.name}*'):
            written.unlink()


def measure(given: argparse.Namespace) -> int:
    """Walks --count damaged archives; returns the number of failures."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, XDG_CACHE_HOME=folder):
        walk(Path(folder), given.count, random.Random(given.seed), tally)
    return tally.report('damage')


if __name__ == '__main__':
    main(__doc__, measure, count=(1000, 'damaged archives'))
