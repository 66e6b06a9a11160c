"""Where, when and whether a model function draws summaries for TensorBoard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator_lab.tf1 import RunConfig, SessionRunHook, Tensor, tf

_EVALUATOR = 'evaluator'

EVALUATION = 'eval'
"""Estimator's name for the folder of its evaluations."""


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
        """Where Estimator puts the metrics of its evaluations."""
        return self.folder / EVALUATION


def display_of(config: RunConfig | None) -> Display | None:
    """Returns where to show things; None where that is not wanted.

    Args:
      config: a run's configuration. A run without summaries (save_summary_steps None or 0) shows nothing; of
        the processes of a cluster only chief and evaluator do. None shows nothing: there is no run.
    """
    if config is None or not config.model_dir or not config.save_summary_steps:
        return None
    if not config.is_chief and config.task_type != _EVALUATOR:
        return None
    return Display(Path(config.model_dir), config.save_summary_steps)


SUMMARIES_APART = 10
"""Summary steps between two sets of pictures, late in a run."""


class DoublingTimer:
    """Says at which steps to draw: the first, then each time that their number has doubled.

    So that a short run has its pictures, and a long one no more than it had without.

    Args:
      apart: steps after which to draw in any case.
    """

    def __init__(self, apart: int) -> None:
        self._apart = apart
        self._next = 1

    def is_due(self, number: int) -> bool:
        """Returns whether to draw in the step of this number, counted from 1 at the start of the process."""
        if number < self._next:
            return False
        self._next = number + min(number, self._apart)
        return True


class DrawingHook(tf.train.SessionRunHook):
    """Writes summaries of some training steps, drawn from tensors of these.

    Args:
      fetches: tensors of a step, in any structure that a session can run.
      draw: makes a `tf.Summary` of their values.
      display: where the summaries go.
    """

    def __init__(self, fetches: Any, draw: Callable[[Any], Any], display: Display) -> None:
        self._fetches = fetches
        self._draw = draw
        self._folder = str(display.folder)
        self._apart = SUMMARIES_APART * display.every_n_steps

    def begin(self) -> None:
        self._timer = DoublingTimer(self._apart)
        self._number = 0
        self._global_step = tf.train.get_global_step()
        self._writer = tf.summary.FileWriterCache.get(self._folder)

    def before_run(self, run_context: Any) -> Any:
        self._number += 1
        self._is_due = self._timer.is_due(self._number)
        return tf.train.SessionRunArgs(self._fetches) if self._is_due else None

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if self._is_due:
            # Read now: beside the update, it may be that of before or of after.
            step = run_context.session.run(self._global_step)
            self._writer.add_summary(self._draw(run_values.results), step)


def drawing_hooks(draw: Callable[[], Sequence[Tensor]], display: Display | None) -> list[SessionRunHook]:
    """Returns the hook that writes summaries which take long to draw.

    Args:
      draw: returns them, serialised and of no collection; not called where none are wanted.
      display: where they go; None wants none.
    """
    if display is None:
        return []
    return [DrawingHook(list(draw()), _merged, display)]


def _merged(summaries: Sequence[bytes]) -> Any:
    return tf.Summary(value=[value for one in summaries for value in tf.Summary.FromString(one).value])
