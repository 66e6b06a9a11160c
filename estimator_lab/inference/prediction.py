"""Predictions for a stream of examples, in their order, and the rows that show them."""

import math
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.base.errors import FlagError
from estimator_lab.base.keys import IMAGE, KEY
from estimator_lab.core import keys
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import BadExample, Batch
from estimator_lab.data.input_fns import archive_input_fn
from estimator_lab.data.kind import Reader
from estimator_lab.data.order import Order
from estimator_lab.runs.model import Trained
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences

PROBLEM = 'problem'
_PICTURE_CHANNELS = (1, 3)
_DIGITS = 7  # a float32 has no more

Scalar = str | int | float | None


class Predicted(NamedTuple):
    """Predictions for up to a batch of examples.

    Attributes:
      keys: of the n examples that could be decoded.
      bad: the examples between them that could not.
      values: predictions by name, each [n, ...].
      images: as the network sees them, uint8 [n, height, width, channels]; None for other examples.
    """

    keys: Sequence[str]
    bad: Sequence[BadExample]
    values: Mapping[str, np.ndarray]
    images: np.ndarray | None = None


class Row(NamedTuple):
    """One example: its key and its predictions by column, or the `problem` why it could not be decoded."""

    key: str
    columns: Mapping[str, Scalar]
    problem: str = ''


def predicted_batches(
    trained: Trained, images: Order, reader: Reader, batch_size: int, report: InputReport
) -> Generator[Predicted, None, None]:
    """Yields the predictions for encoded examples in their order, in constant memory; labels are not needed.

    Raises:
      DataError: the examples can't be read any further, after the predictions for those before.
      LabError: TensorFlow fails.
    """
    # The batches that TensorFlow has read and not yet predicted, a few at most.
    under_way: deque[Batch] = deque()

    input_fn = archive_input_fn(images, reader, batch_size, report, watch=under_way.append)
    with tensorflow_errors_as_sentences():
        for values in trained.estimator.predict(
            input_fn, checkpoint_path=trained.pinned.path, yield_single_examples=False
        ):
            batch = under_way.popleft()
            found = {name: array[: len(batch.keys)] for name, array in values.items() if name != KEY}
            yield Predicted(batch.keys, batch.bad, found, batch.arrays.get(IMAGE))
    report.raise_error()


@dataclass(frozen=True)
class Table:
    """Which columns a row of predictions has.

    Numbers and texts are columns of their own. For a classifier, the `top` most probable labels and their
    probabilities are, instead of the class, its label and all probabilities.

    Attributes:
      trained: the model.
      top: how many labels.

    Raises:
      FlagError: for more labels than the model knows.
    """

    trained: Trained
    top: int = 1

    def __post_init__(self) -> None:
        classes = len(self.trained.record.vocabulary)
        if self.top > max(classes, 1):
            raise FlagError(
                f'--top={self.top} is more than the {classes} labels of --model_dir={self.trained.model_dir}.'
            )

    def rows(self, predicted: Predicted) -> Iterator[Row]:
        """Yields one row for each image of a batch, good or bad, in their order."""
        columns = self.columns(predicted.values)
        values = [map(_scalar, np.asarray(column).tolist()) for column in columns.values()]
        bad = {image.place: image for image in predicted.bad}
        good = iter(zip(predicted.keys, *values, strict=True))
        for place in range(len(predicted.keys) + len(bad)):
            if place in bad:
                yield Row(bad[place].key, {}, bad[place].reason)
            else:
                key, *cells = next(good)
                yield Row(key, dict(zip(columns, cells, strict=True)))

    def columns(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the columns by name, each [n]."""
        scalars = {name: array for name, array in values.items() if array.ndim == 1}
        if not self.classifies(values):
            return scalars
        for name in (keys.CLASSES, keys.LABELS):
            scalars.pop(name, None)
        return {**self._top_columns(values[keys.PROBABILITIES]), **scalars}

    def left_out(self, values: Mapping[str, np.ndarray]) -> list[str]:
        """Returns the names of the predictions that do not fit into a row."""
        shown = {keys.PROBABILITIES} if self.classifies(values) else set()
        return [name for name, array in values.items() if array.ndim > 1 and name not in shown]

    def classifies(self, values: Mapping[str, np.ndarray]) -> bool:
        """Whether the predictions are probabilities of the model's labels."""
        probabilities = values.get(keys.PROBABILITIES)
        return probabilities is not None and probabilities.shape[1:] == (len(self.trained.record.vocabulary),)

    def _top_columns(self, probabilities: np.ndarray) -> dict[str, np.ndarray]:
        labels = np.array(self.trained.record.vocabulary, object)
        ids = np.argsort(-probabilities, axis=1, kind='stable')[
            :, : self.top
        ]  # the first of equal ones first
        columns = {}
        for rank in range(self.top):
            suffix = f'_{rank + 1}' if rank else ''
            columns[f'label{suffix}'] = labels[ids[:, rank]]
            columns[f'probability{suffix}'] = probabilities[np.arange(len(ids)), ids[:, rank]]
        return columns


def pictures_of(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the predictions that are one picture an image: [n, height, width, 1 or 3], by name."""
    return {name: a for name, a in values.items() if a.ndim == 4 and a.shape[-1] in _PICTURE_CHANNELS}


def vectors_of(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the predictions that are neither scalars nor pictures, [n, ...] by name."""
    pictures = pictures_of(values)
    return {name: array for name, array in values.items() if array.ndim > 1 and name not in pictures}


def as_text(values: np.ndarray) -> np.ndarray:
    """Returns texts, which TensorFlow gives as bytes, as str [n, ...]; other values as they are."""
    if values.dtype != object:
        return values
    texts = [value.decode('utf-8', 'backslashreplace') for value in values.ravel().tolist()]
    return np.array(texts, object).reshape(values.shape)


def _scalar(value: Any) -> Scalar:
    """Returns a value as Python's own; what is not a finite number is None."""
    if isinstance(value, bytes):
        return value.decode('utf-8', 'backslashreplace')
    if isinstance(value, float):
        return float(f'{value:.{_DIGITS}g}') if math.isfinite(value) else None
    return value
