"""The memory that files of at most 10 MB take which are made to take as much as possible.

    python benchmarks/hostile.py
    python benchmarks/hostile.py --only 'names of a megabyte' --commands check

Prints a line for each file and command: the peak memory of the command, its status, the bytes of the file; at
last the highest peak. Only event files and tables of labels have more than 10 MB. A status other than 0, 1
or 2 is a failure.
"""

import io
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from runner import ROOT, command_line, machine

_PACKAGE = 'estimator_lab'
_NUMBERS = 20_000_000


def members(path: Path, files: Iterable[tuple[str, bytes]], is_packed: bool = True) -> None:
    """Writes an archive of (name, bytes)."""
    with tarfile.open(path, 'w:gz' if is_packed else 'w', format=tarfile.GNU_FORMAT) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def picture(mode: str, side: int, kind: str, **options: Any) -> bytes:
    """Returns a black picture."""
    from PIL import Image

    file = io.BytesIO()
    Image.new(mode, (side, side)).save(file, kind, **options)
    return file.getvalue()


def names(path: Path) -> None:
    """300 names of a megabyte."""
    members(path, [(f'{number}/' + 'n' * 10**6 + '.png', b'') for number in range(300)])


def long_names(path: Path) -> None:
    """As many names of 4 kB as there is memory for."""
    members(path, ((f'{number}/' + 'n' * 4000 + '.png', b'') for number in range(150_000)))


def headers(path: Path) -> None:
    """60 global pax headers with a megabyte of records."""
    with tarfile.open(path, 'w:gz', format=tarfile.PAX_FORMAT) as tar:
        for number in range(60):
            records = {f'{number}.{n}': '' for n in range(60_000)}
            tar.fileobj.write(tarfile.TarInfo.create_pax_global_header(records))
            tar.addfile(tarfile.TarInfo(f'n/{number}.png'))


def examples(path: Path) -> None:
    """Two million members with labels of their own, in some megabytes."""
    members(path, ((f'{number}/1.png', b'') for number in range(2_000_000)))


def large_members(path: Path) -> None:
    """Members as large as one may be."""
    members(path, ((f'n/{number}.png', bytes(256 * 2**20)) for number in range(6)))


def dictionary(path: Path) -> None:
    """An xz file that asks for a dictionary of 4 GiB, which its contents fill."""
    tar = tarfile.TarInfo('n/1.png')
    tar.size = 5 * 2**30
    packer = lzma.LZMACompressor(preset=0)
    data = bytearray(packer.compress(tar.tobuf()))
    data += b''.join(packer.compress(bytes(2**24)) for _ in range(320)) + packer.flush()
    data[16] = 40  # of the first block's header: the size of its dictionary
    data[20:24] = struct.pack('<I', zlib.crc32(data[12:20]))
    path.write_bytes(data)


def avif(path: Path) -> None:
    """AVIFs with EXIF of five million numbers."""
    from PIL import Image

    exif = Image.Exif()
    exif[274], exif[0xC000] = 6, (700,) * 5_000_000
    data = picture('RGB', 16, 'AVIF', exif=exif)
    members(path, [(f'n/{number}.avif', data) for number in range(3)])


def tiff(path: Path, tag: int) -> None:
    """TIFFs with a table of twenty million numbers."""
    data = bytearray(picture('RGB', 8, 'TIFF', tiffinfo={tag: 1}))
    place = data.index(struct.pack('<HHI', tag, 4, 1)) + 8
    struct.pack_into('<I', data, place, len(data))
    data += struct.pack('<HHHIII', 1, 36_864, 3, _NUMBERS, len(data) + 18, 0) + bytes(2 * _NUMBERS)
    members(path, [(f'n/{number}.tif', bytes(data)) for number in range(3)])


def pixels(path: Path, mode: str, kind: str, side: int) -> None:
    """Pictures of as many pixels as are allowed."""
    data = picture(mode, side, kind)
    members(path, [(f'n/{number}.{kind.lower()}', data) for number in range(3)])


def events(path: Path) -> None:
    """A run with an event file whose only record has 40 MB of empty values."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    for size, name in ((40_000_000, '1.a'), (16_000_000, '1.b')):
        value = b'\x0a\0' * (size // 2)
        length, rest = b'', size
        while rest:
            length += bytes([rest & 127 | (128 if rest > 127 else 0)])
            rest >>= 7
        data = b'\x2a' + length + value
        head = struct.pack('<Q', len(data))
        framed = [head, struct.pack('<I', masked_crc32c(head)), data, struct.pack('<I', masked_crc32c(data))]
        (path / f'events.out.tfevents.{name}').write_bytes(b''.join(framed))


def commas(path: Path) -> None:
    """A table of labels of 120 MB of commas."""
    path.write_bytes(b',' * 120_000_000)


FILES: dict[str, tuple[str, Callable[[Path], None]]] = {
    'names of a megabyte': ('a.tar.gz', names),
    'names of 4 kB': ('a.tar.gz', long_names),
    'global headers': ('a.tar.gz', headers),
    'two million members': ('a.tar.gz', examples),
    'members of 256 MB': ('a.tar.gz', large_members),
    'dictionary of xz': ('a.tar.xz', dictionary),
    'EXIF of an AVIF': ('a.tar.gz', avif),
    'EXIF of a TIFF': ('a.tar.gz', lambda path: tiff(path, 34_665)),
    'GPS of a TIFF': ('a.tar.gz', lambda path: tiff(path, 34_853)),
    '64 million pixels': ('a.tar.gz', lambda path: pixels(path, 'RGB', 'PNG', 8000)),
    '32 million transparent pixels': ('a.tar.gz', lambda path: pixels(path, 'RGBA', 'PNG', 5656)),
    '32 million 16-bit pixels': ('a.tar.gz', lambda path: pixels(path, 'I;16', 'PNG', 5656)),
    '16 million pixels of a WebP': ('a.tar.gz', lambda path: pixels(path, 'RGBA', 'WEBP', 4000)),
    'event file': ('run', events),
    'table of labels': ('labels.csv', commas),
}


def commands_of(path: Path, run: Path) -> dict[str, list[str]]:
    """Returns the commands that read a file, by their names; `run` is a trained run."""
    if path.name == 'run':
        return {'report': ['report', f'--model_dir={path}']}
    if path.suffix == '.csv':
        return {'check': ['data.check', f'--labels={path}', f'{run.parent}/plain.tar']}
    predictions = [f'--files={path}.files', f'--out={path}.csv']
    return {
        'index': ['data.tar_index', f'{path}'],
        'check': ['data.check', f'{path}'],
        'predict': ['predict', f'--model_dir={run}', *predictions, f'{path}'],
    }


def measured(command: list[str]) -> tuple[int, float, float]:
    """Runs a command of the package; returns its status, its peak memory in MB, and its seconds."""
    started = time.monotonic()
    arguments = [sys.executable, '-m', f'{_PACKAGE}.{command[0]}', *command[1:]]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss / 1024, time.monotonic() - started


def main() -> int:
    """Runs the benchmark; returns the exit status."""
    given = command_line(
        __doc__,
        only=([], f'some of: {", ".join(FILES)}'),
        commands=([], 'some of: index, check, predict, report'),
        make=('', 'writes one of the files to --to, which a process of its own does'),
        to=('', 'path of that file'),
    ).parse_args()
    if given.make:
        FILES[given.make][1](Path(given.to))
        return 0
    print(machine('pillow'), flush=True)
    peaks, failures = [0.0], 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ.update(XDG_CACHE_HOME=f'{folder}/cache', PYTHONPATH=str(ROOT))
        plain, run = folder / 'plain.tar', folder / 'run'
        members(
            plain, [(f'{number % 2}/{number}.png', picture('L', 8, 'PNG')) for number in range(20)], False
        )
        train = [
            'train',
            '--model=mlp',
            f'--data={plain}',
            f'--model_dir={run}',
            '--max_steps=1',
            '--image_size=8',
        ]
        assert not measured(train)[0], 'the run that predicts was not trained'
        for name, (file, _) in FILES.items():
            if given.only and name not in given.only:
                continue
            path = run if file == 'run' else folder / name.replace(' ', '-') / file
            path.parent.mkdir(exist_ok=True)
            # A process begins with the peak of the one that starts it, which stays small.
            subprocess.run([sys.executable, __file__, f'--make={name}', f'--to={path}'], check=True)
            size = sum(part.stat().st_size for part in (path.glob('*tfevents.1*') if path == run else [path]))
            for title, command in commands_of(path, run).items():
                if given.commands and title not in given.commands:
                    continue
                status, peak, seconds = measured(command)
                print(
                    f'{peak:7,.0f} MB  status {status}  {seconds:4.0f} s  {title:8} {name}, {size:,} bytes',
                    flush=True,
                )
                peaks.append(peak)
                failures += status not in (0, 1, 2)
    print(f'highest {max(peaks):.0f} MB; {failures} failures')
    return int(failures > 0)


if __name__ == '__main__':
    sys.exit(main())
