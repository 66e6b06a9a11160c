"""Prints how much memory files take that are small and stand for much, above what an idle process takes.

    python -m tests.robustness.bombs                                        all of them, in all commands
    python -m tests.robustness.bombs --bombs=zeros,holes --commands=train,predict
    python -m tests.robustness.bombs --share=0.1                            a tenth of the members

A process is idle when it has done the same with eight ordinary images. The figure is the most memory that was
resident at once (VmHWM of Linux), of one process for each command and bomb. The package has to be installed
(`pip install -e '.[test]'`). Exit status 1 if one took more than a gigabyte, or ended without a sentence.
Copying (pack.copy) gets a tenth of the members: what a bomb stands for would fill the disk.
"""

import argparse
import gzip
import io
import itertools
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from tests.robustness.bomb_files import LABELS, encoded, header, images_of, zeros
from tests.robustness.mutation import old_gnu_sparse_header

ALLOWED_MB = 1000
MEGAPIXELS_64 = (8000, 8000)
_BIG = 250 * 10**6  # bytes of a member, just below what one may have
_MINUTES = 15

# Runs a command in this process, and tells in its last line of standard error how much memory that took.
_MEASURED = """
import re, runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_module(sys.argv[0], run_name='__main__')
except SystemExit as ended:
    status = ended.code or 0
peak = int(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])
print(f'\\n{peak}', file=sys.stderr)
sys.exit(status)
"""


def _tar(file: BinaryIO, members: Iterator[tuple[str, bytes]]) -> None:
    with tarfile.open(fileobj=file, mode='w|') as tar:
        for number, (name, data) in enumerate(members):
            tar.addfile(header(f'n{number % LABELS}/{number}_{name}', len(data)), io.BytesIO(data))


def _truncated(path: Path, share: float) -> None:
    """PNGs of 64 megapixels, cut in the middle: 15 MB of them."""
    whole = encoded(Image.new('RGB', MEGAPIXELS_64), 'PNG')
    half = whole[: len(whole) // 2]
    with path.open('wb') as file:
        _tar(file, (('.png', half) for _ in range(round(share * 15e6 / len(half)))))


def _holes(path: Path, share: float) -> None:
    """Sparse members that are nothing but a hole."""
    with path.open('wb') as file:
        for number in range(round(60 * share)):
            file.write(old_gnu_sparse_header(header(f'n{number % LABELS}/{number}.png', 0), [], _BIG))
        file.write(bytes(1024))


def _intact(path: Path, share: float, size: tuple[int, int] = MEGAPIXELS_64) -> None:
    """Images of 64 megapixels in all formats."""
    kinds = images_of(size)
    with path.open('wb') as file:
        _tar(file, (kind for _ in range(round(6 * share) or 1) for kind in kinds.items()))


def _intact_webp(path: Path, share: float) -> None:
    """WebP of as many pixels as are decoded of that format."""
    data = encoded(Image.new('RGB', (8000, 5000), (1, 2, 3)), 'WEBP', lossless=True)
    with path.open('wb') as file:
        _tar(file, (('.webp', data) for _ in range(round(20 * share))))


def _compressed(write: Callable[[Path, float], None]) -> Callable[[Path, float], None]:
    """Returns what writes the same archive compressed, which is shuffled in a buffer."""

    def write_compressed(path: Path, share: float) -> None:
        plain = path.with_suffix('.plain')
        write(plain, share)
        path.write_bytes(gzip.compress(plain.read_bytes(), 1))
        plain.unlink()

    return write_compressed


def _noise(path: Path, share: float) -> None:
    """Real pictures of 16 megapixels and 40 MB, in a stream that is shuffled in a buffer of 10,000."""
    rng = np.random.default_rng(1)
    data = encoded(Image.fromarray(rng.integers(0, 256, (4000, 3400, 3), np.uint8)), 'PNG', compress_level=1)
    with gzip.open(path, 'wb', compresslevel=0) as file:
        _tar(file, (('.png', data) for _ in range(round(40 * share))))  # type: ignore[arg-type]


BOMBS: dict[str, Callable[[Path, float], None]] = {
    'truncated': _truncated,
    'truncated.gz': _compressed(_truncated),
    'zeros': lambda path, share: zeros(path, round(60 * share), _BIG),
    'holes': _holes,
    'holes.gz': _compressed(_holes),
    'intact': _intact,
    'intact.gz': _compressed(_intact),
    'webp': _intact_webp,
    'noise': _noise,
}


def _ordinary(path: Path) -> Path:
    picture = encoded(Image.effect_noise((64, 48), 40), 'JPEG')
    with path.open('wb') as file:
        _tar(file, (('.jpg', picture) for _ in range(8)))
    return path


class Workshop:
    """Where commands are tried, with a trained model.

    Args:
      folder: for all that this takes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ordinary = _ordinary(folder / 'ordinary.tar')
        self._model = folder / 'model'
        self._runs = 0
        self.measure(self._train(self.ordinary, self._model))

    @property
    def newest(self) -> Path:
        """Where the last command has written."""
        return self._folder / f'run{self._runs}'

    def command(self, name: str, archive: Path) -> list[str]:
        """Returns how a command is called with an archive."""
        self._runs += 1
        new = self.newest
        out, small = f'--out={new}', '--image_size=64'
        return {
            'train': lambda: self._train(archive, new),
            'predict': lambda: ['estimator_lab.predict', f'--model_dir={self._model}', out, str(archive)],
            'pack': lambda: ['estimator_lab.data.pack', str(archive), out, '--shards=1', small, _ALL_BAD],
            'pack.copy': lambda: ['estimator_lab.data.pack', str(archive), out, '--shards=1', _ALL_BAD],
            'tar_index': lambda: ['estimator_lab.data.tar_index', str(archive)],
        }[name]()

    def measure(self, command: Sequence[str]) -> tuple[float, int, str]:
        """Runs a command; returns the megabytes that it took, its exit status, and its last words."""
        environment = {**os.environ, 'XDG_CACHE_HOME': str(self._folder / 'cache')}
        done = subprocess.run(
            [sys.executable, '-c', _MEASURED, *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60 * _MINUTES,
            check=False,
        )
        *said, peak = filter(None, done.stderr.splitlines())
        words = ' '.join((said or done.stdout.strip().splitlines() or [''])[-1:])
        return int(peak) * 1024 / 1e6, done.returncode, words

    def _train(self, archive: Path, model_dir: Path) -> list[str]:
        return [
            'estimator_lab.train',
            f'--data={archive}',
            f'--eval_data={self.ordinary}',
            f'--model_dir={model_dir}',
            '--image_size=64',
            '--epochs=1',
            '--hparams=filters=2,dense_units=8',
            _ALL_BAD,
        ]


_SHARES = {'pack.copy': 0.1}
_ALL_BAD = '--max_bad_fraction=1'
COMMANDS = ('train', 'predict', 'pack', 'pack.copy', 'tar_index')


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--bombs', default=','.join(BOMBS))
    parser.add_argument('--commands', default=','.join(COMMANDS))
    parser.add_argument('--share', type=float, default=1.0, help='of the members')
    given = parser.parse_args()
    commands = given.commands.split(',')
    print(f'Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}')
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder))
        idle = {name: shop.measure(shop.command(name, shop.ordinary))[0] for name in commands}
        print('idle: ' + ', '.join(f'{name} {peak:.0f} MB' for name, peak in idle.items()))
        print(f'{"bomb":<14} {"MB":>6}  command     above idle  seconds')
        for bomb, name in itertools.product(given.bombs.split(','), commands):
            archive = Path(folder, f'{bomb}.{name}.tar')
            BOMBS[bomb](archive, given.share * _SHARES.get(name, 1))
            try:
                started = time.monotonic()
                peak, status, words = shop.measure(shop.command(name, archive))
                seconds = time.monotonic() - started
                bad = peak - idle[name] > ALLOWED_MB or (status and not words.startswith('error: '))
                failures += bool(bad)
                size = archive.stat().st_size / 1e6
                told = f'{name:<10} {peak - idle[name]:>8.0f} MB {seconds:>8.0f}'
                print(f'{bomb:<14} {size:>6.2f}  {told}  {words if status else ""}', flush=True)
            finally:
                archive.unlink()
                shutil.rmtree(shop.newest, ignore_errors=True)
    print(f'{failures} above {ALLOWED_MB} MB or ended otherwise')
    return 1 if failures else 0


if __name__ == '__main__':
    raise SystemExit(main())
