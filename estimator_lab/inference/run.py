"""A run: a folder with a trained model, and what can be done with it.

Commands, programs and notebooks share it. Each verb is a function of a `Run`, the data and its settings, in a
file of its own; the methods accept the settings by name. Results have `text`, `save` and a form for
notebooks.
"""

import atexit
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
from PIL import Image

from estimator_lab.base.errors import FlagError
from estimator_lab.base.progress import warn
from estimator_lab.base.settings import settings_from
from estimator_lab.data.input.batches import Batch
from estimator_lab.data.input.stream import Stream
from estimator_lab.data.input.stream_settings import StreamSettings
from estimator_lab.inference.dreams import make_dream
from estimator_lab.inference.evaluation import Evaluation, evaluate
from estimator_lab.inference.exporting import export
from estimator_lab.inference.inspection import Inspection, inspect
from estimator_lab.inference.painting import paint, with_painting_settings
from estimator_lab.inference.prediction import Row, Table, arrays_of, predict, predict_batches, streamed
from estimator_lab.inference.samples import Samples, sample
from estimator_lab.inference.settings import (
    DreamSettings,
    EvaluationSettings,
    ExportSettings,
    InspectionSettings,
    PaintingSettings,
    PredictionSettings,
    ReportSettings,
)
from estimator_lab.runs.trained import Data, Trained
from estimator_lab.tf1 import tf

if TYPE_CHECKING:  # they load TensorBoard, which takes a second
    from estimator_lab.inference.report.history import History
    from estimator_lab.inference.report.page import Report

# TensorFlow logs each step of Estimator to the cells of a notebook. A later set_verbosity shows it again.
if getattr(sys, 'ps1', '') and tf.logging.get_verbosity() == tf.logging.INFO:
    tf.logging.set_verbosity(tf.logging.WARN)


# Closed when the process ends: later, TensorFlow is gone, and their ends print tracebacks.
_unfinished = WeakSet[Any]()
atexit.register(lambda: [rows.close() for rows in list(_unfinished)])


@dataclass(frozen=True, eq=False)
class Run(Trained):
    """A folder with a trained model, as its newest checkpoint was when the folder was opened.

    Examples:
        ```python
        run = api.load('runs/faces')
        run.evaluate('test.tar').metrics['accuracy']
        for row in run.predict('holiday/'):
            print(row['key'], row['label'], row['probability'])
        ```

    Attributes:
      model_dir: the folder.
      labels: the labels that the model knows, in the order of their class ids.
      hparams: the hyper-parameters by name.
      shape: (height, width, channels) in pixels of the images that the network accepts.
      checkpoint: path of the checkpoint, for `tf.train.Saver.restore`.
      step: its global step.
      result: of the training that has just ended; None for a run that was opened.
    """

    result: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets another process open the folder again, with the checkpoint that is then the newest."""
        return type(self).open, (self.model_dir.absolute(),)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics of the last evaluation in training, by name; {} without one."""
        return {name: value for name, (_, value) in self.history().last().items()}

    def history(self) -> 'History':
        """Returns what the run has written for TensorBoard: curves by name, line and step, and pictures."""
        from estimator_lab.inference.report.history import read_history

        return read_history(self.model_dir)

    def evaluate(self, data: Data, **settings: Any) -> Evaluation:
        """Evaluates the model on labelled examples; nothing in `model_dir` is changed.

        Args:
          data: archives, folders, or a pair (images, labels) of arrays.
          **settings: flags of `estimator_lab.evaluate`, such as batch_size=64.

        Raises:
          DataError: the examples can't be read.
          FlagError: a setting is not allowed.
          LabError: TensorFlow fails.
        """
        chosen = settings_from(EvaluationSettings, settings)
        return evaluate(self, self.examples(data, chosen.labels, warn), chosen)

    def predict(self, examples: Data, **settings: Any) -> Iterator[Row]:
        """Returns an iterator of a row for each example, in their order, as soon as it is known.

        Args:
          examples: paths of images, folders and archives; an array of images; or a stream of batches, as
            `stream` returns it, or batches of one.
          **settings: flags of `estimator_lab.predict`: top, batch_size and part, '3/12' or (3, 12).

        Returns:
          Dicts such as {'key': 'a.jpg', 'label': 'n000001', 'probability': 0.98}; for an example that could
          not be decoded {'key': ..., 'problem': ...}.

        Raises:
          DataError: the examples can't be read any further, after the rows for those before.
          FlagError: a setting is not allowed; the model paints, and does not predict.
          LabError: TensorFlow fails.
        """
        rows = self._rows(examples, settings)
        _unfinished.add(rows)
        return rows

    def _rows(self, examples: Data, given: Mapping[str, Any]) -> Iterator[Row]:
        settings = _prediction_settings(given)
        table = Table.of(self, settings)
        for batch in self._predicted(examples, settings, given):
            yield from table.rows(batch)

    def predict_arrays(self, examples: Data, **settings: Any) -> dict[str, np.ndarray]:
        """Returns the predictions for all examples as arrays [n, ...] by name, with their keys as 'key'.

        For arguments and errors, see `predict`. Examples that can't be decoded are left out.
        """
        return arrays_of(self._predicted(examples, _prediction_settings(settings), settings))

    def _predicted(
        self, examples: Data, settings: PredictionSettings, given: Mapping[str, Any]
    ) -> Iterator[Batch]:
        batches = streamed(self, examples)
        if batches is not None:
            if fixed := {'batch_size', 'part'} & given.keys():
                raise FlagError(f'{min(fixed)} is of the stream, which has its batches already.')
            return predict_batches(self, batches)
        run = with_painting_settings(self, settings)
        return predict(run, run.examples(examples, once=True, part=settings.part).order(), settings)

    def stream(self, data: str | Path | Sequence[str | Path], **settings: Any) -> Stream:
        """Returns a stream of examples as the model was trained on them, for `predict` or another program.

        Args:
          data: paths of archives and folders, as of `api.stream`.
          **settings: further settings of `api.stream`, which may override the model's: the shape of
            images, `decode`, `background` and `vocabulary`. Examples are in stored order, unless `shuffle` is
            given.

        Raises:
          DataError: an archive can't be read, or has no examples.
          FlagError: a setting is not allowed.
        """
        own: dict[str, Any] = {'shuffle': False, 'vocabulary': self.labels or None}
        if self.kind.has_pixels:
            own |= {'image_shape': tuple(self.shape)}
            own |= {name: getattr(self.record, name) for name in ('decode', 'background')}
        return Stream(StreamSettings.of(data, **{**own, **settings}))

    def inspect(self, example: str | Path | np.ndarray, **settings: Any) -> Inspection:
        """Returns filters, activation maps, saliency and the like for one example.

        Args:
          example: an image file, ARCHIVE:MEMBER, an image [height, width, channels], uint8 or floats in
            [0, 1]; for a model of trees, ARCHIVE:MEMBER or the text of a tree.
          **settings: label, whose evidence is shown; the predicted one by default.

        Raises:
          DataError: the example can't be read.
          FlagError: the model does not know the label.
          LabError: TensorFlow fails.
        """
        return inspect(self, example, settings_from(InspectionSettings, settings))

    def dream(self, **settings: Any) -> Image.Image:
        """Returns a picture of what the model has learned, as `estimator_lab.dream` draws it.

        Args:
          **settings: flags of that command, such as layer='conv2', image='photo.jpg' or atlas=True.

        Raises:
          DataError: an image or an archive can't be read.
          FlagError: a setting is not allowed, or has no meaning for this model.
          LabError: TensorFlow fails.
        """
        return make_dream(self, settings_from(DreamSettings, settings), frozenset(settings)).picture()

    def sample(self, count: int = 64, **settings: Any) -> Samples:
        """Returns images that a generator, an RBM or a DBN makes up.

        Args:
          count: how many.
          **settings: flags of `estimator_lab.dream` for samples: seed, steps and data of Gibbs chains, label
            and truncation of a generator.

        Raises:
          FlagError: the model makes no samples, does not know the label, or ignores a setting.
          LabError: TensorFlow fails.
        """
        chosen = settings_from(DreamSettings, {'count': count, **settings})
        return sample(self, chosen, frozenset(settings))

    def paint(self, photo: str | Path | Image.Image | np.ndarray, **settings: Any) -> Image.Image:
        """Returns a photo painted in a learned style, at its own size.

        Args:
          photo: its path, a picture, or uint8 [height, width, channels].
          **settings: flags of `estimator_lab.predict` for paintings: style, strength and preserve_colour.

        Raises:
          DataError: the photo can't be read.
          FlagError: the model does not paint (`--model=style` does), or not in that style.
          LabError: TensorFlow fails.
        """
        return paint(self, photo, settings_from(PaintingSettings, settings))

    def export(self, out: str | Path | None = None, **settings: Any) -> Path:
        """Writes a SavedModel below a folder and returns its path.

        Args:
          out: the folder; None for MODEL_DIR/export.
          **settings: flags of `estimator_lab.export`, such as strength=0.5.

        Raises:
          FlagError: the folder can't be written.
          LabError: TensorFlow fails, or the disk is full.
        """
        return export(self, settings_from(ExportSettings, {'out': out, **settings}))

    def report(self, out: str | Path | None = None, **settings: Any) -> 'Report':
        """Writes the run as one page of HTML.

        Args:
          out: the page; None for MODEL_DIR/report.html.
          **settings: flags of `estimator_lab.report`, such as data='test.tar'.

        Raises:
          DataError: the examples can't be read.
          FlagError: the page can't be written, or a setting is not allowed.
          LabError: TensorFlow fails, or the disk is full.
        """
        from estimator_lab.inference.report.page import report

        return report(self, settings_from(ReportSettings, {'out': out, **settings}))

    def __repr__(self) -> str:
        return f'Run({str(self.model_dir)!r}): {self.model} at step {self.step:,}'

    def _repr_html_(self) -> str:
        from estimator_lab.inference.report.html import framed
        from estimator_lab.inference.report.page import run_overview

        return framed(str(self.model_dir), run_overview(self, self.history()))


def _prediction_settings(given: Mapping[str, Any]) -> PredictionSettings:
    """Returns settings, of which `part` may be a pair of numbers."""
    part = given.get('part')
    pair = {'part': '/'.join(map(str, part))} if isinstance(part, tuple | list) else {}
    return settings_from(PredictionSettings, {**given, **pair})
