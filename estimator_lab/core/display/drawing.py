"""Where, when and whether a model function draws summaries for TensorBoard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator_lab.tf1 import RunConfig, SessionRunHook, Tensor, tf

_EVALUATOR = 'evaluator'

EVALUATION = 'eval'
"""The folder of evaluations within an Estimator's model_dir."""

_SUMMARIES_APART = 10  # summary steps between two sets of pictures, late in a run


@dataclass(frozen=True)
class Display:
    """Where a run's pictures go.

    Attributes:
      folder: the run's folder of event files.
      every_n_steps: training steps between two summaries.
    """

    folder: Path
    every_n_steps: int

    @property
    def evaluation_folder(self) -> Path:
        """Where Estimator writes the metrics of evaluations."""
        return self.folder / EVALUATION


def display_of(config: RunConfig | None) -> Display | None:
    """Returns where a run shows pictures; None if it shows none.

    Args:
      config: the run's configuration. Runs without summaries (save_summary_steps None or 0) show nothing; in
        a cluster, only chief and evaluator do. None shows nothing.
    """
    if config is None or not config.model_dir or not config.save_summary_steps:
        return None
    if not config.is_chief and config.task_type != _EVALUATOR:
        return None
    return Display(Path(config.model_dir), config.save_summary_steps)


class DoublingTimer:
    """Chooses the steps to draw at: the first, then whenever their number has doubled.

    A short run gets pictures, and a long one no more than with regular intervals.

    Args:
      apart: maximum number of steps between two drawings.
    """

    def __init__(self, apart: int) -> None:
        self._apart = apart
        self._next = 1

    def is_due(self, number: int) -> bool:
        """Returns whether to draw at a step, counted from 1 at the start of the process."""
        if number < self._next:
            return False
        self._next = number + min(number, self._apart)
        return True


class DrawingHook(tf.train.SessionRunHook):
    """Writes summaries of some training steps, at the times of a `DoublingTimer`.

    Args:
      fetches: tensors, in any structure that a session can run.
      draw: returns a `tf.Summary` of their values.
      display: where the summaries go.
    """

    def __init__(self, fetches: Any, draw: Callable[[Any], Any], display: Display) -> None:
        self._fetches = fetches
        self._draw = draw
        self._folder = str(display.folder)
        self._apart = _SUMMARIES_APART * display.every_n_steps

    def begin(self) -> None:
        """Starts to count steps."""
        self._timer = DoublingTimer(self._apart)
        self._number = 0
        self._global_step = tf.train.get_global_step()
        self._writer = tf.summary.FileWriterCache.get(self._folder)

    def before_run(self, run_context: Any) -> Any:
        """Fetches the tensors if drawing is due."""
        self._number += 1
        self._is_due = self._timer.is_due(self._number)
        return tf.train.SessionRunArgs(self._fetches) if self._is_due else None

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Writes the summary."""
        if self._is_due:
            # Fetched with the update, the step could be either the old or the new one.
            step = run_context.session.run(self._global_step)
            self._writer.add_summary(self._draw(run_values.results), step)


def drawing_hooks(draw: Callable[[], Sequence[Tensor]], display: Display | None) -> list[SessionRunHook]:
    """Returns a hook for summaries that take long to draw; no hook without a display.

    Args:
      draw: returns the serialised summaries, which are in no collection; not called without a display.
      display: where they go.
    """
    if display is None:
        return []
    return [DrawingHook(list(draw()), _merged, display)]


def _merged(summaries: Sequence[bytes]) -> Any:
    return tf.Summary(value=[value for one in summaries for value in tf.Summary.FromString(one).value])
