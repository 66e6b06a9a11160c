"""Reads and writes checkpoints of TensorFlow, formats V1 and V2."""

import contextlib
import glob
import re
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.base.errors import DataError, first_line
from estimator_lab.base.files import listed, open_regular, why_unread
from estimator_lab.runs.tensorflow_errors import FAILED_CALL
from estimator_lab.tf1 import tf

PATTERN = re.compile(r'[][*?{}\\]')
"""What makes TensorFlow take the name of a checkpoint for a pattern."""


class CheckpointFile:
    """A checkpoint.

    Attributes:
      tensors: shape and type of each tensor, by name.

    Raises:
      OSError, ValueError: it can't be read.
    """

    def __init__(self, path: Path) -> None:
        if PATTERN.search(str(path)):
            raise ValueError('its name has characters that TensorFlow interprets as a pattern')
        try:
            self._reader = tf.train.load_checkpoint(str(path))
            check_size(self._reader, path)
            shapes = self._reader.get_variable_to_shape_map()
            types = self._reader.get_variable_to_dtype_map()
        except (tf.errors.OpError, LookupError, RuntimeError, TypeError) as error:  # of a damaged index
            raise ValueError('it is neither a readable checkpoint nor HDF5 or safetensors') from error
        self.tensors = {name: (tuple(shapes[name]), types[name].name) for name in sorted(shapes)}

    def read(self, name: str) -> np.ndarray:
        """Returns a tensor; raises ValueError if it is damaged."""
        try:
            return np.asarray(self._reader.get_tensor(name))
        except (tf.errors.OpError, LookupError, RuntimeError, TypeError) as error:
            raise ValueError(f'{name} cannot be read ({first_line(error)})') from error


class HeldCheckpoint:
    """A checkpoint whose files stay open as long as this object exists, also if a training deletes them.

    Attributes:
      name: its path.
      links: the same of links in a temporary folder that lead to the open files: what TensorFlow is given.

    Raises:
      DataError: it was deleted, or can't be opened.
    """

    def __init__(self, name: str) -> None:
        path, index = Path(name), index_of(Path(name))
        with _errors_as_sentences(name), contextlib.ExitStack() as stack:
            parts = [index, *_data_of(path)] if index.exists() else [path]
            files = {part.name: stack.enter_context(open_regular(part)) for part in parts}
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for part, file in files.items():
                (folder / part).symlink_to(f'/dev/fd/{file.fileno()}')
            self.name, self.links = name, str(folder / path.name)
            weakref.finalize(self, stack.pop_all().close)


@contextlib.contextmanager
def open_checkpoint(checkpoint: str | HeldCheckpoint) -> Iterator[Any]:
    """Yields TensorFlow's reader of a checkpoint, all bytes of whose tensors are there.

    The bytes are counted; checksums are verified only when a tensor is read.

    Raises:
      DataError: it was deleted, can't be read or is damaged, here or in the block.
    """
    held = checkpoint if isinstance(checkpoint, HeldCheckpoint) else HeldCheckpoint(checkpoint)
    with _errors_as_sentences(held.name):
        reader = tf.train.load_checkpoint(held.links)
        check_size(reader, Path(held.links))
        yield reader


@contextlib.contextmanager
def _errors_as_sentences(checkpoint: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(
            f'The checkpoint {checkpoint} was deleted meanwhile, probably by a training that keeps newer '
            'ones: open the folder again.'
        ) from error
    except (tf.errors.OpError, OSError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = why_unread(error) if isinstance(error, OSError) else first_line(error)
        remedy = ": name another folder, or an older checkpoint in the folder's file 'checkpoint'"
        if isinstance(error, OSError) or FAILED_CALL.search(reason):
            remedy = ''  # nothing is wrong with its bytes
        raise DataError(f'The checkpoint {checkpoint} cannot be read ({reason}){remedy}.') from error


def check_size(reader: Any, path: Path) -> None:
    """Checks that a checkpoint has as many bytes as its tensors need; their values are not read.

    Raises:
      ValueError: it is too short.
    """
    shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    needed = sum(int(np.prod(shapes[name])) * types[name].size for name in shapes)
    parts = [path] if path.is_file() else _data_of(path)
    if not all(part.is_file() for part in parts):
        raise ValueError('not all of its parts are regular files')
    size = sum(part.stat().st_size for part in parts)
    if size < needed:
        raise ValueError(f'{size:,} bytes where its tensors need {needed:,}')


def _data_of(path: Path) -> list[Path]:
    return listed(path.parent, f'{glob.escape(path.name)}.data-*')


def all_finite(checkpoint: str) -> bool:
    """Returns whether all numbers in a checkpoint are finite; raises the errors of `open_checkpoint`."""
    with open_checkpoint(checkpoint) as reader:
        values = map(reader.get_tensor, reader.get_variable_to_shape_map())
        return all(np.isfinite(value).all() for value in values if np.issubdtype(value.dtype, np.floating))


def step_of(checkpoint: str | HeldCheckpoint) -> int:
    """Returns the global step of a checkpoint.

    Raises:
      DataError: it was deleted, can't be read or is damaged.
    """
    with open_checkpoint(checkpoint) as reader:
        return int(reader.get_tensor('global_step'))


def index_of(path: Path) -> Path:
    """Returns the path of the file that lists a checkpoint's tensors."""
    return Path(f'{path}.index')


def write_checkpoint(path: Path, values: Mapping[str, np.ndarray]) -> None:
    """Writes a checkpoint.

    Raises:
      OSError: it can't be written.
    """
    names = list(values)
    with tf.Graph().as_default(), tf.Session() as session:
        fed = [tf.placeholder(values[name].dtype, values[name].shape) for name in names]
        save = tf.raw_ops.SaveV2(
            prefix=str(path), tensor_names=names, shape_and_slices=[''] * len(names), tensors=fed
        )
        try:
            session.run(save, dict(zip(fed, values.values(), strict=True)))
        except tf.errors.OpError as error:
            raise OSError(first_line(error)) from error
