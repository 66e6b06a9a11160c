"""A run: a folder with a trained model, and everything that can be done with it."""

import dataclasses
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
from PIL import Image

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.keys import KEY
from estimator_lab.base.settings import settings_from, settings_of
from estimator_lab.core.picture import as_picture, png_bytes
from estimator_lab.data.arrays import check_values
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.examples import ExampleInput, read_example
from estimator_lab.data.member import BadExampleError
from estimator_lab.data.order import Order
from estimator_lab.inference.drawing import draw, joined
from estimator_lab.inference.evaluation_report import evaluate_and_write
from estimator_lab.inference.exporting import export
from estimator_lab.inference.inspection_files import inspected
from estimator_lab.inference.painting import Artist, upright, with_painting_settings
from estimator_lab.inference.prediction import (
    PROBLEM,
    Predicted,
    Scalar,
    Table,
    as_text,
    predicted_batches,
)
from estimator_lab.inference.report.history import History, read_history
from estimator_lab.inference.report.page import run_overview
from estimator_lab.inference.report.writing import write_report
from estimator_lab.inference.samples import SampleRequest, Sampling, gibbs_steps, sample_batches, top_machine
from estimator_lab.inference.settings import (
    DreamSettings,
    EvaluationSettings,
    ExportSettings,
    PaintingSettings,
    PredictionSettings,
    ReportSettings,
)
from estimator_lab.notebook.arrays import ArrayInput
from estimator_lab.notebook.views import EvaluationResult, InspectionResult, Report, Samples, framed
from estimator_lab.runs.model import Trained, open_trained
from estimator_lab.tf1 import tf
from estimator_lab.training.experiment import Result

Examples: TypeAlias = str | Path | Sequence[str | Path] | np.ndarray
"""Paths of images, folders and archives; or images themselves, uint8 [n, height, width, channels]."""

S = TypeVar('S')

_TALL = 600

# TensorFlow logs each step of Estimator to the cells of a notebook. A later set_verbosity shows it again.
if getattr(sys, 'ps1', '') and tf.logging.get_verbosity() == tf.logging.INFO:
    tf.logging.set_verbosity(tf.logging.WARN)


class Run:
    """A folder with a trained model. Each method uses its newest checkpoint, also while it is trained.

    Examples:
        ```python
        run = api.load('runs/faces')
        run.evaluate('test.tar').metrics['accuracy']
        for row in run.predict('holiday/'):
            print(row['key'], row['label'], row['probability'])
        ```

    Args:
      model_dir: the folder.
      result: of the training that has just ended; None for a run that was opened.

    Raises:
      DataError: there is no trained model, or it can't be read.
    """

    def __init__(self, model_dir: str | Path, result: Result | None = None) -> None:
        self.model_dir = Path(model_dir)
        self.result = result
        self._opened = open_trained(self.model_dir)

    @property
    def trained(self) -> Trained:
        """The model as its newest checkpoint has it; the last one that was there, if the folder is gone."""
        newest = tf.train.latest_checkpoint(str(self.model_dir))
        if newest and newest != self._opened.checkpoint:
            self._opened = open_trained(self.model_dir)
        return self._opened

    @property
    def model(self) -> str:
        """Name of the model, such as 'cnn'."""
        return self._opened.model.name

    @property
    def checkpoint(self) -> str:
        """Path of the newest checkpoint, for `tf.train.Saver.restore`."""
        return self.trained.checkpoint

    @property
    def step(self) -> int:
        """Global step of the newest checkpoint."""
        return self.trained.step

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the model knows, in the order of their class ids; () for a model without labels."""
        return tuple(self._opened.record.vocabulary)

    @property
    def hparams(self) -> Mapping[str, Any]:
        """The hyper-parameters by name."""
        return dict(self._opened.record.hparams)

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics of the last evaluation in training, by name; {} without one."""
        return {name: value for name, (_, value) in self.history().last().items()}

    def history(self) -> History:
        """Returns what the run has written for TensorBoard: curves by name, line and step, and pictures."""
        return read_history(self.model_dir)

    def evaluate(self, data: str | Path | Sequence[str | Path], **settings: Any) -> EvaluationResult:
        """Evaluates the model on labelled examples; nothing in `model_dir` is changed.

        Args:
          data: archives or folders.
          **settings: flags of `estimator_lab.evaluate`, such as batch_size=64; all but json.

        Raises:
          DataError: the examples can't be read.
          FlagError: a setting is not allowed.
          LabError: TensorFlow fails.
        """
        chosen = self._chosen(EvaluationSettings, {'data': data, **settings}, unused=['json'])
        found, _ = evaluate_and_write(chosen)
        return EvaluationResult(**vars(found))

    def predict(self, examples: Examples, **settings: Any) -> Iterator[dict[str, Scalar]]:
        """Yields a row for each example, in their order, as soon as it is known.

        Args:
          examples: paths of images, folders and archives; or images, uint8 [n, height, width, channels].
          **settings: flags of `estimator_lab.predict`: top, batch_size and decode.

        Yields:
          A dict such as {'key': 'a.jpg', 'label': 'n000001', 'probability': 0.98}; for an example that could
          not be decoded {'key': ..., 'problem': ...}.

        Raises:
          DataError: the examples can't be read any further, after the rows for those before.
          FlagError: a setting is not allowed; the model paints, and does not predict.
          LabError: TensorFlow fails.
        """
        chosen = self._prediction(settings)
        table = Table(self.trained, chosen.top)
        for batch in self._batches(examples, chosen):
            for row in table.rows(batch):
                yield {KEY: row.key, **({PROBLEM: row.problem} if row.problem else row.columns)}

    def predict_arrays(self, examples: Examples, **settings: Any) -> dict[str, np.ndarray]:
        """Returns the predictions for all examples as arrays [n, ...] by name, with their keys as 'key'.

        Args and errors are those of `predict`. Examples that can't be decoded are left out.
        """
        batches = [batch for batch in self._batches(examples, self._prediction(settings)) if batch.keys]
        if not batches:
            raise DataError('No example could be decoded.')
        found = {
            name: as_text(np.concatenate([one.values[name] for one in batches])) for name in batches[0].values
        }
        return {KEY: np.array([key for one in batches for key in one.keys], object), **found}

    def inspect(self, example: str | Path | np.ndarray, label: str = '') -> InspectionResult:
        """Returns filters, activation maps, saliency and the like for one example.

        Args:
          example: an image file, ARCHIVE:MEMBER, an image uint8 [height, width, channels]; for a model of
            trees, ARCHIVE:MEMBER or the text of a tree.
          label: the label whose evidence is shown; '' for the predicted one.

        Raises:
          DataError: the example can't be read.
          FlagError: the model does not know the label.
          LabError: TensorFlow fails.
        """
        trained, key = self.trained, 'array'
        if isinstance(example, np.ndarray):
            check_values(example)
            data = png_bytes(as_picture(example))
        elif str(example).lstrip().startswith('('):
            data = str(example).encode()
        else:
            key = str(example)
            data = read_example(key, trained.kind).data
        try:
            return InspectionResult(key, *inspected(trained, data, label, key))
        except BadExampleError as reason:
            raise DataError(f'{key} cannot be decoded: {reason}.') from reason

    def dream(self, **settings: Any) -> Image.Image:
        """Returns a picture of what the model has learned, as `estimator_lab.dream` draws it.

        Args:
          **settings: flags of that command, such as layer='conv2', image='photo.jpg' or atlas=True; all
            but out, as the picture that is returned has a method `save`.

        Raises:
          DataError: an image or an archive can't be read.
          FlagError: a setting is not allowed, or has no meaning for this model.
          LabError: TensorFlow fails.
        """
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, 'dream.png')
            chosen = self._chosen(DreamSettings, settings, unused=['out'])
            for _ in draw(dataclasses.replace(chosen, out=out), frozenset(settings)):
                pass
            with Image.open(out) as picture:
                return picture.copy()

    def sample(
        self,
        count: int = 64,
        *,
        seed: int = 1,
        label: str = '',
        truncation: float = 0.0,
        steps: int | None = None,
    ) -> Samples:
        """Returns images that a generator, an RBM or a DBN makes up.

        Args:
          count: how many.
          seed: of the noise; equal seeds give equal samples.
          label: class of the samples; '' for every class in turn, if the model can choose.
          truncation: largest absolute value of a generator's latent numbers; 0 for no limit.
          steps: Gibbs steps of each chain of an RBM or a DBN; None for 1000, or for 50 where they begin at
            the persistent chains of training.

        Raises:
          FlagError: the model makes no samples, does not know the label, or ignores a setting.
          LabError: TensorFlow fails.
        """
        if count < 1:
            raise FlagError(f'count={count} must be 1 or more.')
        is_generator = bool(self.trained.model.sampler)
        ignored = {'steps': steps} if is_generator else {'label': label, 'truncation': truncation}
        for name, value in ignored.items():
            if value:
                raise FlagError(f'{name}={value} has no meaning for --model={self.model}.')
        if is_generator:
            with Sampling(self.trained) as sampling:
                return Samples(*joined(sampling.batches(SampleRequest(count, seed, label, truncation))))
        machine = top_machine(self.trained)
        taken = gibbs_steps(machine, steps, None)
        images = np.concatenate(list(sample_batches(machine, count, taken, seed)))
        return Samples(images, [''] * count)

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
        trained = with_painting_settings(self.trained, settings_from(PaintingSettings, settings))
        if not trained.model.transform_net:
            raise FlagError(f'{self.model_dir} holds --model={self.model}, which does not paint.')
        if isinstance(photo, np.ndarray):
            check_values(photo)
            photo = as_picture(photo)
        if not isinstance(photo, Image.Image):
            photo = upright(read_example(str(photo), trained.kind).data)
        with Artist(trained) as artist:
            pixels = np.asarray(photo.convert('L' if artist.channels == 1 else 'RGB'))
            return as_picture(artist.paint(pixels.reshape(photo.height, photo.width, artist.channels)))

    def export(self, out: str | Path | None = None, **settings: Any) -> Path:
        """Writes a SavedModel below a folder and returns its path.

        Args:
          out: the folder; None for MODEL_DIR/export.
          **settings: flags of `estimator_lab.export`, such as onnx=True.

        Raises:
          FlagError: the folder can't be written.
          LabError: TensorFlow fails, or the disk is full.
        """
        return export(self._chosen(ExportSettings, {'out': out, **settings}))

    def report(self, out: str | Path | None = None, **settings: Any) -> Report:
        """Writes the run as one page of HTML.

        Args:
          out: the page; None for MODEL_DIR/report.html.
          **settings: flags of `estimator_lab.report`, such as data='test.tar'.

        Raises:
          DataError: the examples can't be read.
          FlagError: the page can't be written, or a setting is not allowed.
          LabError: TensorFlow fails, or the disk is full.
        """
        path, _, damage = write_report(self._chosen(ReportSettings, {'out': out, **settings}))
        return Report(path, damage)

    def __repr__(self) -> str:
        return f'Run({str(self.model_dir)!r}): {self.model} at step {self.step:,}'

    def _repr_html_(self) -> str:
        return framed(str(self.model_dir), run_overview(self.trained, self.history()), _TALL)

    def _chosen(self, settings_class: type[S], given: Mapping[str, Any], unused: Sequence[str] = ()) -> S:
        """Returns the settings of a verb; FlagError for those that only its command honours."""
        for name in unused:
            if name in given:
                raise FlagError(f'{name} is a setting of the command, and has no meaning in a program.')
        return settings_from(settings_class, {'model_dir': self.model_dir, **given})

    def _prediction(self, settings: Mapping[str, Any]) -> PredictionSettings:
        unused = settings_of(PredictionSettings).keys() - {'top', 'batch_size', 'decode'}
        return self._chosen(PredictionSettings, settings, sorted(unused))

    def _batches(self, examples: Examples, settings: PredictionSettings) -> Iterator[Predicted]:
        trained = self.trained
        if trained.model.transform_net:
            raise FlagError(f'{self.model_dir} holds --model={self.model}, which paints: call paint.')
        kind = trained.kind
        order: Order
        if isinstance(examples, np.ndarray):
            order = ArrayInput(examples)
        else:
            paths = [examples] if isinstance(examples, str | Path) else examples
            order = ExampleInput([str(path) for path in paths], kind)
            trained.check_examples(order.paths)
        report = InputReport(kind, lambda line: None)
        reader = trained.reader_with(settings.decode or '')
        return predicted_batches(trained, order, reader, settings.batch_size, report)
