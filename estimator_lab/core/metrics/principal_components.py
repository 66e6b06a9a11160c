"""Principal component analysis in one pass over images: what a code of that size keeps without any network.

Up to 2,048 values an image, it is exact: the scatter matrix is summed up and decomposed once. Beyond, it
keeps twice as many directions as asked for, and merges those with each chunk of images (Ross et al. 2008,
section 2.1), so that its memory depends on neither the number of images nor the square of their size.
"""

import math
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from estimator_lab.console.regular_files import open_regular
from estimator_lab.conventions import to_unit_range
from estimator_lab.core.model.array_file import read_array, write_arrays
from estimator_lab.errors import DataError

FILE = 'principal_components.npz'
"""Name of the file in a model_dir."""

_EXACT_UP_TO = 2048
_SPARE_DIRECTIONS = 32
# A pass ends here: more images would take longer, and change the components little.
_MOST_VALUES = 300_000_000


@dataclass(frozen=True)
class PrincipalComponents:
    """The directions in which images differ most.

    Attributes:
      mean: float32 [values], the mean image, flat.
      axes: float32 [size, values], orthonormal, the first one with the largest variance.
      images: how many images they were computed from.
    """

    mean: np.ndarray
    axes: np.ndarray
    images: int

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Returns what is left of images, float32 [n, ...], once they are reduced to one number an axis."""
        flat = images.reshape(len(images), -1) - self.mean
        return ((flat @ self.axes.T) @ self.axes + self.mean).reshape(images.shape).astype(np.float32)

    def save(self, path: Path) -> None:
        """Writes them to a file, whole or not at all."""
        write_arrays(path, {'mean': self.mean, 'axes': self.axes, 'images': np.array(self.images, np.int64)})


def load_components(path: Path, values: int) -> PrincipalComponents:
    """Returns what `PrincipalComponents.save` wrote; the file may be a stranger's.

    Args:
      path: of the file.
      values: of an image.

    Raises:
      DataError: it can't be read, or holds no components of so many values.
    """
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            mean = read_array(archive, 'mean', '<f4', (values,))
            axes = read_array(archive, 'axes', '<f4', (None, values))
            images = read_array(archive, 'images', '<i8', ())
    except (OSError, ValueError, LookupError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f'{path} holds no principal components that can be used: {error}.') from error
    if not (len(axes) <= values and np.isfinite(mean).all() and np.isfinite(axes).all()):
        raise DataError(f'{path} holds no principal components that can be used: they are none.')
    return PrincipalComponents(mean, axes, int(images))


def principal_components(batches: Iterable[np.ndarray], size: int) -> PrincipalComponents:
    """Returns the first principal components of some images.

    Args:
      batches: uint8 [n, height, width, channels] each, taken as values in [0, 1]; at least one image. Of very
        many, the first 300 million values count: their order should be a random one.
      size: how many components; as many as there are values or images where those are fewer.
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
    """Yields images as float32 [n, values] in [0, 1], n at least as large as the sketch, but for the last."""
    waiting: list[np.ndarray] = []
    for batch in batches:
        waiting.append(to_unit_range(batch.reshape(len(batch), -1)))
        if sum(map(len, waiting)) >= 2 * size + _SPARE_DIRECTIONS:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


class _Scatter:
    """Sums up the products of all pairs of values."""

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
    """Keeps orthogonal rows whose squares sum up to nearly the images' scatter matrix."""

    def __init__(self, rows: int, values: int) -> None:
        self.images = 0
        self.mean: np.ndarray = np.zeros(values)
        self._most = rows
        self._rows = np.zeros((0, values), np.float32)

    def add(self, chunk: np.ndarray) -> None:
        count, mean = len(chunk), chunk.mean(axis=0)
        both = self.images + count
        # The two means differ; what that adds to the scatter is one row more.
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
    """Returns the longest orthogonal rows with the same scatter, longest first; none of length 0."""
    squares, vectors = np.linalg.eigh(rows @ rows.T)  # in ascending order
    kept = np.flatnonzero(squares > squares[-1] * 1e-6)[::-1][:most]
    return vectors.T[kept] @ rows
