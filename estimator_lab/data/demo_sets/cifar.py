"""The binary version of CIFAR-10 -> two tar archives of PNGs, `train/frog/00015.png`.

Its files (Krizhevsky 2009, "Learning multiple layers of features from tiny images") hold records of 3,073
bytes: the class, then 32x32 pixels of red, of green and of blue, each row by row.
"""

import contextlib
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from estimator_lab.base.regular_files import open_regular, read_regular, why_unread
from estimator_lab.data.demo_sets.archives import DemoPaths
from estimator_lab.data.demo_sets.png_archive import write_png_archive
from estimator_lab.errors import DataError

LABELS = (
    *('airplane', 'automobile', 'bird', 'cat', 'deer'),
    *('dog', 'frog', 'horse', 'ship', 'truck'),
)
"""The classes, in the order of their numbers."""

_PARTS = {'train': [f'data_batch_{number}.bin' for number in range(1, 6)], 'test': ['test_batch.bin']}
_ARCHIVES = ('cifar-10-binary.tar.gz', 'cifar-10-binary.tar')
_FOLDERS = ('', 'cifar-10-batches-bin')
_SIDE = 32
_RECORD = 1 + 3 * _SIDE**2
_MOST_BYTES = 2**28  # of a file; the published ones have 30 MB
_WHERE = (
    'CIFAR-10 comes as cifar-10-binary.tar.gz, the "binary version (suitable for C programs)", from '
    'www.cs.toronto.edu/~kriz/cifar.html; the Python version is not read, since a pickle can run programs.'
)


def write_cifar10(folder: Path) -> DemoPaths:
    """Writes cifar10-train.tar.gz and cifar10-test.tar.gz next to the files of CIFAR-10.

    Args:
      folder: that has cifar-10-binary.tar.gz, or the files in it.

    Raises:
      DataError: a file is missing, or is not one of CIFAR-10's; the folder can't be written.
    """
    files = _found(folder)
    paths = DemoPaths(*(folder / f'cifar10-{part}.tar.gz' for part in _PARTS))
    for (part, names), path in zip(_PARTS.items(), paths, strict=True):
        images, classes = zip(*(_records(name, *files[name]) for name in names), strict=True)
        labels = (LABELS[number] for number in np.concatenate(classes).tolist())
        write_png_archive(path, part, np.concatenate(images), labels)
    return paths


def _found(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Returns where each file was found, and its bytes, by name."""
    names = [name for part in _PARTS.values() for name in part]
    archive = next((folder / name for name in _ARCHIVES if (folder / name).exists()), None)
    found = dict(_from_archive(archive, names)) if archive else dict(_from_folder(folder, names))
    for name in names:
        if name not in found:
            raise DataError(f'There is no {name} in {archive or folder}. {_WHERE}')
    return found


def _from_folder(folder: Path, names: list[str]) -> Iterator[tuple[str, tuple[str, bytes]]]:
    for name in names:
        for path in (folder / inner / name for inner in _FOLDERS):
            if path.exists():
                try:
                    yield name, (str(path), read_regular(path, _MOST_BYTES))
                except (OSError, ValueError) as error:
                    raise DataError(f'{path} cannot be read: {why_unread(error)}.') from error
                break


def _from_archive(path: Path, names: list[str]) -> Iterator[tuple[str, tuple[str, bytes]]]:
    try:
        with open_regular(path) as file, tarfile.open(fileobj=file, mode='r|*') as archive:
            for member in archive:
                name = member.name.rpartition('/')[2]
                if name not in names or not member.isreg():
                    continue
                place = f'{path}:{member.name}'
                if member.size > _MOST_BYTES:
                    raise DataError(f'{place} has {member.size:,} bytes, which is not CIFAR-10.')
                with contextlib.closing(archive.extractfile(member)) as opened:  # type: ignore[type-var]
                    yield name, (place, opened.read())  # type: ignore[union-attr]
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(f'{path} is damaged: {error}.') from error
    except (OSError, ValueError) as error:
        raise DataError(f'{path} cannot be read: {why_unread(error)}.') from error


def _records(name: str, place: str, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images, uint8 [n, 32, 32, 3], and their classes [n]."""
    if not data or len(data) % _RECORD:
        raise DataError(f'{place} has {len(data):,} bytes, not a multiple of {_RECORD:,}: it is not {name}.')
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    if (largest := int(np.max(records[:, 0]))) >= len(LABELS):
        raise DataError(f'{place} has an image of class {largest}, but CIFAR-10 has {len(LABELS)} classes.')
    return records[:, 1:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1), records[:, 0]
