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


class SpeedHook(tf.train.SessionRunHook):
    """Writes steps per second and examples per second.

    It takes the place of Estimator's own StepCounterHook, which reads the global step beside the update and
    warns, wrongly, that it stands still whenever a few quick steps are read too early.

    Args:
      batch_size: examples in a step.
      every_n_steps: steps between two summaries.
      output_dir: where the summaries go.
    """

    def __init__(self, batch_size: int, every_n_steps: int, output_dir: str) -> None:
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
        if seconds:
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
      stream: where the lines go; None is standard output.
    """

    def __init__(self, max_steps: int, batch_size: int, stream: TextIO | None = None) -> None:
        self._max_steps = max_steps
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
        step, now = int(run_values.results['step']), time.monotonic()
        if self._status is None:
            self._status = StatusLine(self._stream, _TERMINAL_SECONDS, _PLAIN_SECONDS)
        elif self._status.is_due():
            rate = (step - self._shown_step) / (now - self._shown_at)
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
            f'{rate:.1f} steps/s  {rate * self._batch_size:,.0f} examples/s  {clock(left)} left'
        )
