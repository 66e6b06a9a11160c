"""Learning-rate range test: the rate increases step by step, and the loss shows which rates work.

Smith 2017, "Cyclical learning rates for training neural networks" (arXiv 1506.01186), section 3.3; with the
exponential increase, the smoothed loss and the end at divergence of fast.ai's `lr_find`.
"""

import dataclasses
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.base.activity import doing
from estimator_lab.base.errors import FlagError, LabError
from estimator_lab.base.progress import Progress
from estimator_lab.core import keys
from estimator_lab.data.archives import Say
from estimator_lab.optimizers import SECOND_ORDER
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.tf1 import tf
from estimator_lab.training.experiment import Experiment
from estimator_lab.training.hooks import StopTrainingHook
from estimator_lab.training.interrupt import StopSwitch
from estimator_lab.training.settings import Settings

LOWEST, HIGHEST = 1e-6, 10.0
"""The learning rates of the first and the last step."""

_STEPS = 100
_LEAST_STEPS = 30
_FIRST_STEPS = 14  # the first decade of rates, in which hardly anything is learned
_SMOOTHING = 0.9  # decay of the moving average
_DIVERGED = 3  # times its size, by which the smoothed loss may exceed its lowest value
_MARGIN = 10  # the suggestion is the rate of the lowest loss, divided by this


@dataclass(frozen=True)
class RangeTest:
    """The loss by learning rate.

    Attributes:
      rates: of the updates, ascending.
      losses: the mean training loss at each rate, before its update; all finite.
    """

    rates: Sequence[float]
    losses: Sequence[float]

    @property
    def smoothed(self) -> np.ndarray:
        """The exponential moving average of the losses, without bias to its first value; float64."""
        average, found = 0.0, []
        for count, loss in enumerate(self.losses, 1):
            average = _SMOOTHING * average + (1 - _SMOOTHING) * loss
            found.append(average / (1 - _SMOOTHING**count))
        return np.array(found)

    @property
    def lowest(self) -> int:
        """The place of the lowest smoothed loss after the first rates, whose average is of few losses."""
        return _FIRST_STEPS + int(np.argmin(self.smoothed[_FIRST_STEPS:]))

    @property
    def has_diverged(self) -> bool:
        """Whether the smoothed loss is so far above its lowest value that higher rates are useless."""
        last, lowest = self.smoothed[-1], self.smoothed.min()
        return len(self.losses) > _LEAST_STEPS and last > lowest + _DIVERGED * abs(lowest)

    @property
    def suggestion(self) -> float | None:
        """A tenth of the rate with the lowest smoothed loss, to one digit; None if no rate lowers the loss.

        A decrease counts if it exceeds the standard deviation of the losses at the first rates.
        """
        first = np.array(self.losses[:_FIRST_STEPS])
        if self.smoothed[self.lowest] >= first.mean() - first.std():
            return None
        return float(f'{self.rates[self.lowest] / _MARGIN:.0e}')


class _RangeTestHook(tf.train.SessionRunHook):
    """Feeds the learning rate of each step, and notes the loss.

    Args:
      updates: from the lowest to the highest rate.
      batches: that make up an update.
      model: its name, for the error.
    """

    def __init__(self, updates: int, batches: int, model: str) -> None:
        self._all_rates = np.geomspace(LOWEST, HIGHEST, updates).tolist()
        self._batches, self._model = batches, model
        self._sums: list[float] = []
        self._counts: list[int] = []
        self._step = 0
        self._progress = Progress('Trying learning rates')

    @property
    def result(self) -> RangeTest:
        """What was found so far; of updates whose loss is finite."""
        means = [total / count for total, count in zip(self._sums, self._counts, strict=True)]
        end = next((n for n, mean in enumerate(means) if not math.isfinite(mean)), len(means))
        return RangeTest(self._all_rates[:end], means[:end])

    def begin(self) -> None:
        """Looks up the learning rate and the loss."""
        rates = tf.get_collection(keys.LEARNING_RATE)
        if len(rates) != 1:
            raise FlagError(
                f'--model={self._model} has no single learning rate, which --find_learning_rate looks for.'
            )
        (self._rate,) = rates
        self._loss = tf.get_collection(tf.GraphKeys.LOSSES)[-1]
        doing('trying learning rates')

    def before_run(self, run_context: Any) -> Any:
        """Feeds the rate in place of the schedule's."""
        rate = self._all_rates[min(self._step // self._batches, len(self._all_rates) - 1)]
        return tf.train.SessionRunArgs(self._loss, {self._rate: rate})

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Notes the loss; ends once it has diverged."""
        if self._step % self._batches == 0:
            self._sums.append(0.0)
            self._counts.append(0)
        self._sums[-1] += float(run_values.results)
        self._counts[-1] += 1
        self._step += 1
        done, updates = len(self._sums), len(self._all_rates)
        self._progress(f'{done} of {updates} rates', done / updates)
        if not math.isfinite(self._sums[-1]) or self.result.has_diverged:
            run_context.request_stop()

    def end(self, session: Any) -> None:
        """Clears the progress line."""
        self._progress.close()


def find_learning_rate(settings: Settings, say: Say, updates: int = _STEPS) -> RangeTest:
    """Trains with increasing learning rates, in a temporary folder that is removed.

    Starts from new weights, or those of --warm_start, as a new run does. Neither reads nor writes model_dir.

    Args:
      settings: of the run; its length, and what it saves, have no effect.
      say: shows one line to the user.
      updates: of the weights, each with a rate of its own.

    Raises:
      FlagError: the model has no learning rate of its own, or needs pre-training or several processes.
      DataError: the data can't be read or trained on.
      LabError: the loss is not a number from the beginning, or no rate lowers it.
      Interrupted: the user stopped it.
    """
    with tempfile.TemporaryDirectory(prefix='estimator_lab_') as folder:
        steps = updates * settings.accumulate
        changes: dict[str, Any] = {'model_dir': Path(folder, 'run'), 'max_steps': steps, 'epochs': None}
        # A list of bad images in the temporary folder would be of no use: training reports them.
        experiment = Experiment(dataclasses.replace(settings, **changes, max_bad_fraction=1.0), say)
        _check(experiment)
        hook = _RangeTestHook(updates, settings.accumulate, settings.model)
        _train(experiment, hook, steps)
    found = hook.result
    if len(found.losses) < _LEAST_STEPS:
        raise LabError(
            f'The loss is not a number, or the data ended, after {len(found.losses)} steps: too few '
            'to compare learning rates.'
        )
    return found


def _check(experiment: Experiment) -> None:
    run = experiment.run
    if run.role.cluster or run.role.strategy:
        raise FlagError('--find_learning_rate takes one process and one device: leave out --distribution.')
    if run.params.optimizer in SECOND_ORDER:
        raise FlagError(f'--find_learning_rate: {run.params.optimizer} has no learning rate.')
    if len(experiment.trainers) > 1:
        raise FlagError(
            '--find_learning_rate takes a run without pre-training: give --hparams=pretrain_epochs=0 as well.'
        )


def _train(experiment: Experiment, hook: _RangeTestHook, steps: int) -> None:
    (trainer,), run, switch = experiment.trainers, experiment.run, StopSwitch()
    trainer.prepare_folder()
    warm_start = experiment.warm_start.settings if experiment.warm_start else None
    estimator = tf.estimator.Estimator(
        run.model.model_fn,
        # Without the longer warm-up, which would lower the rates of some layers in each of these few steps.
        params={**trainer.estimator.params, 'warmup_inputs': 0},
        config=trainer.estimator.config.replace(save_checkpoints_steps=None, save_checkpoints_secs=None),
        warm_start_from=warm_start,
    )
    with switch.listening(), tensorflow_errors_as_sentences(switch.check):
        doing('building the graph', plain=True)
        try:
            estimator.train(trainer.train_input_fn(), [StopTrainingHook(switch), hook], max_steps=steps)
        except tf.train.NanLossDuringTrainingError:
            hook.end(None)  # a rate that is too high, after those that are not
        switch.check()
    trainer.raise_input_error()
