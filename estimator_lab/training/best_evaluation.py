"""The primary metric over the evaluations of a run, as its event files tell it: a restart forgets none."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from estimator_lab.core.display.drawing import EVALUATION
from estimator_lab.core.display.phase_summaries import tag_in
from estimator_lab.core.model import Task
from estimator_lab.core.phases import FINAL
from estimator_lab.runs.event_files import scalars_in


class BestEvaluation:
    """What the evaluations of a run were worth.

    Args:
      model_dir: the run's folder.
      task: names the metric, and says which values of it are the better ones.
      say: shows one line to the user: of each file that can't be read to its end, once.
      phase: name of the phase whose evaluations count; '' is the last.
    """

    def __init__(
        self, model_dir: Path, task: Task, say: Callable[[str], None] = print, phase: str = FINAL
    ) -> None:
        self._folder = model_dir / EVALUATION
        self._tag = tag_in(phase, task.primary_metric)
        self._task = task
        self._say = say
        self._damaged: set[Path] = set()

    def by_step(self) -> dict[int, float]:
        """Returns the metric by global step, in the order of the steps; the last value of a step counts."""
        found: dict[int, float] = {}
        for path in sorted(self._folder.glob('events.out.tfevents.*')):
            found.update(scalars_in(path, self._tag, partial(self._warn, path)))
        return dict(sorted(found.items()))

    def best_step(self) -> int | None:
        """Returns the step of the best evaluation, the first of equals; None before the first one."""
        found = self.by_step()
        best = max if self._task.higher_is_better else min
        return best(found, key=found.__getitem__) if found else None

    def since_best(self) -> int:
        """Returns how many evaluations came after the best one."""
        best = self.best_step()
        return 0 if best is None else sum(step > best for step in self.by_step())

    def _warn(self, path: Path, what: str) -> None:
        if path not in self._damaged:
            self._damaged.add(path)
            self._say(f'Warning: {str(path)!r} {what}: only the evaluations that can be read count.')
