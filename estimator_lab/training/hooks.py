"""Session hooks: progress on the screen, examples per second, stopping, a profile, hyper-parameters."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator_lab.base.activity import doing
from estimator_lab.base.progress import StatusLine, clock
from estimator_lab.core import keys
from estimator_lab.tf1 import tf
from estimator_lab.training.interrupt import StopSwitch

_UPDATES = 10  # of the progress line, whose speed is shown
_CHIEF_POLL_SECONDS = 1.0
_PROFILED_EVERY = 5
_PROFILED_STEPS = 16  # three of them are traced


class Pauses:
    """How long training has waited for evaluations, and the exports that follow them."""

    def __init__(self) -> None:
        self._ended = 0.0
        self._began: float | None = None

    @property
    def has_begun(self) -> bool:
        """Whether training is waiting now."""
        return self._began is not None

    @property
    def seconds(self) -> float:
        """The seconds of all pauses so far; they are left out of the speed of training."""
        return self._ended if self._began is None else self._ended + time.monotonic() - self._began

    def begin(self) -> None:
        """Starts a pause, unless one has started already."""
        if self._began is None:
            self._began = time.monotonic()

    def end(self) -> None:
        """Ends the pause, if one has started."""
        self._ended, self._began = self.seconds, None


@dataclass(eq=False)
class EvaluationHook(tf.train.SessionRunHook):
    """Shows the progress of an evaluation; leaves it when the switch is on.

    Half an evaluation must not be recorded as one: hence Interrupted rather than an early end.

    Attributes:
      switch: asks to stop.
      pauses: a pause of training starts with the evaluation; `ProgressHook` ends it at the next step.
      batch_size: examples in a step.
      total: examples in all; None if unknown.
      noun: what to call them.
    """

    switch: StopSwitch
    pauses: Pauses
    batch_size: int
    total: int | None
    noun: str

    def begin(self) -> None:
        """Starts the pause; raises Interrupted if the switch is on."""
        self.switch.check()
        self.pauses.begin()
        self._status = StatusLine()
        self._seen = 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Shows the progress; raises Interrupted if the switch is on."""
        self.switch.check()
        self._seen += self.batch_size
        if self._status.is_due():
            seen = self._seen if self.total is None else min(self._seen, self.total)
            of = '' if self.total is None else f' of {self.total:,}'
            self._status.show(f'evaluating {seen:,}{of} {self.noun}')

    def end(self, session: Any) -> None:
        """Clears the progress line; raises Interrupted if the switch is on."""
        self._status.close()
        doing('')
        self.switch.check()  # else an input that the signal has ended would count as whole
        self.switch.may_leave = False


class StopTrainingHook(tf.train.SessionRunHook):
    """Ends training after the current step, so that a checkpoint is saved, once it should.

    Args:
      switch: asks to stop.
      is_enough: returns whether the evaluations so far end training early; asked after each step.
      follows: whether this process goes on with its steps after a signal, because the chief, which may have
        been told to stop as well, can't end a synchronous step without it. `ClusterWatch` then ends it.

    Attributes:
      begun: whether a step has begun.
      over: whether the last step has been taken; the checkpoint may still be being written.
      waits: whether this process waits for the chief to write it.
    """

    waits = False

    def __init__(
        self, switch: StopSwitch, is_enough: Callable[[], bool] = lambda: False, follows: bool = False
    ) -> None:
        self._switch = switch
        self._is_enough = is_enough
        self._follows = follows
        self.begun = self.over = False

    def begin(self) -> None:
        """Raises Interrupted if the switch is on."""
        self._switch.check()

    def before_run(self, run_context: Any) -> None:
        """Lets signals wait for the end of the step."""
        self._switch.may_leave = False
        self.begun = True

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Requests the end if the switch is on, or the evaluations are enough."""
        if (self._switch.on and not self._follows) or self._is_enough():
            run_context.request_stop()

    def end(self, session: Any) -> None:
        """Notes that the last step has been taken."""
        self.over = True


class StopWorkerHook(StopTrainingHook):
    """Also ends an asynchronous worker, once the chief has saved the last step.

    Estimator's own hook would end it as soon as that step is taken. But a chief that was killed goes back to
    its newest checkpoint, and then needs the worker again.

    Args:
      switch: asks to stop.
      last_step: the global step at which training ends.
      finished: returns whether there is a checkpoint of it.
    """

    def __init__(self, switch: StopSwitch, last_step: int, finished: Callable[[], bool]) -> None:
        super().__init__(switch)
        self._last_step = last_step
        self._finished = finished

    def begin(self) -> None:
        """Looks up the global step."""
        super().begin()
        self._global_step = tf.train.get_global_step()

    def before_run(self, run_context: Any) -> Any:
        """Requests the global step."""
        super().before_run(run_context)
        return tf.train.SessionRunArgs(self._global_step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Waits after the last step."""
        super().after_run(run_context, run_values)
        # The step may be read before or after its update.
        self.waits = run_values.results + 1 >= self._last_step and self._is_last(run_context)
        while self.waits and not run_context.stop_requested:
            if self._switch.on or self._finished():
                run_context.request_stop()
            else:
                time.sleep(_CHIEF_POLL_SECONDS)
                self.waits = self._is_last(run_context)

    def _is_last(self, run_context: Any) -> bool:
        return bool(run_context.session.run(self._global_step) >= self._last_step)


@dataclass(eq=False)
class ProfileHook(tf.train.SessionRunHook):
    """Writes timelines of a few early steps, for Chrome's viewer (chrome://tracing, or ui.perfetto.dev).

    TensorFlow's ProfilerHook does the work; alone it would trace up to the last step, and traces are slow.

    Attributes:
      folder: of the files timeline-STEP.json.
      say: is told where they are.
    """

    folder: Path
    say: Callable[[str], None]

    def begin(self) -> None:
        """Makes the folder."""
        self._left = _PROFILED_STEPS
        self.folder.mkdir(parents=True, exist_ok=True)
        self._profiler = tf.train.ProfilerHook(_PROFILED_EVERY, output_dir=str(self.folder))
        self._profiler.begin()

    def before_run(self, run_context: Any) -> Any:
        """Requests a trace in some of the first steps."""
        return self._profiler.before_run(run_context) if self._left else None

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Writes the trace."""
        if self._left:
            self._profiler.after_run(run_context, run_values)
            self._left -= 1
            if not self._left:
                self._tell()

    def end(self, session: Any) -> None:
        """Says where the timelines are, if training ended early."""
        if self._left:
            self._tell()

    def _tell(self) -> None:
        if any(self.folder.glob('timeline-*.json')):
            self.say(
                f'Profile          {self.folder}/timeline-*.json, for chrome://tracing or ui.perfetto.dev'
            )


@dataclass(eq=False)
class ProgressHook(tf.train.SessionRunHook):
    """Shows step, loss, speed and time left, and writes summaries of steps and examples per second.

    The progress is one line rewritten on a terminal, plain lines elsewhere. Speed and time left are those of
    the last few updates, without pauses. The summaries replace those of Estimator's StepCounterHook, which
    may read the global step before it is updated and then warns, wrongly, that it did not increase.

    Attributes:
      max_steps: the step at which training ends.
      batch_size: examples in a step.
      pauses: time that does not count; a pause, with all exports that follow an evaluation, ends when the
        next step begins.
      every_n_steps: steps between two summaries.
      output_dir: folder of the summaries.
    """

    max_steps: int
    batch_size: int
    pauses: Pauses
    every_n_steps: int
    output_dir: str

    def begin(self) -> None:
        """Looks up the loss, and opens the summary writer."""
        # Estimator appends the loss of its EstimatorSpec to those that the model function collected.
        loss = tf.get_collection(tf.GraphKeys.LOSSES)[-1]
        self._fetches = {'step': tf.train.get_global_step(), 'loss': loss}
        self._writer = tf.summary.FileWriterCache.get(self.output_dir)
        self._timer = tf.train.SecondOrStepTimer(every_steps=self.every_n_steps)
        self._paused = self.pauses.seconds

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Starts anew."""
        self._status: StatusLine | None = None
        self._updates: deque[tuple[float, int]] = deque(maxlen=_UPDATES)

    def before_run(self, run_context: Any) -> Any:
        """Requests the global step and the loss; ends the pause."""
        self.pauses.end()
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Shows the progress, and writes the two rates every `every_n_steps` steps."""
        # The step may be read before or after its update: off by one is good enough for the summaries.
        step = int(run_values.results['step'])
        if self._timer.should_trigger_for_step(step):
            self._write_rates(step)
        if self.pauses.has_begun:  # the evaluation after this step has been reported
            return
        if self._status is None:
            doing('training')
            self._status = StatusLine()
        elif not self._status.is_due():
            return
        step = int(run_context.session.run(self._fetches['step']))
        self._updates.append((time.monotonic() - self.pauses.seconds, step))
        if len(self._updates) > 1:
            self._status.show(self._line(step, run_values.results['loss']))

    def end(self, session: Any) -> None:
        """Clears the progress line."""
        if self._status:
            self._status.close()

    def _write_rates(self, step: int) -> None:
        seconds, steps = self._timer.update_last_triggered_step(step)
        paused, self._paused = self.pauses.seconds - self._paused, self.pauses.seconds
        if seconds and seconds > paused:
            rate = steps / (seconds - paused)
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
class LossScaleHook(tf.train.SessionRunHook):
    """Reports the updates that loss scaling skips: the 1st, 2nd, 4th, 8th, ... at once, the total at the end.

    Attributes:
      say: shows one line to the user.
    """

    say: Callable[[str], None]

    def begin(self) -> None:
        """Looks up the states of the loss scales, and starts to count."""
        self._fetches = {
            'step': tf.train.get_global_step(),
            'states': tf.get_collection(keys.LOSS_SCALE),
        }
        self._skipped = 0

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Reads the loss scales with which training starts."""
        self._states = session.run(self._fetches['states'])

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Counts how often the step has halved a loss scale."""
        found = run_context.session.run(self._fetches)
        before, self._states = self._states, found['states']
        pairs = zip(before, self._states, strict=True)
        skipped = sum(_skipped_updates(*old, *new) for old, new in pairs)
        if not skipped:
            return
        was, self._skipped = self._skipped, self._skipped + skipped
        if was.bit_length() < self._skipped.bit_length():
            scales = ' and '.join(f'{scale:g}' for scale, _ in self._states)
            self.say(
                f'Step {found["step"]}: infinite gradients in float16, so the update was skipped; the loss '
                f'scale is {scales} now.'
            )

    def end(self, session: Any) -> None:
        """Reports the total."""
        if self._skipped > 1:
            self.say(f'Infinite gradients in float16 caused {self._skipped:,} updates to be skipped.')


def _skipped_updates(old_scale: float, old_good: float, scale: float, good: float) -> int:
    """Returns how many updates were skipped between two states of a loss scale."""
    if scale < old_scale:
        return round(math.log2(old_scale / scale))
    return int(scale == old_scale == 1 and good == old_good == 0)  # it falls no further


@dataclass(eq=False)
class HparamsHook(tf.train.SessionRunHook):
    """Writes a run's row in the table of TensorBoard's HPARAMS page.

    The page adds all scalars of the same folder as metrics. The row goes to the folder of the evaluations:
    in the folder that TensorBoard was started with, the page would ignore folders below it.

    Attributes:
      values: by name; anything but bool, int, float and str is shown as text.
      name: of the row.
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
