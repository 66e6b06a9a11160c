"""``tf.contrib.learn.datasets``: CSV files and MNIST from local files. Nothing is downloaded."""

import csv
import gzip
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.contrib.table import sentence
from estimator_lab.tf1 import tf

Dataset = namedtuple('Dataset', ['data', 'target'])
Datasets = namedtuple('Datasets', ['train', 'validation', 'test'])


def load_csv_with_header(
    filename: str, target_dtype: Any, features_dtype: Any, target_column: int = -1
) -> Dataset:
    """Returns the features and targets of a CSV file whose header starts with its number of rows."""
    with tf.io.gfile.GFile(filename) as file:
        lines = csv.reader(file)
        header = next(lines)
        rows = [row for row in lines if row]
    if len(rows) != int(header[0]):
        raise ValueError(f'{filename} has {len(rows)} rows, but its header says {header[0]}.')
    return _split(rows, target_dtype, features_dtype, target_column)


def load_csv_without_header(
    filename: str, target_dtype: Any, features_dtype: Any, target_column: int = -1
) -> Dataset:
    """Returns the features and targets of a CSV file without a header."""
    with tf.io.gfile.GFile(filename) as file:
        return _split([row for row in csv.reader(file) if row], target_dtype, features_dtype, target_column)


def _split(rows: list[list[str]], target_dtype: Any, features_dtype: Any, column: int) -> Dataset:
    targets = np.array([row.pop(column) for row in rows], target_dtype)
    return Dataset(data=np.asarray(rows, features_dtype), target=targets)


class DataSet:
    """Images and labels with `next_batch`, as `tf.contrib.learn.datasets.mnist` has them.

    Args:
      images: uint8 [count, rows, columns, 1].
      labels: [count], or [count, classes].
      dtype: float32, scaled to [0, 1], or uint8.
      reshape: whether the images become [count, rows * columns].
      seed: seed of the order.
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        fake_data: bool = False,
        one_hot: bool = False,
        dtype: Any = tf.float32,
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
        self._order = np.arange(len(images))
        self._next = 0

    def next_batch(self, batch_size: int, fake_data: bool = False, shuffle: bool = True) -> tuple[Any, Any]:
        """Returns the next images and labels; each epoch has another order."""
        if self._next == 0 and self.epochs_completed == 0 and shuffle:
            self._random.shuffle(self._order)
        first = self._order[self._next : self._next + batch_size]
        self._next += batch_size
        rows = first
        if len(first) < batch_size:
            self.epochs_completed += 1
            if shuffle:
                self._order = self._random.permutation(self.num_examples)
            self._next = batch_size - len(first)
            rows = np.concatenate([first, self._order[: self._next]])
        return self.images[rows], self.labels[rows]


def extract_images(file: Any) -> Any:
    """Returns uint8 [count, rows, columns, 1] of an open gzip file in MNIST's format."""
    return _idx(file, 2051, 3)[..., np.newaxis]


def extract_labels(file: Any, one_hot: bool = False, num_classes: int = 10) -> Any:
    """Returns uint8 [count] of an open gzip file in MNIST's format, or one-hot rows."""
    labels = _idx(file, 2049, 1)
    return np.eye(num_classes)[labels] if one_hot else labels


def _idx(file: Any, magic: int, axes: int) -> Any:
    with gzip.GzipFile(fileobj=file) as stream:
        content = stream.read()
    header = np.frombuffer(content, '>u4', 1 + axes)
    if header[0] != magic:
        raise ValueError(f'Invalid magic number {header[0]} in MNIST file: {file.name}')
    return np.frombuffer(content, np.uint8, int(np.prod(header[1:])), 4 * (1 + axes)).reshape(header[1:])


def read_data_sets(
    train_dir: str,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = tf.float32,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str = '',
) -> Datasets:
    """Returns MNIST from its four gzip files in `train_dir`.

    Raises:
      FileNotFoundError: if a file is missing, because nothing is downloaded.
    """

    def read(name: str, extract: Callable[..., Any], **more: Any) -> Any:
        path = Path(train_dir) / name
        if not path.is_file():
            raise FileNotFoundError(
                f'{path} is missing: put the four files of MNIST into {train_dir}, or use '
                'tf.keras.datasets.mnist.'
            )
        with path.open('rb') as file:
            return extract(file, **more)

    images = read('train-images-idx3-ubyte.gz', extract_images)
    labels = read('train-labels-idx1-ubyte.gz', extract_labels, one_hot=one_hot)
    test_images = read('t10k-images-idx3-ubyte.gz', extract_images)
    test_labels = read('t10k-labels-idx1-ubyte.gz', extract_labels, one_hot=one_hot)
    if not 0 <= validation_size <= len(images):
        raise ValueError(
            f'Validation size should be between 0 and {len(images)}. Received: {validation_size}.'
        )
    settings: dict[str, Any] = {'dtype': dtype, 'reshape': reshape, 'seed': seed}
    return Datasets(
        train=DataSet(images[validation_size:], labels[validation_size:], **settings),
        validation=DataSet(images[:validation_size], labels[:validation_size], **settings),
        test=DataSet(test_images, test_labels, **settings),
    )


def load_mnist(train_dir: str = 'MNIST-data') -> Datasets:
    """Returns MNIST from its four gzip files in `train_dir`, with labels as integers."""
    return read_data_sets(train_dir)


def load_dataset(name: str, size: str = 'small', test_with_fake_data: bool = False) -> Any:
    """Returns a data set by its name; only 'mnist' is available."""
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


mnist = base = sys.modules[__name__]  # 1.15 has modules of these names


def __getattr__(name: str) -> Any:
    raise AttributeError(name if name.startswith('__') else sentence(f'learn.datasets.{name}'))
