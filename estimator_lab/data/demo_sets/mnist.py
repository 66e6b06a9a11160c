"""MNIST's four IDX files -> two tar archives of PNGs, `train/7/00015.png`.

The IDX format (LeCun, Cortes and Burges, "The MNIST database of handwritten digits"): two zero bytes, the
type of the values (8 for unsigned bytes), the number of axes, their lengths as big-endian uint32, the values.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from PIL import Image

from estimator_lab.base.regular_files import open_regular
from estimator_lab.base.whole_files import whole_file
from estimator_lab.errors import DataError

_PARTS = {'train': 'train', 'test': 't10k'}
_UNSIGNED_BYTES = 8
_MOST_IMAGES = 10_000_000
_MOST_SIDE = 1024
_GZIP = b'\x1f\x8b'
WHERE = (
    'MNIST comes as train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and '
    't10k-labels-idx1-ubyte, each alone or as .gz, from yann.lecun.com/exdb/mnist and its mirrors.'
)
"""For those who have not got them."""


class Mnist(NamedTuple):
    """Paths of the archives."""

    train: Path
    test: Path


def write_mnist(folder: Path) -> Mnist:
    """Writes mnist-train.tar.gz and mnist-test.tar.gz next to the four IDX files.

    Args:
      folder: that has the files.

    Raises:
      DataError: a file is missing, or is none of MNIST's; the folder can't be written.
    """
    paths = Mnist(*(folder / f'mnist-{part}.tar.gz' for part in _PARTS))
    for (part, prefix), path in zip(_PARTS.items(), paths, strict=True):
        images = _find(folder, f'{prefix}-images-idx3-ubyte')
        labels = _find(folder, f'{prefix}-labels-idx1-ubyte')
        try:
            _write(path, part, images, labels)
        except OSError as error:
            raise DataError(f'{error.filename or path} cannot be used: {error.strerror or error}.') from error
    return paths


def _find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f'{name}.gz'):
        if path.exists():
            return path
    raise DataError(f'There is no {name} in {folder}. {WHERE}')


def _write(path: Path, part: str, images: Path, labels: Path) -> None:
    # The same files give the same bytes: no time and no name in gzip's header.
    with (
        whole_file(path, replaces=False) as file,
        gzip.GzipFile('', 'wb', fileobj=file, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode='w', format=tarfile.USTAR_FORMAT) as archive,
    ):
        for number, (pixels, label) in enumerate(_examples(images, labels)):
            data = io.BytesIO()
            Image.fromarray(pixels).save(data, 'PNG')
            header = tarfile.TarInfo(f'{part}/{label}/{number:05}.png')
            header.size = data.tell()
            data.seek(0)
            archive.addfile(header, data)


def _examples(images: Path, labels: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Yields the pixels, uint8 [height, width], and the label of each image."""
    with _open_idx(images, 3) as pictures, _open_idx(labels, 1) as names:
        count, height, width = pictures.shape
        if names.shape != (count,):
            raise DataError(f'{labels} has {names.shape[0]:,} labels, but {images} has {count:,} images.')
        for _ in range(count):
            pixels = np.frombuffer(pictures.read(height * width), np.uint8)
            yield pixels.reshape(height, width), names.read(1)[0]


class _Idx:
    """The values of an IDX file of unsigned bytes, read in one pass.

    Args:
      path: of the file, for errors.
      stream: of its bytes, uncompressed.
      axes: how many it must have.

    Attributes:
      shape: their lengths.
    """

    def __init__(self, path: Path, stream: IO[bytes] | gzip.GzipFile, axes: int) -> None:
        self._path = path
        self._stream = stream
        if tuple(self.read(4)) != (0, 0, _UNSIGNED_BYTES, axes):
            raise DataError(f'{path} is not an IDX file of bytes with {axes} axes.')
        self.shape = tuple(int.from_bytes(self.read(4), 'big') for _ in range(axes))
        count, *sides = self.shape
        if count > _MOST_IMAGES or any(not 0 < side <= _MOST_SIDE for side in sides):
            raise DataError(f'{path} claims {"x".join(map(str, self.shape))} values, which is not MNIST.')

    def read(self, size: int) -> bytes:
        """Returns the next bytes."""
        try:
            data = self._stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f'{self._path} is damaged: {error}.') from error
        if len(data) < size:
            raise DataError(f'{self._path} is cut off.')
        return data


@contextmanager
def _open_idx(path: Path, axes: int) -> Iterator[_Idx]:
    """Opens an IDX file, as it is or compressed with gzip."""
    try:
        with open_regular(path) as file:
            is_gzip = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            yield _Idx(path, gzip.GzipFile(fileobj=file) if is_gzip else file, axes)
    except ValueError as error:
        raise DataError(f'{path} cannot be read: {error}.') from error
