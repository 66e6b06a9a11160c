"""Where predictions go: rows to CSV or JSON lines, vectors to NumPy's files, pictures to PNG."""

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from estimator_lab.console.outputs import CsvWriter, json_text, safe_name, writing
from estimator_lab.conventions import KEY
from estimator_lab.core.display.picture import as_picture
from estimator_lab.errors import FlagError
from estimator_lab.inference.prediction import PROBLEM, Predicted, Row, Scalar, pictures_of, vectors_of

_FILE_BYTES = 2**25

WriteRow = Callable[[Row], None]


def csv_rows(stream: TextIO, columns: Sequence[str]) -> WriteRow:
    """Writes the head of a CSV table; returns what writes a row of it."""
    writer = CsvWriter(stream)
    writer.write([KEY, *columns, PROBLEM])
    return lambda row: writer.write([row.key, *(row.columns.get(name, '') for name in columns), row.problem])


def json_rows(stream: TextIO, columns: Sequence[str]) -> WriteRow:
    """Returns what writes a row as one line of JSON; a good one has no problem, a bad one nothing else."""

    def write(row: Row) -> None:
        fields: dict[str, Scalar] = {KEY: row.key, **row.columns}
        if row.problem:
            fields[PROBLEM] = row.problem
        stream.write(json_text(fields) + '\n')

    return write


FORMATS = {'csv': csv_rows, 'jsonl': json_rows}
"""By value of --format: (stream, names of the columns) -> what writes a row."""


class PredictionFiles:
    """A folder of vectors and pictures.

    `vectors-00000.npz` and on hold, some megabytes each, 'key' and the vectors [n, ...] by name.
    `NAME/000012_IMAGE.png` is the picture of that name for image 12, counted from 0.

    Args:
      folder: made if it is not there.

    Raises:
      FlagError: if it is not empty, or can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: list[str] = []
        self._waiting: dict[str, list[np.ndarray]] = {}
        self._bytes = 0
        self._files = 0
        self._images = 0
        self._is_new = not folder.exists()
        with writing('files', folder):
            folder.mkdir(parents=True, exist_ok=True)
            filled = any(folder.iterdir())
        if filled:
            raise FlagError(f'--files={folder} is not empty: name another folder.')

    def __enter__(self) -> 'PredictionFiles':
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def write(self, predicted: Predicted) -> dict[str, np.ndarray]:
        """Writes what belongs into files; returns columns [n] with the pictures' paths in the folder."""
        if not predicted.keys:
            return {name: np.empty(0, object) for name in pictures_of(predicted.values)}
        self._add_vectors(predicted.keys, vectors_of(predicted.values))
        paths = self._write_pictures(predicted.keys, pictures_of(predicted.values))
        self._images += len(predicted.keys)
        return paths

    def close(self) -> None:
        """Writes the vectors that still wait."""
        if not self._keys:
            return
        path = self._folder / f'vectors-{self._files:05}.npz'
        arrays: dict[str, Any] = {name: np.concatenate(parts) for name, parts in self._waiting.items()}
        with writing('files', self._folder):
            np.savez(path, **{KEY: np.array(self._keys), **arrays})
        self._files += 1
        self._keys, self._waiting, self._bytes = [], {}, 0

    def leave_no_empty_folder(self) -> None:
        """Removes the folder if it was made here and nothing came into it."""
        if self._is_new:
            with contextlib.suppress(OSError):  # it holds something
                self._folder.rmdir()

    def _add_vectors(self, keys: Sequence[str], vectors: Mapping[str, np.ndarray]) -> None:
        if not vectors:
            return
        self._keys += keys
        for name, array in vectors.items():
            self._waiting.setdefault(name, []).append(array)
            self._bytes += array.nbytes
        if self._bytes >= _FILE_BYTES:
            self.close()

    def _write_pictures(
        self, keys: Sequence[str], pictures: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        paths: dict[str, np.ndarray] = {}
        for name, images in pictures.items():
            folder = Path(safe_name(name))
            files = [folder / _picture_name(self._images + n, key) for n, key in enumerate(keys)]
            with writing('files', self._folder):
                (self._folder / folder).mkdir(exist_ok=True)
                for file, image in zip(files, images, strict=True):
                    as_picture(image).save(self._folder / file)
            paths[name] = np.array([str(file) for file in files], object)
        return paths


def _picture_name(number: int, key: str) -> str:
    """Returns '000012_test_7_00015.png' for the key 'mnist.tar:test/7/00015.jpg'."""
    stem = re.sub(r'\.\w{1,4}$', '', key.rpartition(':')[2])
    return f'{number:06}_{safe_name(stem)}.png'
