"""Session hooks: progress, stopping, the table of layers, hyper-parameters, and durable checkpoints."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator_lab.base.files import listed, sync, sync_folder
from estimator_lab.base.interrupts import StopSwitch
from estimator_lab.base.progress import Progress, clock, doing
from estimator_lab.core import keys
from estimator_lab.core.layer_sizes import layer_sizes, summary_lines
from estimator_lab.data.archives.opened import Say
from estimator_lab.runs.record import Record, write_record
from estimator_lab.tf1 import Session, SessionRunArgs, SessionRunContext, SessionRunValues, tf
from estimator_lab.training.watch import Watch

_UPDATES = 10  # of the progress line, whose speed is shown


@dataclass(eq=False)
class StopTrainingHook(tf.train.SessionRunHook):
    """Ends training after the current step, so that a checkpoint is saved, once it should.

    Attributes:
      switch: asks to stop.
      watch: is told how far training is.
      is_enough: returns whether the evaluations so far end training early; asked after each step.
      follows: whether this process goes on with its steps after a signal, because the chief, which may have
        been told to stop as well, can't end a synchronous step without it. The chief's last step ends it.
    """

    switch: StopSwitch
    watch: Watch
    is_enough: Callable[[], bool] = lambda: False
    follows: bool = False

    def begin(self) -> None:
        """Raises Interrupted if the switch is on."""
        self.switch.check()

    def before_run(self, run_context: SessionRunContext) -> None:
        """Lets signals wait for the end of the step."""
        self.switch.may_leave = False
        self.watch.has_begun = True

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Requests the end if the switch is on, or the evaluations are enough."""
        if (self.switch.on and not self.follows) or self.is_enough():
            run_context.request_stop()

    def end(self, session: Session) -> None:
        """Notes that the last step has been taken."""
        self.watch.is_over = True


@dataclass(eq=False)
class ProgressHook(tf.train.SessionRunHook):
    """Shows step, loss, speed and time left, and writes summaries of steps and examples per second.

    Speed and time left are of the last few updates since the last evaluation. The summaries replace
    those of Estimator's StepCounterHook, which may read the global step before it is updated and then warns,
    wrongly, that it did not increase.

    Summaries are written to `output_dir` every `every_n_steps` steps.
    """

    max_steps: int
    batch_size: int
    every_n_steps: int
    output_dir: str
    say: Say
    last_loss: float | None = None

    def begin(self) -> None:
        """Looks up the loss, and opens the summary writer."""
        # Estimator appends the loss of its EstimatorSpec to the losses that the model function collected.
        loss = tf.get_collection(tf.GraphKeys.LOSSES)[-1]
        self._fetches = {'step': tf.train.get_global_step(), 'loss': loss}
        self._writer = tf.summary.FileWriterCache.get(self.output_dir)
        self._last_step = 0
        self.restart()

    def after_create_session(self, session: Session, coord: Any) -> None:
        """Says how many steps are lost, if this session replaces one whose parameter server is gone."""
        step = int(session.run(self._fetches['step']))
        if step < self._last_step:
            self.say(
                f'Back from step {self._last_step} to {step}, of the newest checkpoint: a parameter server '
                'was lost, and its weights with it.'
            )
        self._last_step = step

    def restart(self) -> None:
        """Forgets the steps so far, after an evaluation, whose time does not count."""
        self._timer = tf.train.SecondOrStepTimer(every_steps=self.every_n_steps)
        self._status: Progress | None = None
        self._updates: deque[tuple[float, int]] = deque(maxlen=_UPDATES)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Requests the global step and the loss."""
        if self._status is None:
            doing('training')
            self._status = Progress(show_line=self.say)
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Shows the progress, and writes the two rates every `every_n_steps` steps."""
        # The step may be read before or after its update: off by one is good enough for the summaries.
        step = self._last_step = int(run_values.results['step'])
        self.last_loss = float(run_values.results['loss'])
        if self._timer.should_trigger_for_step(step):
            self._write_rates(step)
        if self._status is None or (self._updates and not self._status.is_due()):
            return
        step = int(run_context.session.run(self._fetches['step']))
        self._updates.append((time.monotonic(), step))
        if len(self._updates) > 1:
            self._status.show(self._line(step, run_values.results['loss']))

    def end(self, session: Session) -> None:
        """Clears the progress line."""
        if self._status:
            self._status.close()

    def _write_rates(self, step: int) -> None:
        seconds, steps = self._timer.update_last_triggered_step(step)
        if seconds:
            rate = steps / seconds
            rates = {keys.STEPS_PER_SECOND: rate, keys.EXAMPLES_PER_SECOND: rate * self.batch_size}
            values = [tf.Summary.Value(tag=tag, simple_value=value) for tag, value in rates.items()]
            self._writer.add_summary(tf.Summary(value=values), step)

    def _line(self, step: int, loss: float) -> str:
        (start, first), (now, last) = self._updates[0], self._updates[-1]
        rate = (last - first) / max(now - start, 1e-9)
        left = f'{clock(max(self.max_steps - step, 0) / rate)} left  ' if rate else ''
        return (
            f'step {step:>{len(str(self.max_steps))}}/{self.max_steps}  loss {loss:.4f}  '
            f'{left}{rate:.1f} steps/s  {rate * self.batch_size:,.0f} examples/s'
        )


@dataclass(eq=False)
class EvaluationHook(tf.train.SessionRunHook):
    """Shows the progress of an evaluation; leaves it when the switch is on.

    Half an evaluation must not be recorded as one: hence Interrupted rather than an early end.

    Attributes:
      progress: of training, which an evaluation interrupts; None where another process trains.
      total: examples in all, `noun`; None if unknown.
    """

    switch: StopSwitch
    progress: ProgressHook | None
    batch_size: int
    total: int | None
    noun: str
    say: Say

    def begin(self) -> None:
        """Raises Interrupted if the switch is on."""
        self.switch.check()
        self._status = Progress(show_line=self.say)
        self._seen = 0

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Shows the progress; raises Interrupted if the switch is on."""
        self.switch.check()
        self._seen += self.batch_size
        if self._status.is_due():
            seen = self._seen if self.total is None else min(self._seen, self.total)
            of = '' if self.total is None else f' of {self.total:,}'
            self._status.show(f'evaluating {seen:,}{of} {self.noun}')

    def end(self, session: Session) -> None:
        """Clears the progress line; raises Interrupted if the switch is on."""
        self._status.close()
        self.switch.check()  # else an input that the signal has ended would count as whole
        self.switch.may_leave = False
        if self.progress:
            self.progress.restart()


@dataclass(eq=False)
class LayersHook(tf.train.SessionRunHook):
    """Shows a table of the network's layers, whose graph is there by now."""

    say: Say

    def begin(self) -> None:
        """Shows the table."""
        layers = layer_sizes(tf.get_default_graph(), tf.trainable_variables())
        for line in ('', *summary_lines(layers), ''):
            self.say(line)


@dataclass(eq=False)
class HparamsHook(tf.train.SessionRunHook):
    """Writes a run's row in the table of TensorBoard's HPARAMS page.

    The page adds all scalars of the same folder as metrics. The row goes to the folder of the evaluations:
    in the folder that TensorBoard was started with, the page would ignore folders below it.

    Attributes:
      values: by name; anything but bool, int, float and str is shown as text.
      output_dir: the folder of event files of the run's evaluations.
    """

    values: Mapping[str, Any]
    name: str
    output_dir: str

    def begin(self) -> None:
        """Writes the row."""
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        values = {name: _shown(value) for name, value in self.values.items()}
        row = hparams_pb(values, trial_id=self.name).SerializeToString()
        # TensorBoard has a class of its own for the same message.
        tf.summary.FileWriterCache.get(self.output_dir).add_summary(tf.Summary.FromString(row), 0)


def _shown(value: Any) -> bool | float | str:
    if value in ('', None, ()):
        return 'none'
    return value if isinstance(value, bool | int | float | str) else str(value)


@dataclass(eq=False)
class CheckpointListener(tf.train.CheckpointSaverListener):
    """Writes experiment.json with the first checkpoint, and syncs each to the disk, as TensorFlow does not.

    So a start that fails before its first checkpoint changes nothing.

    Attributes:
      record: what experiment.json will say; None once it is written, and for a process that writes none.
    """

    folder: Path
    record: Record | None = None

    def before_save(self, session: Session, global_step_value: int) -> None:
        """Writes the record, once: a checkpoint is never without it."""
        if self.record:
            write_record(self.folder, self.record)
            self.record = None

    def after_save(self, session: Session, global_step_value: int) -> None:
        """Syncs the files of the checkpoint, then the list of checkpoints, then the folder."""
        for path in (*listed(self.folder, f'model.ckpt-{global_step_value}.*'), self.folder / 'checkpoint'):
            with path.open('rb') as file:
                sync(file)
        sync_folder(self.folder)
