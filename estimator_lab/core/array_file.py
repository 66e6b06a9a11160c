"""Arrays in NumPy's .npz files, which may be untrusted: sizes are checked before memory is allocated."""

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from estimator_lab.base.whole_files import whole_file


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays to a file, whole or not at all."""
    with whole_file(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type] # any name is one


def read_array(
    archive: zipfile.ZipFile, name: str, kind: str, expected: tuple[int | None, ...]
) -> np.ndarray:
    """Returns an array of such a file, after checking its type, shape (None for any length) and size.

    Raises:
      LookupError: there is no array of that name.
      ValueError: the array has another type or shape, is compressed, or claims more bytes than the file has.
    """
    info = archive.getinfo(f'{name}.npy')
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise ValueError(f'its {name} is compressed')
    with archive.open(info) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f'its {name} has an unknown format')
        shape, in_columns, found = np.lib.format.read_array_header_1_0(file)
        right = len(shape) == len(expected) and all(
            wanted in (length, None) for length, wanted in zip(shape, expected, strict=True)
        )
        if found != np.dtype(kind) or not right:
            raise ValueError(f'its {name} is {found} {shape}')
        size = math.prod(shape) * found.itemsize
        if not 0 <= size <= info.file_size:
            raise ValueError(f'its {name} claims {size} bytes, more than are there')
        return np.frombuffer(file.read(size), found).reshape(shape, order='F' if in_columns else 'C')
