"""A file of weights: named tensors, whose shapes are known before any of them is read."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from estimator_lab.console.regular_files import open_regular, why_unread
from estimator_lab.errors import DataError
from estimator_lab.runs.weights import checkpoint, hdf5

_ZIP = b'PK\x03\x04'


Stored = tuple[tuple[int, ...], str]
"""Shape and type of a tensor, as a file states them."""


class WeightFile(Protocol):
    """What there is to know of a file before its values are read."""

    @property
    def tensors(self) -> Mapping[str, Stored]:
        """What the file states of each tensor, by name."""

    def read(self, name: str) -> np.ndarray:
        """Returns a tensor, whole; OSError or ValueError say why it can't."""


def is_weight_file(path: Path) -> bool:
    """Whether a path is that of a file, or of a checkpoint in several files; a folder is none."""
    return path.is_file() or checkpoint.index_of(path).is_file()


@contextlib.contextmanager
def open_weight_file(path: Path, flag: str = '') -> Iterator[WeightFile]:
    """Opens a file of weights: a checkpoint of TensorFlow's, old or new format, or HDF5 as Keras writes it.

    Args:
      path: of the file; of a checkpoint in several files, what their names have in common.
      flag: by which the user named it, for errors; '' for none.

    Raises:
      DataError: it can't be read, then or in the block; it is something else.
    """
    try:
        with contextlib.ExitStack() as stack:
            yield _opened(path, stack)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        reason = why_unread(error).partition('\n')[0] or type(error).__name__
        named = f'{flag}={path}' if flag else str(path)
        raise DataError(f'{named} cannot be used as a file of weights: {reason}.') from error


def _opened(path: Path, stack: contextlib.ExitStack) -> WeightFile:
    if checkpoint.index_of(path).is_file():
        return checkpoint.CheckpointFile(path)
    file = stack.enter_context(open_regular(path))
    start = file.read(len(hdf5.SIGNATURE))
    file.seek(0)
    if start == hdf5.SIGNATURE:
        return stack.enter_context(hdf5.Hdf5File(file))
    if start.startswith(_ZIP):
        raise ValueError('it is a zip file; what is read of a .keras file is the model.weights.h5 within it')
    return checkpoint.CheckpointFile(path)
