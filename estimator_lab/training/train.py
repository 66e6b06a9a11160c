"""Trains a plan: locks its folder, hears signals, and turns TensorFlow's errors into sentences."""

import atexit
import contextlib
import functools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import LabError, hparam, option
from estimator_lab.base.files import listed
from estimator_lab.base.interrupts import Interrupted, StopSwitch
from estimator_lab.base.keys import RECORD
from estimator_lab.base.outputs import locked, made_folder
from estimator_lab.runs.safe_paths import newest_checkpoint
from estimator_lab.runs.tensorflow_errors import tensorflow_errors_as_sentences
from estimator_lab.runs.weights.checkpoint import all_finite
from estimator_lab.tf1 import close_event_files, deterministic_operations, tf
from estimator_lab.training.plan import Plan
from estimator_lab.training.stage_training import StageTraining
from estimator_lab.training.stages import Stage, saved_step


@dataclass(frozen=True)
class Result:
    """The result of a training run.

    Attributes:
      metrics: the last evaluation's, by name, with 'global_step'; empty if the run was interrupted, or if
        another process of the cluster evaluates.
      pretrained: the same of the phase before the last one; empty if it was not trained in this run.
      evaluated_on: examples in the evaluation data; 0 if unknown.
      on_unseen: whether they differ from training's.
      checkpoint: path of the newest checkpoint.
      step: its global step.
      max_steps: the global step at which training ends.
      signal: number of the signal by which the user stopped it; 0 if it was not stopped.
      stopped_early: whether --early_stopping ended it before `max_steps`.
      bad_images: different images of --data that could not be decoded.
    """

    metrics: Mapping[str, float]
    pretrained: Mapping[str, float]
    evaluated_on: int
    on_unseen: bool
    checkpoint: str
    step: int
    max_steps: int
    signal: int
    stopped_early: bool
    bad_images: int

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped it."""
        return bool(self.signal)


def train(plan: Plan) -> Result:
    """Trains from the newest checkpoint to the last step, evaluating at each checkpoint.

    In a cluster, does the part of this process, and returns when training has ended. With --deterministic,
    TensorFlow's operations are deterministic in the whole process until then.

    Raises:
      FlagError: another process trains in model_dir, or it can't be written.
      DataError: the data can't be read to its end; what was learned before has been saved.
      LabError: TensorFlow fails, in one sentence; or the rest of a cluster is gone.
    """
    _close_event_files_at_exit()
    switch = StopSwitch()
    switch.may_leave = not plan.cluster.tasks
    metrics: Mapping[str, float] = {}
    pretrained: Mapping[str, float] = {}
    said: set[tuple[str, str, str]] = set()
    trainings = [StageTraining(plan, stage, switch, said) for stage in plan.stages]
    with (
        _silent_event_files(),
        _closing_event_files(plan.settings.model_dir),
        _alone(plan),
        deterministic_operations() if plan.settings.deterministic else contextlib.nullcontext(),
    ):
        try:
            # Errors after another worker of the cluster was stopped count as a stop: hence the check.
            folder, what_next = plan.settings.model_dir, functools.partial(_begin_anew, plan)
            with switch.listening(), tensorflow_errors_as_sentences(switch.check, folder, what_next):
                # The last one evaluates even if all are finished.
                first = next((n for n, training in enumerate(trainings) if not training.is_finished), -1)
                for training in trainings[first:]:
                    if len(trainings) > 1 and not training.is_finished:
                        plan.say(f'Phase            {training.stage}')
                    pretrained, metrics = metrics, training.run()
                    switch.check()
        except Interrupted:
            metrics = {}
    for training in trainings:
        training.train_report.raise_error()
    step = newest_step(plan)
    return Result(
        metrics=metrics,
        pretrained=pretrained,
        evaluated_on=plan.inputs.evaluation.total or 0,
        on_unseen=plan.inputs.unseen,
        checkpoint=_newest_checkpoint(plan),
        step=step,
        max_steps=plan.max_steps,
        signal=switch.number,
        stopped_early=step < plan.max_steps and trainings[-1].is_finished,
        bad_images=len(set().union(*(training.train_report.known for training in trainings))),
    )


def newest_step(plan: Plan) -> int:
    """Returns the newest checkpoint's global step; 0 without one.

    Raises:
      DataError: the checkpoint is damaged.
    """
    return max(saved_step(stage.folder) or 0 for stage in plan.stages)


@contextlib.contextmanager
def _alone(plan: Plan) -> Iterator[None]:
    """Locks model_dir against other runs; makes it, and leaves nothing there if no step is taken."""
    if plan.cluster.tasks:
        yield
        return
    folder = plan.settings.model_dir
    busy = (
        f'{option.model_dir}={folder} is being trained in by another process: wait for it, or name another.'
    )
    with made_folder('model_dir', folder), locked(folder, busy):
        try:
            yield
        except (LabError, MemoryError, OSError):
            for stage in plan.stages:
                _forget_first_checkpoint(stage)
            raise


def _forget_first_checkpoint(stage: Stage) -> None:
    """Removes the checkpoint and the record of a new phase that has taken no step.

    It would bind the next start to settings with which this one has failed.
    """
    folder, first = stage.folder, stage.first_step
    if stage.saved is not None or stage.previous is not None or (saved_step(folder) or 0) > first:
        return
    names = ('checkpoint', RECORD, 'graph.pbtxt', f'model.ckpt-{first}.*')
    for path in (path for name in names for path in listed(folder, name)):
        path.unlink(missing_ok=True)


def _begin_anew(plan: Plan) -> str:
    """Returns what to do after a loss of NaN, which the weights of a checkpoint may have caused."""
    rate = f'a smaller {hparam.learning_rate}=...'
    if not newest_step(plan):  # nothing of this start is kept
        return f'Give {rate}'
    checkpoint = _newest_checkpoint(plan)
    if all_finite(checkpoint):
        return f'{checkpoint} is intact: go on from it with {rate}'
    return f'Start again with {rate}, and another {option.model_dir}.'


def _newest_checkpoint(plan: Plan) -> str:
    """Returns the newest checkpoint of the last phase that has one, '' without any."""
    saved = [newest_checkpoint(stage.folder) for stage in plan.stages]
    return next(filter(None, reversed(saved)), '')


@functools.cache
def _close_event_files_at_exit() -> None:
    """Makes the end of the process, also by `interrupts.leave`, write what event files still buffer."""

    def close() -> None:
        with contextlib.suppress(Exception), _silent_event_files():  # of a full disk, which has been reported
            tf.summary.FileWriterCache.clear()

    atexit.register(close)


@contextlib.contextmanager
def _closing_event_files(folder: Path) -> Iterator[None]:
    """Closes a run's event files at the end: it may be deleted, and trained anew in this process."""
    try:
        yield
    finally:
        with contextlib.suppress(Exception):  # of a full disk, which has been reported
            close_event_files(folder)


@contextlib.contextmanager
def _silent_event_files() -> Iterator[None]:
    """Hides the tracebacks that threads of event files show if the disk is full: an error says that."""
    show = threading.excepthook

    def show_others(raised: Any) -> None:
        if type(raised.thread).__name__ != '_EventLoggerThread':
            show(raised)

    threading.excepthook = show_others
    try:
        yield
    finally:
        threading.excepthook = show
