"""Predictions for a stream of examples, in their order, and the rows that show them."""

import itertools
import math
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from estimator_lab.base.errors import DataError, FlagError, option
from estimator_lab.base.keys import KEY
from estimator_lab.core import keys
from estimator_lab.core.abilities import Paints
from estimator_lab.data.archives.order import Order
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.batches import Batch, read_batches
from estimator_lab.data.input.stream import Stream
from estimator_lab.inference.settings import PredictionSettings
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.trained import Trained

PROBLEM = 'problem'
_PICTURE_CHANNELS = (1, 3)
_DIGITS = 7  # a float32 has no more

Scalar = str | int | float | None
Row = dict[str, Scalar]
"""The key of an example, and its predictions by column or the `problem` why it was not decoded."""


def predict(
    run: Trained, examples: Order, settings: PredictionSettings, report: InputReport | None = None
) -> Generator[Batch, None, None]:
    """Yields batches with predictions for examples in their order, in constant memory; needs no labels.

    `report` counts the examples.

    Raises:
      DataError: the examples can't be read any further, after the predictions for those before.
      FlagError: the settings don't fit the model; it paints, and does not predict.
      LabError: TensorFlow fails.
    """
    report = report or InputReport(run.kind, lambda line: None)
    batches = read_batches(examples.epoch(0), settings.batch_size, run.reader, report)
    with closing(batches), closing(predict_batches(run, batches)) as found:
        yield from found


def predict_batches(run: Trained, batches: Iterable[Batch]) -> Generator[Batch, None, None]:
    """Yields batches of arrays of the run's reader with predictions; raises as `predict` does."""
    if isinstance(run.architecture, Paints):
        raise FlagError(f'{run.model_dir} holds {option.model}={run.model}, which paints: call paint.')
    with tensorflow_errors_as_sentences():
        network = run.network
        for batch in batches:
            # Without examples, the shapes of predictions are those for a blank one.
            values = network(batch.data, batch.keys) if batch.keys else network(run.reader.blank(), [''])
            good = {name: array[: len(batch.keys)] for name, array in values.items()}
            yield batch._replace(values=good)


def streamed(run: Trained, examples: Any) -> Iterator[Batch] | None:
    """Returns batches of `api.stream` as the run's reader makes them; None for anything else.

    Raises:
      FlagError: later, one has no pixels, or not as the model accepts them.
    """
    several: Any = [examples] if isinstance(examples, Batch) else examples
    if not isinstance(several, Stream):
        first: Any = next(iter(several), None) if isinstance(several, list | Iterator) else None
        if not isinstance(first, Batch):
            return None
        several = several if isinstance(several, list) else itertools.chain([first], several)
    return map(partial(_as_read, run), several)


def _as_read(run: Trained, batch: Any) -> Batch:
    shape = getattr(batch.data, 'shape', ())[1:] if isinstance(batch, Batch) else ()
    if shape != run.shape or not run.kind.has_pixels:
        raise FlagError(
            f'The stream has other examples than the model in {run.model_dir} accepts: '
            'run.stream(data, batch_size=64) has batches of their shape.'
        )
    return batch._replace(data=run.reader.collate(batch.data))


def arrays_of(batches: Iterable[Batch]) -> dict[str, np.ndarray]:
    """Returns all predictions as arrays [n, ...] by name, with the keys as 'key'.

    Raises:
      DataError: no example could be decoded.
    """
    good = [batch for batch in batches if batch.keys]
    if not good:
        raise DataError('No example could be decoded.')
    arrays = {KEY: np.array([key for batch in good for key in batch.keys], object)}
    for name in good[0].values:
        arrays[name] = with_texts(np.concatenate([batch.values[name] for batch in good]))
    return arrays


def with_texts(values: np.ndarray) -> np.ndarray:
    """Returns predictions with texts for the bytes as which TensorFlow gives them."""
    if values.dtype != object:
        return values
    return np.array([scalar(value) for value in values.ravel().tolist()], object).reshape(values.shape)


@dataclass(frozen=True)
class Table:
    """Which columns a row of predictions has.

    Numbers and texts are columns of their own. For a classifier, the `top` most probable labels and their
    probabilities are, instead of the class, its label and all probabilities.

    Raises:
      FlagError: for more labels than the model knows.
    """

    run: Trained
    top: int = 1

    @classmethod
    def of(cls, run: Trained, settings: PredictionSettings) -> 'Table':
        """Returns the table that settings describe, for the command and the method alike."""
        return cls(run, settings.top)

    def __post_init__(self) -> None:
        classes = len(self.run.labels)
        if self.top > max(classes, 1):
            raise FlagError(
                f'{option.top}={self.top} is more than the {classes} labels of '
                f'{option.model_dir}={self.run.model_dir}.'
            )

    def rows(self, batch: Batch) -> Iterator[Row]:
        """Yields one row for each example of a batch with predictions, good or bad, in their order."""
        columns = self.columns(batch.values)
        values = [map(scalar, np.asarray(column).tolist()) for column in columns.values()]
        bad = {image.place: image for image in batch.bad}
        good = iter(zip(batch.keys, *values, strict=True))
        for place in range(len(batch.keys) + len(bad)):
            if place in bad:
                yield {KEY: bad[place].key, PROBLEM: bad[place].reason}
            else:
                yield dict(zip((KEY, *columns), next(good), strict=True))

    def columns(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the columns by name, each [n]."""
        columns: dict[str, np.ndarray] = {}
        for rank, (labels, probabilities) in enumerate(self.top_labels(values), 1):
            suffix = f'_{rank}' if rank > 1 else ''
            columns |= {f'label{suffix}': labels, f'probability{suffix}': probabilities}
        return {**columns, **self.scalars(values)}

    def top_labels(self, values: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns (labels [n], probabilities [n]) by rank, the most probable first; [] for no classifier."""
        if not self.classifies(values):
            return []
        labels, probabilities = np.array(self.run.labels, object), values[keys.PROBABILITIES]
        # Stable: of equal ones the first.
        ids = np.argsort(-probabilities, axis=1, kind='stable')[:, : self.top]
        return [(labels[rank], probabilities[np.arange(len(rank)), rank]) for rank in ids.T]

    def scalars(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the predictions, each [n], that are shown besides the most probable labels."""
        shown_already = (keys.CLASSES, keys.LABELS) if self.classifies(values) else ()
        return {name: a for name, a in values.items() if a.ndim == 1 and name not in shown_already}

    def left_out(self, values: Mapping[str, np.ndarray]) -> list[str]:
        """Returns the names of the predictions that do not fit into a row."""
        shown = {keys.PROBABILITIES} if self.classifies(values) else set()
        return [name for name, array in values.items() if array.ndim > 1 and name not in shown]

    def classifies(self, values: Mapping[str, np.ndarray]) -> bool:
        """Whether the predictions are probabilities of the model's labels."""
        probabilities = values.get(keys.PROBABILITIES)
        return probabilities is not None and probabilities.shape[1:] == (len(self.run.labels),)


def pictures_of(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the predictions that are one picture an image: [n, height, width, 1 or 3], by name."""
    return {
        name: array
        for name, array in values.items()
        if array.ndim == 4 and array.shape[-1] in _PICTURE_CHANNELS
    }


def vectors_of(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the predictions that are neither scalars nor pictures, [n, ...] by name."""
    pictures = pictures_of(values)
    return {name: array for name, array in values.items() if array.ndim > 1 and name not in pictures}


def scalar(value: Any) -> Scalar:
    """Returns a value as Python's own; what is not a finite number is None."""
    if isinstance(value, bytes):
        return value.decode('utf-8', 'backslashreplace')
    if isinstance(value, float):
        return float(f'{value:.{_DIGITS}g}') if math.isfinite(value) else None
    return value
