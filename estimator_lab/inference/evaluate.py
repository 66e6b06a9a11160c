"""Evaluates a trained model on labelled examples: metrics, confusion and the worst examples, in one pass."""

import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from estimator_lab.base.errors import DataError, option
from estimator_lab.base.keys import IMAGE, KEY
from estimator_lab.base.progress import doing, progress_of, warn
from estimator_lab.core import keys
from estimator_lab.core.confusion import Confusion
from estimator_lab.core.mistakes import WorstExamples, mistakes_of_batch, worst_of_batch
from estimator_lab.data.archives import Archives
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.batches import Batch
from estimator_lab.data.input_fns import archive_input_fn
from estimator_lab.inference.evaluation import Evaluation
from estimator_lab.inference.settings import EvaluationSettings
from estimator_lab.runs.opening import with_newest
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.trained import Data, Trained, without_cluster
from estimator_lab.tf1 import EstimatorSpec, Features, Mode, RunConfig, Tensor, tf


def evaluate(run: Trained, data: Data, settings: EvaluationSettings) -> Evaluation:
    """Evaluates a model in one pass over examples, with the labels of training; see `Run.evaluate`.

    Raises:
      DataError: the examples can't be read to their end; there are none; a classifier knows none of their
        labels.
    """
    examples = run.examples(data, settings.labels, warn)
    if run.task.labelled and not examples.labels:
        examples.check_labels()
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
        with without_cluster():
            # Without summaries, models skip what only TensorBoard shows.
            config = tf.estimator.RunConfig(folder, save_summary_steps=None)
            estimator = tf.estimator.Estimator(
                observer.watched(run.model_fn), config=config, params=vars(run.params)
            )
        results = estimator.evaluate(input_fn, settings.eval_steps, checkpoint_path=run.checkpoint)
    report.raise_error()
    if not report.seen:
        raise DataError(f'{option.data}={",".join(examples.paths)}: no {report.kind.name} was found.')
    metrics = {name: float(value) for name, value in results.items() if name != tf.GraphKeys.GLOBAL_STEP}
    return observer.evaluation(metrics, report)


def _share(settings: EvaluationSettings, total: int | None, done: int) -> float | None:
    """Returns the share of the evaluation, in [0, 1], that the first `done` examples are; None if unknown."""
    limits = [total, settings.eval_steps and settings.eval_steps * settings.batch_size]
    examples = min((limit for limit in limits if limit), default=None)
    return examples and min(done / examples, 1.0)


class _Observer(tf.train.SessionRunHook):
    """Counts the confusion of classes in an evaluation, and keeps its worst examples."""

    def __init__(self, run: Trained, worst: int) -> None:
        self._run = run
        self._most = worst
        self._fetched: dict[str, Any] = {}
        self._confusion: Confusion | None = None
        self._worst = WorstExamples(worst, run.labels)
        self._images = 0
        self._bad: int | None = None
        self.under_way: deque[Batch] = deque()

    def watched(self, model_fn: Callable[..., EstimatorSpec]) -> Callable[..., EstimatorSpec]:
        """Returns a model function that is observed in EVAL, where it returns its predictions, too."""

        def with_hook(
            features: Features, labels: Tensor, mode: Mode, params: Any, config: RunConfig
        ) -> EstimatorSpec:
            spec = model_fn(features, labels, mode, params, config)
            with tf.name_scope('observed'):
                self._observe(features, labels, spec.predictions or {})
            return spec._replace(evaluation_hooks=[*spec.evaluation_hooks, self])

        return with_hook

    def _observe(self, features: Features, labels: Tensor | None, predictions: Mapping[str, Tensor]) -> None:
        """Decides what is fetched of each batch."""
        self._fetched = {'images': tf.size(features[KEY])}
        shown = {name: features[name] for name in (IMAGE, KEY) if name in features}
        if keys.PROBABILITIES in predictions and labels is not None:
            self._confusion = Confusion(self._run.labels)
            self._fetched['classes'] = labels, predictions[keys.CLASSES]
            self._fetched['worst'] = mistakes_of_batch(
                predictions[keys.PROBABILITIES], labels, shown, self._most
            )
        elif keys.ERROR in predictions:
            self._fetched['worst'] = worst_of_batch(predictions[keys.ERROR], shown, self._most)

    def before_run(self, run_context: Any) -> Any:
        return tf.train.SessionRunArgs(self._fetched)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        batch = run_values.results
        self._images += int(batch['images'])
        if self.under_way:
            self._bad = (self._bad or 0) + len(self.under_way.popleft().bad)
        if self._confusion is not None:
            self._confusion.add(*batch['classes'])
        if 'worst' in batch:
            self._worst.add(batch['worst'])

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
