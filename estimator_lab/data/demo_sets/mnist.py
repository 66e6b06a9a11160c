"""The four IDX files of MNIST or Fashion-MNIST -> two tar archives of PNGs, `train/7/00015.png`.

The IDX format (LeCun, Cortes and Burges, "The MNIST database of handwritten digits"): two zero bytes, the
type of the values (8 for unsigned bytes), the number of axes, their lengths as big-endian uint32, the values.
"""

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from estimator_lab.base.regular_files import open_regular
from estimator_lab.data.demo_sets.archives import DemoPaths
from estimator_lab.data.demo_sets.png_archive import write_png_archive
from estimator_lab.errors import DataError

_PARTS = {'train': 'train', 'test': 't10k'}
_UNSIGNED_BYTES = 8
_MOST_BYTES = 2**30  # read as a whole; EMNIST, in the same format, has up to 547 MB
_MOST_SIDE = 1024
_GZIP = b'\x1f\x8b'
_FILES = (
    'train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, '
    'each alone or as .gz, from'
)
WHERE = f'MNIST comes as {_FILES} yann.lecun.com/exdb/mnist and its mirrors.'
FASHION_WHERE = f'Fashion-MNIST comes as {_FILES} github.com/zalandoresearch/fashion-mnist.'
"""For those who have not got them."""


FASHION_LABELS = (
    *('t-shirt', 'trouser', 'pullover', 'dress', 'coat'),
    *('sandal', 'shirt', 'sneaker', 'bag', 'ankle_boot'),
)
"""The classes of Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), in the order of their numbers."""

_MNIST_LABELS = tuple(map(str, range(256)))  # EMNIST has more than ten


def write_mnist(folder: Path) -> DemoPaths:
    """Writes mnist-train.tar.gz and mnist-test.tar.gz next to the four IDX files.

    Args:
      folder: that has the files.

    Raises:
      DataError: a file is missing, or is none of MNIST's; the folder can't be written.
    """
    return _write_set(folder, 'mnist', _MNIST_LABELS, WHERE)


def write_fashion_mnist(folder: Path) -> DemoPaths:
    """Writes fashion-train.tar.gz and fashion-test.tar.gz next to the four IDX files; see `write_mnist`."""
    return _write_set(folder, 'fashion', FASHION_LABELS, FASHION_WHERE)


def _write_set(folder: Path, name: str, labels: Sequence[str], where: str) -> DemoPaths:
    paths = DemoPaths(*(folder / f'{name}-{part}.tar.gz' for part in _PARTS))
    for (part, prefix), path in zip(_PARTS.items(), paths, strict=True):
        images = _find(folder, f'{prefix}-images-idx3-ubyte', where)
        of_images = _find(folder, f'{prefix}-labels-idx1-ubyte', where)
        try:
            pictures, classes = _read_idx(images, 3), _read_idx(of_images, 1)
        except OSError as error:
            raise DataError(f'{error.filename or path} cannot be used: {error.strerror or error}.') from error
        if len(classes) != len(pictures):
            raise DataError(
                f'{of_images} has {len(classes):,} labels, but {images} has {len(pictures):,} images.'
            )
        if (largest := int(classes.max(initial=0))) >= len(labels):
            raise DataError(f'{of_images} has the label {largest}, but there are {len(labels)} classes.')
        write_png_archive(path, part, pictures, (labels[number] for number in classes.tolist()))
    return paths


def _find(folder: Path, name: str, where: str) -> Path:
    for path in (folder / name, folder / f'{name}.gz'):
        if path.exists():
            return path
    raise DataError(f'There is no {name} in {folder}. {where}')


def _read_idx(path: Path, axes: int) -> np.ndarray:
    """Returns the values of an IDX file of unsigned bytes, as it is or compressed with gzip.

    Args:
      path: of the file.
      axes: how many it must have.
    """
    try:
        with open_regular(path) as file:
            is_gzip = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if is_gzip else file
            head = stream.read(4 * (1 + axes))
            if head[:4] not in (bytes((0, 0, _UNSIGNED_BYTES, axes)), b''):
                raise DataError(f'{path} is not an IDX file of bytes with {axes} axes.')
            shape = tuple(np.frombuffer(head[4 : len(head) // 4 * 4], '>u4').tolist())
            if math.prod(shape) > _MOST_BYTES or not all(0 < side <= _MOST_SIDE for side in shape[1:]):
                raise DataError(f'{path} claims {"x".join(map(str, shape))} values, which is not MNIST.')
            data = stream.read(math.prod(shape))
    except ValueError as error:
        raise DataError(f'{path} cannot be read: {error}.') from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f'{path} is damaged: {error}.') from error
    if len(head) < 4 * (1 + axes) or len(data) < math.prod(shape):
        raise DataError(f'{path} is cut off.')
    return np.frombuffer(data, np.uint8).reshape(shape)
