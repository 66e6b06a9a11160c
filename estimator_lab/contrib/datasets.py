"""``tf.contrib.learn.datasets`` and ``tensorflow.examples.tutorials.mnist.input_data``, of local files."""

import csv
import gzip
import re
import tarfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.tf1 import DType, tf

Dataset = namedtuple('Dataset', ['data', 'target'])
Datasets = namedtuple('Datasets', ['train', 'validation', 'test'])
_LARGEST_DIGIT = 1 << 16  # bytes


def load_csv_with_header(
    filename: str, target_dtype: DType, features_dtype: DType, target_column: int = -1
) -> Dataset:
    """Returns the features and targets of a CSV file whose header starts with its number of rows."""
    header, *rows = _rows(filename)
    if len(rows) != int(header[0]):
        raise ValueError(f'{filename} has {len(rows)} rows, but its header says {header[0]}.')
    return _split(rows, target_dtype, features_dtype, target_column)


def load_csv_without_header(
    filename: str, target_dtype: DType, features_dtype: DType, target_column: int = -1
) -> Dataset:
    """Returns the features and targets of a CSV file without a header."""
    return _split(_rows(filename), target_dtype, features_dtype, target_column)


def _rows(filename: str) -> list[list[str]]:
    with tf.io.gfile.GFile(filename) as file:
        return [row for row in csv.reader(file) if row]


def _split(rows: list[list[str]], target_dtype: DType, features_dtype: DType, column: int) -> Dataset:
    targets = np.array([row.pop(column) for row in rows], target_dtype)
    return Dataset(data=np.asarray(rows, features_dtype), target=targets)


class DataSet:
    """Images and labels with `next_batch`, as `tf.contrib.learn.datasets.mnist` has them."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        dtype: DType = tf.float32,
        reshape: bool = True,
        seed: int | None = None,
    ) -> None:
        if len(images) != len(labels):
            raise ValueError(f'images.shape: {images.shape} labels.shape: {labels.shape}')
        if reshape:
            images = images.reshape(len(images), -1)
        self.images = images.astype(np.float32) / 255 if tf.as_dtype(dtype) == tf.float32 else images
        self.labels = labels
        self.num_examples = len(images)
        self.epochs_completed = 0
        self._random = np.random.RandomState(seed)
        self._left = np.arange(0)

    def next_batch(self, batch_size: int, fake_data: bool = False, shuffle: bool = True) -> tuple[Any, Any]:
        """Returns the next images and labels; each epoch has another order."""
        is_first = self.epochs_completed == 0 and not self._left.size
        if len(self._left) < batch_size:
            everything = np.arange(self.num_examples)
            order = self._random.permutation(everything) if shuffle else everything
            self._left = np.concatenate([self._left, order])
            self.epochs_completed += not is_first
        rows, self._left = self._left[:batch_size], self._left[batch_size:]
        return self.images[rows], self.labels[rows]


def read_data_sets(
    train_dir: str,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: DType = tf.float32,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str = '',
) -> Datasets:
    """Returns MNIST from files in `train_dir`, in the order of the original.

    They are the four files, compressed by gzip (`.gz`) or not, or the two archives that
    `estimator_lab.data.demo --set=mnist` writes, there or in the folder `mnist` of the current one.

    Raises:
      FileNotFoundError: if a file is missing, because nothing is downloaded.
    """
    (images, labels), test = (_examples(train_dir, part, one_hot) for part in ('train', 'test'))
    if not 0 <= validation_size <= len(images):
        raise ValueError(
            f'Validation size should be between 0 and {len(images)}. Received: {validation_size}.'
        )
    parts = [
        (images[validation_size:], labels[validation_size:]),
        (images[:validation_size], labels[:validation_size]),
        test,
    ]
    return Datasets(*(DataSet(*part, dtype, reshape, seed) for part in parts))


def _examples(folder: str, part: str, one_hot: bool) -> tuple[Any, Any]:
    """Returns images uint8 [n, 28, 28, 1] and labels uint8 [n], or [n, 10]."""
    prefix = {'test': 't10k'}.get(part, part)
    archives = [Path(place, f'mnist-{part}.tar.gz') for place in (folder, 'mnist')]
    if archive := next(filter(Path.is_file, archives), None):
        images, labels = _from_archive(archive)
    else:
        images = _idx(Path(folder, f'{prefix}-images-idx3-ubyte'), 2051, 3)
        labels = _idx(Path(folder, f'{prefix}-labels-idx1-ubyte'), 2049, 1)
    return images[..., np.newaxis], np.eye(10)[labels] if one_hot else labels


def _from_archive(path: Path) -> tuple[Any, Any]:
    """Returns the images and labels of an archive with members such as `train/7/00015.png`."""
    found = []
    with tarfile.open(path, 'r|gz') as archive:
        for member in archive:
            if match := re.fullmatch(r'\w+/(\d)/(\d+)\.png', member.name):
                if member.size > _LARGEST_DIGIT:
                    raise ValueError(f'{path}: {member.name} is too large for a digit.')
                data: Any = archive.extractfile(member)
                found.append((int(match[2]), np.asarray(Image.open(data).convert('L')), int(match[1])))
    found.sort(key=lambda each: each[0])
    return np.stack([image for _, image, _ in found]), np.array([label for *_, label in found], np.uint8)


def _idx(path: Path, magic: int, axes: int) -> Any:
    compressed = path.with_name(f'{path.name}.gz')
    if not compressed.is_file() and not path.is_file():
        raise FileNotFoundError(
            f'{compressed} is missing. Fetch MNIST by: python -m estimator_lab.data.demo mnist --set=mnist; '
            'or put its four files, {train,t10k}-{images-idx3,labels-idx1}-ubyte.gz, there.'
        )
    content = gzip.decompress(compressed.read_bytes()) if compressed.is_file() else path.read_bytes()
    header = np.frombuffer(content, '>u4', 1 + axes)
    if header[0] != magic:
        raise ValueError(f'Invalid magic number {header[0]} in MNIST file: {path}')
    return np.frombuffer(content, np.uint8, int(np.prod(header[1:])), 4 * (1 + axes)).reshape(header[1:])


def load_mnist(train_dir: str = 'MNIST-data') -> Datasets:
    """Returns MNIST from its four files in `train_dir`."""
    return read_data_sets(train_dir)


def load_dataset(name: str, size: str = 'small', test_with_fake_data: bool = False) -> Datasets:
    """Returns the data set 'mnist' from the folder MNIST-data."""
    if name != 'mnist':
        raise ValueError(f'Name of dataset is not found: {name}')
    return load_mnist()


def maybe_download(filename: str, work_directory: str, source_url: str) -> str:
    """Returns the path of a file in a folder.

    Raises:
      FileNotFoundError: if it is missing, because nothing is downloaded.
    """
    path = Path(work_directory) / filename
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing: download it from {source_url}.')
    return str(path)
