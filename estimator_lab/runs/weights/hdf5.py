"""HDF5 as Keras writes it: datasets in folders, none of which leads out of the file or unfolds within it."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from estimator_lab.console.json_input import shown

SIGNATURE = b'\x89HDF\r\n\x1a\n'

_DEEPEST = 16
_MOST_OBJECTS = 10_000


class Hdf5File:
    """A file of HDF5; a context manager.

    HDF5 can refer to other files (links, datasets in pieces, raw data elsewhere) and compress at any rate.
    Keras does neither with weights; here each is refused.

    Args:
      file: opened for reading.

    Attributes:
      tensors: shape and type of each dataset, by its path.

    Raises:
      OSError, RuntimeError, ValueError: it can't be read.
    """

    def __init__(self, file: BinaryIO) -> None:
        import h5py  # comes with TensorFlow; takes a while

        self._h5py = h5py
        self._file = h5py.File(file, 'r')
        self._objects = 0
        self._datasets = dict(self._walk(self._file, '', 0))
        self.tensors = {name: _stored(dataset) for name, dataset in self._datasets.items()}

    def __enter__(self) -> 'Hdf5File':
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def read(self, name: str) -> np.ndarray:
        """Returns a dataset; ValueError says that its values are not simply in the file."""
        dataset = self._datasets[name]
        made = dataset.id.get_create_plist()
        if made.get_layout() == self._h5py.h5d.VIRTUAL or made.get_external_count():
            raise ValueError(f'the values of {shown(name)} lie in another file')
        if made.get_nfilters():
            raise ValueError(f'{shown(name)} is compressed, which weights of Keras are not')
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


def _stored(dataset: Any) -> tuple[tuple[int, ...], str]:
    try:
        return dataset.shape or (), dataset.dtype.name
    except (TypeError, ValueError):  # a type that NumPy has no word for
        return dataset.shape or (), 'unknown'
