"""Whether, where and how often a model function shows what only people look at."""

from dataclasses import dataclass
from pathlib import Path

from estimator_lab.tf1 import RunConfig

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
