"""Measures the memory of commands on small files that expand to gigabytes, above that of an idle process.

    python -m tests.robustness.bombs                                        all of them, in all commands
    python -m tests.robustness.bombs --bombs=zeros,holes --commands=train,predict
    python -m tests.robustness.bombs --share=0.1                            a tenth of the members

An idle process is one that has done the same with eight ordinary images. The figure is the peak of resident
memory (VmHWM of Linux), of one process for each command and bomb. Exit status 1 if one needs more than a
gigabyte, or ends without a sentence. Copying (pack.copy) gets a tenth of the members, as the expanded bombs
would fill the disk.
"""

import argparse
import gzip
import itertools
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.robustness.driver import main
from tests.robustness.mutation import old_gnu_sparse_header
from tests.support.archive_files import encoded, write_tar

LABELS = 4
ALLOWED_MB = 1000
MEGAPIXELS_64 = (8000, 8000)
_BIG = 250 * 10**6  # bytes of a member, just below the limit
_MINUTES = 15

# Runs a command in this process; its last line of standard error is the peak of memory in kB.
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


def images_of(size: tuple[int, int]) -> dict[str, bytes]:
    """Returns intact images of one colour, a few kilobytes each, by file name."""
    palette = Image.new('P', size)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    colour = Image.new('RGB', size, (200, 100, 50))
    return {
        'palette.png': encoded(palette, 'PNG', bits=1, transparency=0),
        'alpha.png': encoded(Image.new('RGBA', size, (9, 9, 9, 9)), 'PNG'),
        'deep.png': encoded(Image.fromarray(np.zeros(size[::-1], np.uint16)), 'PNG'),
        'baseline.jpg': encoded(colour, 'JPEG'),
        'progressive.jpg': encoded(colour, 'JPEG', progressive=True, subsampling='4:4:4'),
        'inks.jpg': encoded(Image.new('CMYK', size), 'JPEG'),
        'frame.gif': encoded(palette, 'GIF'),
        'strip.tif': encoded(colour, 'TIFF', compression='tiff_lzw', tiffinfo={278: size[1]}),
        'lossless.webp': encoded(colour, 'WEBP', lossless=True),
    }


def header(name: str, size: int) -> tarfile.TarInfo:
    """Returns the header of a member."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info


def zeros(path: Path, members: int, size: int) -> None:
    """Writes a gzip archive of members of zeros."""
    with gzip.open(path, 'wb', compresslevel=1) as file:
        block = bytes(2**20)
        for number in range(members):
            file.write(header(f'n{number % LABELS}/{number}.png', size).tobuf())
            left = size + -size % 512
            while left:
                left -= file.write(block[:left])
        file.write(bytes(1024))


def _labelled(members: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Yields members in folders of labels."""
    for number, (name, data) in enumerate(members):
        yield f'n{number % LABELS}/{number}_{name}', data


def _truncated(path: Path, share: float) -> None:
    """PNGs of 64 megapixels, cut in the middle: 15 MB of them."""
    whole = encoded(Image.new('RGB', MEGAPIXELS_64))
    half = whole[: len(whole) // 2]
    write_tar(path, _labelled(('.png', half) for _ in range(round(share * 15e6 / len(half)))))


def _holes(path: Path, share: float) -> None:
    """Sparse members, each one hole."""
    with path.open('wb') as file:
        for number in range(round(60 * share)):
            file.write(old_gnu_sparse_header(header(f'n{number % LABELS}/{number}.png', 0), [], _BIG))
        file.write(bytes(1024))


def _intact(path: Path, share: float, size: tuple[int, int] = MEGAPIXELS_64) -> None:
    """Images of 64 megapixels in all formats."""
    kinds = images_of(size)
    write_tar(path, _labelled(kind for _ in range(round(6 * share) or 1) for kind in kinds.items()))


def _intact_webp(path: Path, share: float) -> None:
    """WebP images of the largest size that is decoded."""
    data = encoded(Image.new('RGB', (8000, 5000), (1, 2, 3)), 'WEBP', lossless=True)
    write_tar(path, _labelled(('.webp', data) for _ in range(round(20 * share))))


def _compressed(write: Callable[[Path, float], None]) -> Callable[[Path, float], None]:
    """Returns a function that writes the same archive compressed, which is shuffled in a buffer."""

    def write_compressed(path: Path, share: float) -> None:
        plain = path.with_suffix('.plain')
        write(plain, share)
        path.write_bytes(gzip.compress(plain.read_bytes(), 1))
        plain.unlink()

    return write_compressed


def _noise(path: Path, share: float) -> None:
    """Real pictures of 14 megapixels and 40 MB, in a stream that is shuffled in a buffer of 10,000."""
    noise = np.random.default_rng(1).integers(0, 256, (4000, 3400, 3), np.uint8)
    data = encoded(Image.fromarray(noise), 'PNG', compress_level=1)
    plain = path.with_suffix('.plain')
    write_tar(plain, _labelled(('.png', data) for _ in range(round(40 * share))))
    with plain.open('rb') as source, gzip.open(path, 'wb', compresslevel=0) as file:
        shutil.copyfileobj(source, file)
    plain.unlink()


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


class Workshop:
    """A folder in which commands are tried, with a trained model.

    Args:
      folder: for all files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        pictures = [('.jpg', encoded(Image.effect_noise((64, 48), 40), 'JPEG'))] * 8
        self.ordinary = write_tar(folder / 'ordinary.tar', _labelled(pictures))
        self._model = folder / 'model'
        self._runs = 0
        self.measure(self._train(self.ordinary, self._model))

    @property
    def newest(self) -> Path:
        """The output of the last command."""
        return self._folder / f'run{self._runs}'

    def command(self, name: str, archive: Path) -> list[str]:
        """Returns the command line of a command on an archive."""
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
        """Runs a command; returns its peak of memory in megabytes, its exit status, and its last line."""
        environment = {**os.environ, 'XDG_CACHE_HOME': str(self._folder / 'cache')}
        done = subprocess.run(
            [sys.executable, '-c', _MEASURED, *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60 * _MINUTES,
            check=False,
        )
        *lines, peak = filter(None, done.stderr.splitlines())
        last = ' '.join((lines or done.stdout.strip().splitlines() or [''])[-1:])
        return int(peak) * 1024 / 1e6, done.returncode, last

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


def measure(given: argparse.Namespace) -> int:
    """Tries each bomb of --bombs in each command of --commands; returns the failures."""
    commands, failures = given.commands.split(','), 0
    with tempfile.TemporaryDirectory() as folder:
        shop = Workshop(Path(folder))
        idle = {name: shop.measure(shop.command(name, shop.ordinary))[0] for name in commands}
        print('idle: ' + ', '.join(f'{name} {peak:.0f} MB' for name, peak in idle.items()))
        print(f'{"bomb":<14} {"MB":>6}  command     above idle  seconds')
        for bomb, name in itertools.product(given.bombs.split(','), commands):
            archive = Path(folder, f'{bomb}.{name}.tar')
            BOMBS[bomb](archive, given.share * _SHARES.get(name, 1))
            started = time.monotonic()
            peak, status, line = shop.measure(shop.command(name, archive))
            seconds, above = time.monotonic() - started, peak - idle[name]
            failures += bool(above > ALLOWED_MB or (status and not line.startswith('error: ')))
            size = archive.stat().st_size / 1e6
            figures = f'{bomb:<14} {size:>6.2f}  {name:<10} {above:>8.0f} MB {seconds:>8.0f}'
            print(f'{figures}  {line if status else ""}', flush=True)
            archive.unlink()
            shutil.rmtree(shop.newest, ignore_errors=True)
    return failures


if __name__ == '__main__':
    main(
        __doc__,
        measure,
        bombs=(','.join(BOMBS), 'some of these'),
        commands=(','.join(COMMANDS), 'some of these'),
        share=(1.0, 'of the members'),
    )
