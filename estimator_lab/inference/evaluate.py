"""Evaluates a trained model on labelled examples: metrics, confusion and the worst examples, in one pass."""

import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from estimator_lab.base.errors import DataError, option
from estimator_lab.base.keys import IMAGE, KEY, to_bytes
from estimator_lab.base.progress import doing, progress_of, warn
from estimator_lab.core import keys
from estimator_lab.core.confusion import Confusion, TopK
from estimator_lab.data.archives import Archives
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import Batch
from estimator_lab.data.input_fns import archive_input_fn
from estimator_lab.inference.evaluation import Evaluation, Example
from estimator_lab.inference.settings import EvaluationSettings
from estimator_lab.runs.opening import with_newest
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.trained import Data, Trained, without_cluster
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf

_OBSERVED = (keys.CLASSES, keys.ERROR)
_OF_LABEL, _OF_PREDICTED = 'probability_of_label', 'probability_of_predicted'


def evaluate(run: Trained, data: Data, settings: EvaluationSettings) -> Evaluation:
    """Evaluates a model in one pass over examples, with the labels of training; see `Run.evaluate`.

    Raises:
      DataError: the examples can't be read to their end; there are none; a classifier knows none of their
        labels.
    """
    examples = run.examples(data, settings.labels, warn)
    return with_newest(run, lambda run: _evaluate(run, examples, settings))


def _evaluate(run: Trained, examples: Archives, settings: EvaluationSettings) -> Evaluation:
    observer = _Observer(run, settings.worst)
    # TensorFlow reads ahead of the last step, also bad examples.
    watch = observer.under_way.append if settings.eval_steps else None
    doing('evaluating')
    with (
        progress_of('Evaluating', run.kind.noun, partial(_share, settings, examples.total)) as progress,
        tempfile.TemporaryDirectory() as folder,
        tensorflow_errors_as_sentences(),
    ):
        report = InputReport(run.kind, warn, progress=progress)
        input_fn = archive_input_fn(
            examples.order(), run.reader, settings.batch_size, report, run.vocabulary, watch=watch
        )
        estimator = _estimator(run, observer, folder)
        found = estimator.evaluate(input_fn, settings.eval_steps, checkpoint_path=run.checkpoint)
    report.raise_error()
    if not report.seen:
        raise DataError(f'{option.data}={",".join(examples.paths)}: no {report.kind.name} was found.')
    metrics = {name: float(value) for name, value in found.items() if name != tf.GraphKeys.GLOBAL_STEP}
    return observer.evaluation(metrics, report)


def _share(settings: EvaluationSettings, total: int | None, done: int) -> float | None:
    """Returns the share of the evaluation, in [0, 1], that the first `done` examples are; None if unknown."""
    limits = [total, settings.eval_steps and settings.eval_steps * settings.batch_size]
    examples = min((limit for limit in limits if limit), default=None)
    return examples and min(done / examples, 1.0)


def _estimator(run: Trained, observer: '_Observer', folder: str) -> Any:
    with without_cluster():
        # Without summaries, models skip what only TensorBoard shows.
        config = tf.estimator.RunConfig(folder, save_summary_steps=None)
        return tf.estimator.Estimator(observer.watched(run.model_fn), config=config, params=vars(run.params))


class _Observer(tf.train.SessionRunHook):
    """Fetches the examples and predictions of each batch, and collects them."""

    def __init__(self, run: Trained, worst: int) -> None:
        self._run = run
        self._tensors: dict[str, Tensor] = {}
        self._confusion: Confusion | None = None
        self._worst: TopK[Example] = TopK(worst)
        self._images = 0
        self._bad: int | None = None
        self.under_way: deque[Batch] = deque()

    def watched(self, model_fn: Callable[..., EstimatorSpec]) -> Callable[..., EstimatorSpec]:
        """Returns a model function that is observed in EVAL, where it returns its predictions, too."""

        def with_hook(
            features: Features, labels: Tensor, mode: Mode, params: Any, config: RunConfig
        ) -> EstimatorSpec:
            spec = model_fn(features, labels, mode, params, config)
            self._tensors = {name: features[name] for name in (IMAGE, KEY) if name in features}
            if labels is not None:
                self._tensors['label'] = labels
            predictions = spec.predictions or {}
            self._tensors |= {name: predictions[name] for name in _OBSERVED if name in predictions}
            if keys.PROBABILITIES in predictions and labels is not None:
                # Of many classes, two numbers of each example rather than one for each class.
                self._tensors |= _two_probabilities(predictions, labels)
            return spec._replace(evaluation_hooks=[*spec.evaluation_hooks, self])

        return with_hook

    def before_run(self, run_context: Any) -> Any:
        return tf.train.SessionRunArgs(self._tensors)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        batch = run_values.results
        self._images += len(batch[KEY])
        if self.under_way:
            self._bad = (self._bad or 0) + len(self.under_way.popleft().bad)
        if _OF_LABEL in batch:
            self._observe_classes(batch)
        elif keys.ERROR in batch:
            for row, error in enumerate(batch[keys.ERROR].tolist()):
                self._worst.offer(error, partial(_example, batch, row, error))

    def evaluation(self, metrics: Mapping[str, float], report: InputReport) -> Evaluation:
        noun = report.kind.noun
        if not self._images:  # Estimator itself gives metrics of nothing
            last = f'; the last is {report.last}' if report.bad else ''
            raise DataError(
                f'No {report.kind.name} could be evaluated: {report.bad:,} of {report.seen:,} are bad{last}.'
            )
        if self._confusion is not None and not self._confusion.images:
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
            self._confusion,
            self._worst.ranked(),
        )

    def _observe_classes(self, batch: dict[str, np.ndarray]) -> None:
        self._confusion = self._confusion or Confusion(self._run.labels)
        true, predicted = batch['label'], batch[keys.CLASSES]
        self._confusion.add(true, predicted)
        for row in np.flatnonzero((true >= 0) & (true != predicted)).tolist():
            badness = 1 - float(batch[_OF_LABEL][row])
            self._worst.offer(badness, partial(self._mistake, batch, row, badness))

    def _mistake(self, batch: dict[str, np.ndarray], row: int, badness: float) -> Example:
        true, predicted = int(batch['label'][row]), int(batch[keys.CLASSES][row])
        return _example(batch, row, badness)._replace(
            true=self._run.labels[true],
            predicted=self._run.labels[predicted],
            probability=float(batch[_OF_PREDICTED][row]),
        )


def _two_probabilities(predictions: Mapping[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
    """Returns the probabilities of the true class (of class 0 if unknown) and of the predicted one."""
    probabilities = predictions[keys.PROBABILITIES]
    known = tf.where(labels >= 0, labels, tf.zeros_like(labels))
    return {
        _OF_LABEL: tf.gather(probabilities, known, batch_dims=1),
        _OF_PREDICTED: tf.gather(probabilities, predictions[keys.CLASSES], batch_dims=1),
    }


def _example(batch: dict[str, np.ndarray], row: int, badness: float) -> Example:
    key = batch[KEY][row].decode('utf-8', 'backslashreplace')
    return Example(badness, key, to_bytes(batch[IMAGE][row]) if IMAGE in batch else None)
