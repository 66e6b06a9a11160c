"""Opens weight files: checkpoints of TensorFlow, HDF5 as Keras writes it, and safetensors."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from estimator_lab.base.errors import DataError, LabError
from estimator_lab.base.files import open_regular, why_unread
from estimator_lab.base.json_input import shown
from estimator_lab.runs.weights.checkpoint import CheckpointFile, index_of

_ZIP = b'PK\x03\x04'
_HDF5 = b'\x89HDF\r\n\x1a\n'
_PICKLES = (b'\x80\x02', b'\x80\x03', b'\x80\x04', b'\x80\x05')
_NO_ZIP = 'it is a zip file: save weights of PyTorch as .safetensors, and those of Keras by names as .h5'
_NO_PICKLE = 'it is a pickle of PyTorch, which can run programs: save it as .safetensors'
_START = 9  # bytes by which formats are recognised
_FLOATS = {'F32': 'float32', 'F64': 'float64', 'F16': 'float16', 'BF16': 'bfloat16'}
_DEEPEST = 16
_MOST_OBJECTS = 10_000

Stored = tuple[tuple[int, ...], str]
"""Shape and type of a tensor, as a file states them."""


class WeightFile(Protocol):
    """A file of named tensors, whose shapes are known before any of them is read."""

    @property
    def tensors(self) -> Mapping[str, Stored]:
        """Shape and type of each tensor, by name."""

    def read(self, name: str) -> np.ndarray:
        """Returns a whole tensor; raises OSError or ValueError if it can't be read."""


@contextlib.contextmanager
def open_weight_file(path: Path) -> Iterator[WeightFile]:
    """Opens a weight file: a checkpoint of TensorFlow, format V1 or V2, HDF5, or safetensors.

    The path of a checkpoint in several files is the common part of their names.

    Raises:
      DataError: it can't be read, here or in the block, or is something else.
      LabError: the package safetensors is not installed.
    """
    try:
        with contextlib.ExitStack() as stack:
            yield _opened(path, stack)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        reason = why_unread(error).partition('\n')[0] or type(error).__name__
        raise DataError(f'{path} cannot be used as a file of weights: {reason}.') from error


def _opened(path: Path, stack: contextlib.ExitStack) -> WeightFile:
    if index_of(path).is_file():
        return CheckpointFile(path)
    if index_of(path.with_suffix('')).is_file():
        raise ValueError(f'it is one file of a checkpoint: name {path.with_suffix("")}')
    file = stack.enter_context(open_regular(path))
    start = file.read(_START)
    file.seek(0)
    if start.startswith(_HDF5):
        return _Hdf5File(file, stack)
    if start.startswith(_ZIP):
        raise ValueError(_NO_ZIP)
    if path.suffix == '.safetensors':
        return _SafetensorsFile(path, stack)
    if start.startswith(_PICKLES):
        raise ValueError(_NO_PICKLE)
    return CheckpointFile(path)


class _Hdf5File:
    """An HDF5 file as Keras writes it: datasets in folders.

    HDF5 can refer to other files (links, datasets in pieces, raw data elsewhere) and compress without limit.
    Keras does neither with weights; here both are rejected.

    Attributes:
      tensors: shape and type of each dataset, by its path.

    Raises:
      OSError, RuntimeError, ValueError: it can't be read.
    """

    def __init__(self, file: BinaryIO, stack: contextlib.ExitStack) -> None:
        import h5py  # comes with TensorFlow; slow to import

        self._h5py = h5py
        self._objects = 0
        self._datasets = dict(self._walk(stack.enter_context(h5py.File(file, 'r')), '', 0))
        self.tensors = {name: _stored(dataset) for name, dataset in self._datasets.items()}

    def read(self, name: str) -> np.ndarray:
        """Returns a dataset; raises ValueError if its values are not simply in the file."""
        dataset = self._datasets[name]
        made = dataset.id.get_create_plist()
        if made.get_layout() == self._h5py.h5d.VIRTUAL or made.get_external_count():
            raise ValueError(f'the values of {shown(name)} are in another file')
        if made.get_nfilters():
            raise ValueError(f'{shown(name)} is compressed, but Keras does not compress weights')
        if dataset.id.get_storage_size() < dataset.size * dataset.dtype.itemsize:
            raise ValueError(f'{shown(name)} has no values, or not all of them')
        values: np.ndarray = dataset[()]
        return values

    def _walk(self, group: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
        """Yields (path, dataset) of all in a group."""
        if depth > _DEEPEST:
            raise ValueError(f'its groups are nested more than {_DEEPEST} deep')
        for name in group:
            self._objects += 1
            if self._objects > _MOST_OBJECTS:
                raise ValueError(f'it holds more than {_MOST_OBJECTS:,} objects')
            place = f'{path}/{name}' if path else name
            if not isinstance(group.get(name, getlink=True), self._h5py.HardLink):
                raise ValueError(f'{shown(place)} is a link to elsewhere')
            item = group[name]
            if isinstance(item, self._h5py.Group):
                yield from self._walk(item, place, depth + 1)
            elif isinstance(item, self._h5py.Dataset):
                yield place, item


class _SafetensorsFile:
    """A safetensors file; its library checks types, sizes and places before any value is read.

    Attributes:
      tensors: shape and type of each tensor, by name.

    Raises:
      LabError: the library is not installed.
      ValueError: the file can't be read.
    """

    def __init__(self, path: Path, stack: contextlib.ExitStack) -> None:
        try:
            from safetensors import SafetensorError, safe_open
        except ImportError as error:
            raise LabError(
                f"{path} needs the package safetensors: pip install 'estimator-lab[safetensors]'."
            ) from error
        try:
            self._file = stack.enter_context(safe_open(path, 'numpy'))
            slices = {name: self._file.get_slice(name) for name in self._file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(str(error)) from error
        self.tensors = {
            name: (tuple(tensor.get_shape()), _FLOATS.get(tensor.get_dtype(), tensor.get_dtype()))
            for name, tensor in slices.items()
        }

    def read(self, name: str) -> np.ndarray:
        """Returns a tensor."""
        values: np.ndarray = self._file.get_tensor(name)
        return values


def _stored(dataset: Any) -> tuple[tuple[int, ...], str]:
    try:
        return dataset.shape or (), dataset.dtype.name
    except (TypeError, ValueError):  # a type that NumPy does not know
        return dataset.shape or (), 'unknown'
