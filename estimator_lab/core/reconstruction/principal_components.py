"""Principal component analysis in one pass over images: the best linear code of a given size.

Up to 2,048 values per image, it is exact: it sums the scatter matrix and decomposes it once. For larger
images, it keeps twice as many directions as requested and merges them with each chunk of images (Ross et al.
2008, section 2.1); its memory depends neither on the number of images nor on the square of their size.
"""

import math
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from estimator_lab.base.regular_files import open_regular
from estimator_lab.conventions import to_unit_range
from estimator_lab.core.array_file import read_array, write_arrays
from estimator_lab.errors import DataError

FILE = 'principal_components.npz'
"""Name of the file in a model_dir."""

_EXACT_UP_TO = 2048
_SPARE_DIRECTIONS = 32
# A pass ends here, as more images would change the components little.
_MOST_VALUES = 300_000_000


@dataclass(frozen=True)
class PrincipalComponents:
    """The directions in which images vary most.

    Attributes:
      mean: float32 [values], the mean image, flat.
      axes: float32 [size, values], orthonormal, in descending order of variance.
      images: number of images that they were computed from.
    """

    mean: np.ndarray
    axes: np.ndarray
    images: int

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Returns images [n, ...] projected on the axes, float32 of the same shape."""
        flat = images.reshape(len(images), -1) - self.mean
        return ((flat @ self.axes.T) @ self.axes + self.mean).reshape(images.shape).astype(np.float32)

    def save(self, path: Path) -> None:
        """Writes them to a file, atomically."""
        write_arrays(path, {'mean': self.mean, 'axes': self.axes, 'images': np.array(self.images, np.int64)})


def load_components(path: Path, values: int) -> PrincipalComponents:
    """Reads a file of `PrincipalComponents.save`, which may be untrusted.

    Args:
      path: the file.
      values: number of values of an image.

    Raises:
      DataError: if it cannot be read, or does not contain components of that many values.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            mean = read_array(archive, 'mean', '<f4', (values,))
            axes = read_array(archive, 'axes', '<f4', (None, values))
            images = read_array(archive, 'images', '<i8', ())
    except (OSError, ValueError, LookupError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f'{path} has no usable principal components: {error}.') from error
    if not (len(axes) <= values and np.isfinite(mean).all() and np.isfinite(axes).all()):
        raise DataError(f'{path} has no usable principal components: wrong number, or not finite.')
    return PrincipalComponents(mean, axes, int(images))


def principal_components(batches: Iterable[np.ndarray], size: int) -> PrincipalComponents:
    """Returns the first principal components of some images.

    Args:
      batches: uint8 [n, height, width, channels] each, scaled to [0, 1]; at least one image. Only the first
        300 million values are read, so that their order should be random.
      size: number of components, limited by the number of values and of images.
    """
    chunks = _chunks(batches, size)
    first = next(chunks)
    values = first.shape[1]
    fit = _Scatter(values) if values <= _EXACT_UP_TO else _Sketch(2 * size + _SPARE_DIRECTIONS, values)
    for chunk in (first, *chunks):
        fit.add(chunk)
        if fit.images * values >= _MOST_VALUES:
            break
    return PrincipalComponents(fit.mean.astype(np.float32), fit.axes(min(size, values)), fit.images)


def _chunks(batches: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yields images as float32 [n, values] in [0, 1]; except at the end, n is at least the sketch's size."""
    waiting: list[np.ndarray] = []
    for batch in batches:
        waiting.append(to_unit_range(batch.reshape(len(batch), -1)))
        if sum(map(len, waiting)) >= 2 * size + _SPARE_DIRECTIONS:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


class _Scatter:
    """Sums the products of all pairs of values."""

    def __init__(self, values: int) -> None:
        self.images = 0
        self._sum = np.zeros(values)
        self._products = np.zeros((values, values))

    def add(self, chunk: np.ndarray) -> None:
        self.images += len(chunk)
        self._sum += chunk.sum(axis=0, dtype=np.float64)
        self._products += chunk.T @ chunk

    @property
    def mean(self) -> np.ndarray:
        return self._sum / self.images

    def axes(self, size: int) -> np.ndarray:
        scatter = self._products - self.images * np.outer(self.mean, self.mean)
        _, vectors = np.linalg.eigh(scatter)  # in ascending order of their variance
        return vectors.T[::-1][:size].astype(np.float32)


class _Sketch:
    """Keeps orthogonal rows whose outer products approximate the scatter matrix."""

    def __init__(self, rows: int, values: int) -> None:
        self.images = 0
        self.mean: np.ndarray = np.zeros(values)
        self._most = rows
        self._rows = np.zeros((0, values), np.float32)

    def add(self, chunk: np.ndarray) -> None:
        count, mean = len(chunk), chunk.mean(axis=0)
        both = self.images + count
        # The difference of the two means adds one row to the scatter.
        shift = math.sqrt(self.images * count / both) * (self.mean - mean)
        self._rows = _orthogonal(
            np.concatenate([self._rows, chunk - mean, shift[np.newaxis].astype(np.float32)]), self._most
        )
        self.mean = self.mean + (mean - self.mean) * (count / both)
        self.images = both

    def axes(self, size: int) -> np.ndarray:
        rows = self._rows[:size]
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _orthogonal(rows: np.ndarray, most: int) -> np.ndarray:
    """Returns at most `most` orthogonal rows with nearly the same scatter, longest first, without zeros."""
    squares, vectors = np.linalg.eigh(rows @ rows.T)  # in ascending order
    kept = np.flatnonzero(squares > squares[-1] * 1e-6)[::-1][:most]
    return vectors.T[kept] @ rows
