"""Session hooks: progress on the screen, examples per second, a timeline."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from estimator_lab.console.progress import StatusLine, clock
from estimator_lab.core import keys
from estimator_lab.tf1 import tf

_TERMINAL_SECONDS = 0.5
_PLAIN_SECONDS = 10.0


class Pauses:
    """How long training stood still for evaluations, in which it is not slow.

    Attributes:
      seconds: so far.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began: float | None = None

    def begin(self) -> None:
        """An evaluation begins; said twice of one, the first counts."""
        if self._began is None:
            self._began = time.monotonic()

    def end(self) -> None:
        """It has ended, or nothing had begun."""
        if self._began is not None:
            self.seconds += time.monotonic() - self._began
            self._began = None


class PauseHook(tf.train.SessionRunHook):
    """Has an evaluation count as a pause of training; whoever takes its results says that it has ended."""

    def __init__(self, pauses: Pauses) -> None:
        self._pauses = pauses

    def begin(self) -> None:
        self._pauses.begin()


class EvaluationProgressHook(tf.train.SessionRunHook):
    """Shows how far an evaluation has come.

    Args:
      batch_size: examples in a step.
      total: examples in all; None where nobody knows.
      noun: what people call them.
      stream: where it goes; None is standard output.
    """

    def __init__(self, batch_size: int, total: int | None, noun: str, stream: TextIO | None = None) -> None:
        self._batch_size = batch_size
        self._total = total
        self._noun = noun
        self._stream = stream

    def begin(self) -> None:
        self._status = StatusLine(self._stream, _TERMINAL_SECONDS, _PLAIN_SECONDS)
        self._seen = 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._seen += self._batch_size
        if self._status.is_due():
            seen = self._seen if self._total is None else min(self._seen, self._total)
            of = '' if self._total is None else f' of {self._total:,}'
            self._status.show(f'evaluating {seen:,}{of} {self._noun}')

    def end(self, session: Any) -> None:
        self._status.close()


class SpeedHook(tf.train.SessionRunHook):
    """Writes steps per second and examples per second.

    It takes the place of Estimator's own StepCounterHook, which reads the global step beside the update and
    warns, wrongly, that it stands still whenever a few quick steps are read too early.

    Args:
      batch_size: examples in a step.
      every_n_steps: steps between two summaries.
      output_dir: where the summaries go.
      pauses: the time in which nothing was to be trained.
    """

    def __init__(self, batch_size: int, every_n_steps: int, output_dir: str, pauses: Pauses) -> None:
        self._pauses = pauses
        self._paused = 0.0
        self._batch_size = batch_size
        self._timer = tf.train.SecondOrStepTimer(every_steps=every_n_steps)
        self._output_dir = output_dir

    def begin(self) -> None:
        self._global_step = tf.train.get_global_step()
        self._writer = tf.summary.FileWriterCache.get(self._output_dir)

    def before_run(self, run_context: Any) -> Any:
        return tf.train.SessionRunArgs(self._global_step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        step = run_values.results
        if not self._timer.should_trigger_for_step(step):
            return
        seconds, steps = self._timer.update_last_triggered_step(step)
        paused, self._paused = self._pauses.seconds - self._paused, self._pauses.seconds
        if seconds and seconds > paused:
            seconds -= paused
            self._write(step, keys.STEPS_PER_SECOND, steps / seconds)
            self._write(step, keys.EXAMPLES_PER_SECOND, steps / seconds * self._batch_size)

    def _write(self, step: int, tag: str, rate: float) -> None:
        value = tf.Summary.Value(tag=tag, simple_value=rate)
        self._writer.add_summary(tf.Summary(value=[value]), step)


class ProfileHook(tf.train.SessionRunHook):
    """Writes timelines of a few early steps, for Chrome's viewer (chrome://tracing, or ui.perfetto.dev).

    It is TensorFlow's ProfilerHook, which would go on to the last step, and whose traces slow each one down.

    Args:
      folder: where they go, as timeline-STEP.json.
      say: is told where they are.
    """

    _EVERY = 5
    _STEPS = 16  # of which three are traced

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._left = self._STEPS

    def begin(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._profiler = tf.train.ProfilerHook(self._EVERY, output_dir=str(self._folder))
        self._profiler.begin()

    def before_run(self, run_context: Any) -> Any:
        return self._profiler.before_run(run_context) if self._left else None

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if not self._left:
            return
        self._profiler.after_run(run_context, run_values)
        self._left -= 1
        if not self._left:
            self._tell()

    def end(self, session: Any) -> None:
        if self._left:
            self._tell()

    def _tell(self) -> None:
        if any(self._folder.glob('timeline-*.json')):
            self._say(
                f'Profile          {self._folder}/timeline-*.json, for chrome://tracing or ui.perfetto.dev'
            )


class ProgressHook(tf.train.SessionRunHook):
    """Shows step, loss, speed and time left: one line rewritten on a terminal, plain lines elsewhere.

    Args:
      max_steps: the step at which training ends.
      batch_size: examples in a step.
      pauses: the time in which nothing was to be trained.
      stream: where the lines go; None is standard output.
    """

    def __init__(self, max_steps: int, batch_size: int, pauses: Pauses, stream: TextIO | None = None) -> None:
        self._max_steps = max_steps
        self._pauses = pauses
        self._batch_size = batch_size
        self._stream = stream

    def begin(self) -> None:
        # Estimator puts the loss of its EstimatorSpec behind those that the model function collected.
        loss = tf.get_collection(tf.GraphKeys.LOSSES)[-1]
        self._fetches = {'step': tf.train.get_global_step(), 'loss': loss}

    def after_create_session(self, session: Any, coord: Any) -> None:
        self._status: StatusLine | None = None
        self._shown_at, self._shown_step = 0.0, 0

    def before_run(self, run_context: Any) -> Any:
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        # The fetched step may be read before or after it is counted: one off, and good enough to show.
        step, now = int(run_values.results['step']), time.monotonic() - self._pauses.seconds
        if self._status is None:
            self._status = StatusLine(self._stream, _TERMINAL_SECONDS, _PLAIN_SECONDS)
        elif self._status.is_due():
            rate = (step - self._shown_step) / max(now - self._shown_at, 1e-9)
            self._status.show(self._line(step, run_values.results['loss'], rate))
        else:
            return
        self._shown_at, self._shown_step = now, step

    def end(self, session: Any) -> None:
        if self._status:
            self._status.close()

    def _line(self, step: int, loss: float, rate: float) -> str:
        left = max(self._max_steps - step, 0) / rate if rate else 0
        return (
            f'step {step:>{len(str(self._max_steps))}}/{self._max_steps}  loss {loss:.4f}  '
            f'{clock(left)} left  {rate:.1f} steps/s  {rate * self._batch_size:,.0f} examples/s'
        )
