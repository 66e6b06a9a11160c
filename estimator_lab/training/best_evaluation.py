"""The headline metric over the evaluations of a run, as its event files tell it: a restart forgets none."""

from pathlib import Path

from estimator_lab.models.registry import Model
from estimator_lab.tf1 import tf


class BestEvaluation:
    """What the evaluations of a run were worth.

    Args:
      model_dir: the run's folder.
      model: names the metric, and says which values of it are the better ones.
    """

    def __init__(self, model_dir: Path, model: Model) -> None:
        self._folder = model_dir / 'eval'  # Estimator's name for it
        self._model = model

    def by_step(self) -> dict[int, float]:
        """Returns the metric by global step, in the order of the steps; the last value of a step counts."""
        found = {}
        for path in sorted(self._folder.glob('events.out.tfevents.*')):
            for event in tf.train.summary_iterator(str(path)):
                for value in event.summary.value:
                    if value.tag == self._model.headline and value.HasField('simple_value'):
                        found[event.step] = value.simple_value
        return dict(sorted(found.items()))

    def best_step(self) -> int | None:
        """Returns the step of the best evaluation, the first of equals; None before the first one."""
        found = self.by_step()
        best = max if self._model.higher_is_better else min
        return best(found, key=found.__getitem__) if found else None

    def since_best(self) -> int:
        """Returns how many evaluations came after the best one."""
        best = self.best_step()
        return 0 if best is None else sum(step > best for step in self.by_step())
