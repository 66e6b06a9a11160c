"""Where, when and whether a model function draws summaries for TensorBoard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from estimator_lab.tf1 import RunConfig, SessionRunHook, tf

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
    """Chooses the steps to draw at: the first, then whenever their number has doubled or grown by `apart`.

    A short run gets pictures, and a long one no more than with regular intervals.
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


class Drawing(NamedTuple):
    """Summaries that take long to draw, outside the graph.

    Attributes:
      fetches: tensors, in any structure that a session can run.
      draw: their values -> the summaries, `tf.Summary.Value` each.
    """

    fetches: Any
    draw: Callable[[Any], Sequence[Any]]


class DrawingHook(tf.train.SessionRunHook):
    """Draws and writes summaries of some training steps, at the times of a `DoublingTimer`."""

    def __init__(self, drawings: Sequence[Drawing], display: Display) -> None:
        self._drawings = drawings
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
        return tf.train.SessionRunArgs([d.fetches for d in self._drawings]) if self._is_due else None

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Writes the summaries."""
        if self._is_due:
            # Fetched with the update, the step could be either the old or the new one.
            step = run_context.session.run(self._global_step)
            drawn = zip(self._drawings, run_values.results, strict=True)
            values = [value for drawing, found in drawn for value in drawing.draw(found)]
            self._writer.add_summary(tf.Summary(value=values), step)


def drawing_hooks(draw: Callable[[], Sequence[Drawing]], display: Display | None) -> list[SessionRunHook]:
    """Returns the hook of some drawings; without a display none, and `draw` is not called."""
    return [DrawingHook(draw(), display)] if display else []


def write_values(session: Any, folder: Path, values: Sequence[Any]) -> None:
    """Writes `tf.Summary.Value`s at the current global step; for hooks, at the end of an evaluation."""
    step = session.run(tf.train.get_global_step())
    tf.summary.FileWriterCache.get(str(folder)).add_summary(tf.Summary(value=values), step)
