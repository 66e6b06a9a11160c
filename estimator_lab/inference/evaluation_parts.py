"""Parts of an evaluation on several machines, and what they are together.

A part holds what each of its batches adds to each metric variable. Added up in order, that gives the numbers
of one evaluation exactly: it has the same batches, since parts begin where batches do.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.base.errors import DataError, option
from estimator_lab.base.files import listed, open_regular, whole_file
from estimator_lab.base.json_input import as_object, parse_json
from estimator_lab.base.outputs import writing
from estimator_lab.base.printable import json_text
from estimator_lab.core.mistakes import WorstExample
from estimator_lab.tf1 import tf

_MOST_BYTES = 2**32


@dataclass
class Part:
    """A part of an evaluation.

    Attributes:
      number, count: of the part, from 1, and of all parts.
      of: what all parts share: the model and its step, the batch size, the fingerprints of the archives.
      most: how many worst examples are kept.
      images, bad, seen: how many examples were evaluated, could not be decoded, and both.
      last: the last bad one, and why.
      pairs: (true class, predicted class, images) of those that occurred.
      worst: badness, key, true label, predicted label and probability of each of the worst examples.
      added: of each metric variable what each batch has added, [batches, ...].
      pictures: of the worst examples, uint8 [n, height, width, channels]; [0] if they are not images.
    """

    number: int
    count: int
    of: list[str]
    most: int
    images: int = 0
    bad: int = 0
    seen: int = 0
    last: str = ''
    pairs: list[tuple[int, int, int]] = field(default_factory=list)
    worst: list[tuple[str, str, str, str, str]] = field(default_factory=list)  # repr of numbers, also NaN

    def __post_init__(self) -> None:
        self.added: Sequence[np.ndarray] = []
        self.pictures: np.ndarray = np.empty(0, np.uint8)

    def keep(self, examples: Sequence[WorstExample]) -> None:
        """Stores the worst examples."""
        self.worst = [(repr(e.badness), e.key, e.true, e.predicted, repr(e.probability)) for e in examples]
        pictures = [example.image for example in examples if example.image is not None]
        self.pictures = np.stack(pictures) if pictures else self.pictures

    def worst_examples(self) -> list[WorstExample]:
        """Returns the worst examples, the worst first."""
        pictures = list(self.pictures) if len(self.pictures) else [None] * len(self.worst)
        return [
            WorstExample(float(badness), key, picture, true, predicted, float(probability))
            for (badness, key, true, predicted, probability), picture in zip(
                self.worst, pictures, strict=True
            )
        ]

    def save(self, folder: Path) -> Path:
        """Writes the part into a folder that all parts may share; returns its path.

        Raises:
          FlagError: it can't be written.
          LabError: the disk is full.
        """
        path = folder / f'part-{self.number:05}-of-{self.count:05}.npz'
        record = np.frombuffer(json_text(asdict(self)).encode(), np.uint8)
        arrays: dict[str, Any] = {f'added_{number}': array for number, array in enumerate(self.added)}
        with writing('out', folder):
            folder.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as file:
                np.savez_compressed(file, record=record, pictures=self.pictures, **arrays)
        return path


def read_parts(folders: Sequence[Path]) -> list[Part]:
    """Returns all parts in some folders, in order.

    Raises:
      DataError: a part is missing, is there twice, is of another evaluation or can't be read.
    """
    found: dict[int, tuple[Path, Part]] = {}
    for path in (path for folder in folders for path in listed(folder, 'part-*-of-*.npz')):
        part = _read(path)
        other, first = next(iter(found.values()), (path, part))
        if (part.count, part.of, part.most) != (first.count, first.of, first.most):
            raise DataError(
                f'{path} is of another evaluation than {other}: the model, data or settings differ.'
            )
        if part.number in found:
            raise DataError(f'{path} is the same part as {found[part.number][0]}.')
        found[part.number] = path, part
    count = next((part.count for _, part in found.values()), 1)
    where = ','.join(map(str, folders))
    for number in range(1, count + 1):
        if number not in found:
            raise DataError(f'{option.merge}={where} has no part {number}/{count if found else "..."}.')
    return [found[number][1] for number in range(1, count + 1)]


def _read(path: Path) -> Part:
    try:
        with open_regular(path, _MOST_BYTES) as file, np.load(file, allow_pickle=False) as arrays:
            part = as_object(parse_json(arrays['record'].tobytes()), Part)
            part.added = [arrays[name] for name in arrays.files if name.startswith('added_')]
            part.pictures = arrays['pictures']
            part.worst_examples()
            if not 1 <= part.number <= part.count:
                raise ValueError('its numbers are impossible')
            return part
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f'{path} is not a part of an evaluation: {error}.') from error


class BatchSums(tf.train.SessionRunHook):
    """Keeps what each batch of an evaluation adds to the metrics, and sets them at the end to the sum of all.

    Attributes:
      added: of each metric variable [batches, ...].
    """

    def __init__(self, parts: Sequence[Part] = ()) -> None:
        self._parts = parts
        self._batches: list[Sequence[np.ndarray]] = []

    def begin(self) -> None:
        """Finds the metric variables."""
        self._variables = tf.get_collection(tf.GraphKeys.METRIC_VARIABLES)
        self._reset = tf.variables_initializer(self._variables)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Keeps what the batch has added, and sets the variables to 0."""
        self._batches.append(run_context.session.run(self._variables))
        run_context.session.run(self._reset)

    def end(self, session: Any) -> None:
        """Sets the variables to the sums.

        Raises:
          DataError: those of parts have other metrics.
        """
        self.added = list(map(np.array, zip(*self._batches, strict=True)))
        for number, variable in enumerate(self._variables):
            total = np.zeros(variable.shape.as_list(), variable.dtype.as_numpy_dtype)
            for part in self._parts or [self]:
                for added in part.added[number] if part.added else ():
                    if added.shape != total.shape or added.dtype != total.dtype:
                        raise DataError('The parts have other metrics than this model.')
                    total += added  # one after the other, as TensorFlow adds them
            session.run(variable.initializer, {variable.initializer.inputs[1]: total})
