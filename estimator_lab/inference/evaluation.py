"""Evaluates a trained model: metrics, confusion and the worst examples, in one pass over labelled examples.

The results are text, JSON, CSV and PNG, and have a form for notebooks.
"""

import math
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.base.errors import DataError, option
from estimator_lab.base.files import listed
from estimator_lab.base.keys import IMAGE, KEY
from estimator_lab.base.outputs import check_folder, written_folder
from estimator_lab.base.printable import json_text, padded, write_csv
from estimator_lab.base.progress import doing, progress_of, warn
from estimator_lab.base.settings import path_from
from estimator_lab.core import keys
from estimator_lab.core.confusion import ClassScores, Confusion
from estimator_lab.core.metrics_text import images_text, numbers_in, primary_metric_text, worth_showing
from estimator_lab.core.mistakes import Mistakes, WorstExample, mistakes_of_batch, picture_of, worst_of_batch
from estimator_lab.core.picture import as_picture, labelled_grid
from estimator_lab.data.archives.opened import Archives
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.data.input.batches import Batch
from estimator_lab.data.input.input_fns import Epochs, InputFn, archive_input_fn
from estimator_lab.inference.report.html import Html, figure, framed, html, note, shown_number, table
from estimator_lab.inference.settings import EvaluationSettings
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.trained import Trained, without_cluster
from estimator_lab.tf1 import (
    EstimatorSpec,
    Features,
    Mode,
    RunConfig,
    SessionRunArgs,
    SessionRunContext,
    SessionRunValues,
    Tensor,
    tf,
)

_CLASSES_IN_TEXT = 20
_PAIRS_IN_TEXT = 10
_CLASSES_IN_MATRIX = 1000  # a CSV of 2 MB
_NAME = 24
_SHEET_COLUMNS, _SHEET_TILE = 6, 160
_WORST_COLUMNS = (KEY, 'badness', 'true', 'predicted', 'probability')

METRICS, CONFUSION, WORST = 'Evaluation', 'Confusion', 'Worst examples'
"""Titles of the sections of an evaluation."""


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation; in a notebook its metrics, confusion and worst examples.

    Attributes:
      metrics: by name, such as evaluation.metrics['accuracy'].
      images: how many examples were evaluated.
      bad: how many more could not be decoded.
      confusion: counts of true and predicted classes; None for a model that does not classify.
      worst: the worst examples, the worst first; a classifier's are all mistakes.
    """

    run: Trained
    metrics: Mapping[str, float]
    images: int
    bad: int = 0
    confusion: Confusion | None = None
    worst: Sequence[WorstExample] = field(default_factory=list)

    def text(self) -> str:
        """Returns the results as lines to read; of many classes, the worst."""
        lines = [f'{name:<{_NAME}} {value:.4f}' for name, value in worth_showing(self.metrics)]
        if self.confusion:
            lines += ['', *_classes_in_text(self.confusion), '']
            pairs = list(pair_rows(self.confusion))
            if len(pairs) > _PAIRS_IN_TEXT:
                lines.append(f'The most frequent of {len(pairs):,} confusions')
            else:
                lines.append('Confusions' if pairs else 'No confusions')
            for true, predicted, images in pairs[:_PAIRS_IN_TEXT]:
                lines.append(f'{true} taken for {predicted}: {images:,}')
        return '\n'.join([*lines, '', self.headline()])

    def headline(self) -> str:
        """Returns the primary metric in a sentence."""
        bad = f' ({self.bad:,} more could not be decoded)' if self.bad else ''
        on = f'{images_text(self.metrics, self.images, self.run.kind.noun)}{bad}'
        return primary_metric_text(self.run.task, self.metrics, on, self.run.step)

    def confusion_picture(self) -> Image.Image:
        """Returns the matrix of a classifier as a picture; of many classes, the most confused."""
        assert self.confusion, 'a classifier'
        return picture_of(self.confusion, ' '.join(self.headline().split()), 'classes')

    def json(self) -> str:
        """Returns all results as JSON; the pairs of confused classes are sorted by frequency."""
        results: dict[str, Any] = {
            'model': self.run.model,
            'model_dir': str(self.run.model_dir),
            'checkpoint': self.run.checkpoint,
            'step': self.run.step,
            'images': self.images,
            'bad_images': self.bad,
            'metrics': dict(self.metrics),
        }
        if self.confusion:
            results['classes'] = _records(('label', *ClassScores._fields), class_rows(self.confusion))
            results['confused'] = _records(('true', 'predicted', 'images'), pair_rows(self.confusion))
        results['worst'] = _records(_WORST_COLUMNS, _worst_rows(self.worst))
        return json_text(results, 1)

    def save(self, folder: str | Path) -> list[str]:
        """Writes all results to a folder; returns the names of the files.

        metrics.json and report.txt; for a classifier classes.csv, confusion.csv (the matrix, up to 1,000
        classes), confused.csv (the pairs that occurred) and confusion.png; worst.csv if there are worst
        examples, and worst.png, a contact sheet, if they are images.

        Raises:
          FlagError: the folder can't be written, or holds examples.
          LabError: the disk is full.
        """
        folder = path_from('folder', folder)
        check_folder('out', folder, (), self.run.kind.accepts, self.run.model_dir)
        with written_folder('out', folder) as hidden:
            (hidden / 'metrics.json').write_text(f'{self.json()}\n', encoding='utf-8')
            (hidden / 'report.txt').write_text(f'{self.text()}\n', encoding='utf-8')
            if self.confusion:
                _write_confusion(hidden, self.confusion)
                self.confusion_picture().save(hidden / 'confusion.png')
            if self.worst:
                write_csv(hidden / 'worst.csv', _WORST_COLUMNS, _worst_rows(self.worst))
                images = [example.image for example in self.worst if example.image is not None]
                if images:
                    captions = [example.caption() for example in self.worst]
                    sheet = labelled_grid(np.stack(images), captions, _SHEET_COLUMNS, _SHEET_TILE)
                    sheet.save(hidden / 'worst.png')
            return [path.name for path in listed(hidden)]

    def __repr__(self) -> str:
        return self.text()

    def sections(self) -> dict[str, list[Html]]:
        """Returns its metrics, confusion and worst examples as HTML, by title."""
        sections = {METRICS: metrics_table(self.metrics, self.headline())}
        if self.confusion:
            lines = [html('{}\n', line) for line in _classes_in_text(self.confusion)]
            sections[METRICS].append(html('<pre class="wide">{}</pre>', lines))
            picture = self.confusion_picture()
            sections[CONFUSION] = [figure(picture, 'rows are true labels, columns are predictions')]
        if self.worst:
            sections[WORST] = [html('<div class="tiles">{}</div>', map(_worst_tile, self.worst))]
        return sections

    def _repr_html_(self) -> str:
        parts = [html('<h2>{}</h2>{}', *section) for section in self.sections().items()]
        return framed('evaluation', parts)


def class_rows(confusion: Confusion) -> Iterator[tuple[Any, ...]]:
    """Returns (label, images, precision, recall, F1) of each class; None where a score is undefined."""
    scores = confusion.scores()
    rounded = (
        [None if math.isnan(value) else round(value, 6) for value in column.tolist()] for column in scores[1:]
    )
    return zip(confusion.labels, scores.images.tolist(), *rounded, strict=True)


def pair_rows(confusion: Confusion) -> Iterator[tuple[str, str, int]]:
    """Returns (true label, predicted label, images) of each confusion, the most frequent first."""
    labels = confusion.labels
    return ((labels[true], labels[predicted], images) for true, predicted, images in confusion.confused())


def _records(names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def _write_confusion(folder: Path, confusion: Confusion) -> None:
    labels, size = confusion.labels, len(confusion.labels)
    write_csv(folder / 'classes.csv', ('label', *ClassScores._fields), class_rows(confusion))
    write_csv(folder / 'confused.csv', ('true', 'predicted', 'images'), pair_rows(confusion))
    if size <= _CLASSES_IN_MATRIX:
        rows = ([label, *row] for label, row in zip(labels, confusion.matrix().tolist(), strict=True))
        write_csv(folder / 'confusion.csv', ('true \\ predicted', *labels), rows)


def _worst_rows(worst: Sequence[WorstExample]) -> Iterator[tuple[Any, ...]]:
    for example in worst:
        classified = (example.true, example.predicted, round(example.probability, 6))
        yield example.key, float(f'{example.badness:.7g}'), *(classified if example.true else ('', '', ''))


def _classes_in_text(confusion: Confusion) -> list[str]:
    rows = [row for row in class_rows(confusion) if row[1]]
    lines = [f'{"class":<{_NAME}} {"images":>7} {"precision":>9} {"recall":>7} {"f1":>7}']
    shown = rows
    if len(rows) > _CLASSES_IN_TEXT:
        shown = sorted(rows, key=lambda row: row[4])[:_CLASSES_IN_TEXT]
        lines.insert(0, f'The {len(shown)} of {len(rows):,} classes with the lowest F1')
    for label, images, *scores in shown:
        precision, recall, f1 = ('-' if score is None else f'{score:.4f}' for score in scores)
        lines.append(f'{padded(label, _NAME)} {images:>7,} {precision:>9} {recall:>7} {f1:>7}')
    return lines


def metrics_table(metrics: Mapping[str, float], about: str) -> list[Html]:
    """Returns a table of metrics below a sentence about them; [] without any."""
    rows = [(name, shown_number(value)) for name, value in worth_showing(metrics)]
    return [note(about), table(rows)] if rows else []


def _worst_tile(example: WorstExample) -> Html:
    caption = '; '.join(example.caption().split('\n'))
    if example.image is None:
        return html('<figure><figcaption>{}</figcaption></figure>', caption)
    return figure(as_picture(example.image), caption)


def evaluate(run: Trained, examples: Archives, settings: EvaluationSettings) -> Evaluation:
    """Evaluates a model in one pass over examples, with the labels of training; see `Run.evaluate`.

    Raises:
      DataError: the examples can't be read to their end; there are none; a classifier knows none of their
        labels.
    """
    if run.task.labelled and not examples.labels:
        examples.check_labels()
    observer = _Observer(run, settings.worst)
    # TensorFlow reads ahead of the last step, also bad examples.
    watch = observer.under_way.append if settings.eval_steps else None
    with progress_of('Evaluating', run.kind.noun, partial(_share, settings, examples.total)) as progress:
        report = InputReport(run.kind, warn, progress=progress)
        span = Epochs(examples.order(), settings.batch_size)
        input_fn = archive_input_fn(span, run.reader, report, run.vocabulary, watch)
        metrics = _metrics(run, input_fn, observer, settings.eval_steps)
    report.raise_error()
    if not report.seen:
        raise DataError(f'{option.data}={",".join(examples.paths)}: no {report.kind.name} was found.')
    return observer.evaluation(metrics, report)


def _metrics(run: Trained, input_fn: InputFn, observer: '_Observer', steps: int | None) -> dict[str, float]:
    """Returns the metrics of an evaluation by name."""
    doing('evaluating')
    with tempfile.TemporaryDirectory() as folder, tensorflow_errors_as_sentences():
        with without_cluster():
            # Without summaries, models skip what only TensorBoard shows.
            config = tf.estimator.RunConfig(folder, save_summary_steps=None)
            estimator = tf.estimator.Estimator(
                observer.watched(run.model_fn), config=config, params=vars(run.params)
            )
        results = estimator.evaluate(input_fn, steps, checkpoint_path=run.held.links)
    return {
        name: float(value) for name, value in numbers_in(results).items() if name != tf.GraphKeys.GLOBAL_STEP
    }


def _share(settings: EvaluationSettings, total: int | None, done: int) -> float | None:
    """Returns the share of the evaluation, in [0, 1], that the first `done` examples are; None if unknown."""
    limits = [total, settings.eval_steps and settings.eval_steps * settings.batch_size]
    examples = min((limit for limit in limits if limit), default=None)
    return examples and min(done / examples, 1.0)


class _Observer(tf.train.SessionRunHook):
    """Counts the examples of an evaluation, and observes its mistakes."""

    def __init__(self, run: Trained, worst: int) -> None:
        self._run, self._most = run, worst
        self._images = 0
        self._bad: int | None = None
        self.under_way: deque[Batch] = deque()

    def watched(self, model_fn: Callable[..., EstimatorSpec]) -> Callable[..., EstimatorSpec]:
        """Returns a model function that is observed in EVAL, where it returns its predictions, too."""

        def with_hooks(
            features: Features, labels: Tensor, mode: Mode, params: Any, config: RunConfig
        ) -> EstimatorSpec:
            spec = model_fn(features, labels, mode, params, config)
            with tf.name_scope('observed'):
                self._count = tf.size(features[KEY])
                self._mistakes = self._mistakes_in(features, labels, spec.predictions or {})
            return spec._replace(evaluation_hooks=[*spec.evaluation_hooks, self, self._mistakes])

        return with_hooks

    def _mistakes_in(
        self, features: Features, labels: Tensor | None, predictions: Mapping[str, Tensor]
    ) -> Mistakes:
        shown = {name: features[name] for name in (IMAGE, KEY) if name in features}
        if keys.PROBABILITIES in predictions and labels is not None:
            worst = mistakes_of_batch(predictions[keys.PROBABILITIES], labels, shown, self._most)
            return Mistakes(self._run.labels, (labels, predictions[keys.CLASSES]), worst, self._most)
        has_error = keys.ERROR in predictions
        worst = worst_of_batch(predictions[keys.ERROR], shown, self._most) if has_error else {}
        return Mistakes(self._run.labels, None, worst, self._most)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        return tf.train.SessionRunArgs(self._count)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        self._images += int(run_values.results)
        if self.under_way:
            self._bad = (self._bad or 0) + len(self.under_way.popleft().bad)

    def evaluation(self, metrics: Mapping[str, float], report: InputReport) -> Evaluation:
        noun, confusion = report.kind.noun, self._mistakes.confusion
        if not self._images:  # Estimator itself gives metrics of nothing
            last = f'; the last is {report.last}' if report.bad else ''
            raise DataError(
                f'No {report.kind.name} could be evaluated: {report.bad:,} of {report.seen:,} are bad{last}.'
            )
        if confusion is not None and not confusion.images:
            shown = ', '.join(self._run.labels[:3])
            raise DataError(
                f'None of {self._images:,} {noun} has a label that the model knows (such as {shown}): '
                f'the label is the name of the folder, or stands in the table that {option.labels} names.'
            )
        return Evaluation(
            self._run,
            metrics,
            self._images,
            report.bad if self._bad is None else self._bad,
            confusion,
            self._mistakes.worst.ranked(),
        )
