"""The evaluations of a run: reported, compared, and exported (--export=best,latest,final)."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from estimator_lab.base.errors import FlagError
from estimator_lab.core.model import EVALUATION, Task
from estimator_lab.data.archives import Say
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.runs.event_files import scalars_in
from estimator_lab.runs.metrics_text import images_text, numbers_in, worth_showing
from estimator_lab.runs.record import link_model
from estimator_lab.tf1 import tf


class BestEvaluation:
    """The primary metric of all evaluations of a run, read from its event files, so that restarts count too.

    Args:
      folder: that of the phase whose evaluations count.
      task: names the metric and says whether higher is better.
      say: shows one line to the user: one for each file that can't be read to its end.
    """

    def __init__(self, folder: Path, task: Task, say: Say = print) -> None:
        self._folder = folder / EVALUATION
        self._tag = task.primary_metric
        self._best = max if task.higher_is_better else min
        self._say = say
        self._damaged: set[Path] = set()

    def by_step(self) -> dict[int, float]:
        """Returns the metric by global step, in the order of steps; of several at a step, the last.

        A metric that is not a number compares with none, and is left out.
        """
        found: dict[int, float] = {}
        for path in sorted(self._folder.glob('events.out.tfevents.*')):
            found.update(scalars_in(path, self._tag, partial(self._warn, path)))
        return {step: found[step] for step in sorted(found) if not math.isnan(found[step])}

    def best_step(self) -> int | None:
        """Returns the step of the best evaluation, the first of equals; None without evaluations."""
        found = self.by_step()
        return self._best(found, key=found.__getitem__) if found else None

    def since_best(self) -> int:
        """Returns the number of evaluations after the best one."""
        found = self.by_step()
        best = self._best(found, key=found.__getitem__, default=0)
        return sum(step > best for step in found)

    def _warn(self, path: Path, what: str) -> None:
        if path not in self._damaged:
            self._damaged.add(path)
            self._say(f'Warning: {str(path)!r} {what}: only the evaluations that can be read count.')


@dataclass(eq=False)
class EvaluationLog(tf.estimator.Exporter):
    """Reports the result of each evaluation; train_and_evaluate passes results to exporters only.

    Attributes:
      report: of the evaluation's input, whose error ends the run.
      is_stopped_early: returns whether the evaluations so far end training.
      last: the last evaluation's metrics, by name; empty before the first.
      is_enough: what `is_stopped_early` returned after it.
    """

    report: InputReport
    say: Say
    is_stopped_early: Callable[[], bool]
    last: Mapping[str, float] = field(default_factory=dict)
    is_enough: bool = False
    name = 'evaluation_log'

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> None:
        """Reports one evaluation; exports nothing."""
        self.report.raise_error()
        self.last = numbers_in(eval_result)
        shown = ', '.join(f'{name} {value:.4f}' for name, value in worth_showing(self.last))
        on = images_text(eval_result, self.report.epoch_size, self.report.kind.noun)
        self.is_enough = self.is_stopped_early()
        self.say(f'evaluated at step {eval_result["global_step"]}: {shown}; over {on}')


def make_exporters(
    names: Sequence[str], receiver: Callable[[], Any], evaluations: BestEvaluation
) -> list[Any]:
    """Returns exporters for `tf.estimator.EvalSpec`; each writes SavedModels to model_dir/export/NAME.

    Args:
      names: of 'best', 'latest' and 'final'.
      receiver: see `runs.serving.serving_input_receiver_fn`.
      evaluations: says which evaluation was the best.

    Raises:
      FlagError: for an unknown name.
    """
    makers = {
        'best': lambda: _BestExporter(evaluations, receiver),
        'latest': lambda: tf.estimator.LatestExporter('latest', receiver, exports_to_keep=1),
        'final': lambda: tf.estimator.FinalExporter('final', receiver),
    }
    for name in names:
        if name not in makers:
            raise FlagError(f'--export={name} is not allowed: one or more of {", ".join(makers)}.')
    return [makers[name]() for name in dict.fromkeys(names)]


def export_at_the_end(exporters: Sequence[Any], estimator: Any, metrics: Mapping[str, float]) -> None:
    """Runs the FinalExporter where training ended before its last step; Estimator does not."""
    for exporter in exporters:
        if isinstance(exporter, tf.estimator.FinalExporter):
            folder = Path(estimator.model_dir, 'export', exporter.name)  # as train_and_evaluate names it
            exporter.export(estimator, str(folder), estimator.latest_checkpoint(), metrics, True)


class _BestExporter(tf.estimator.BestExporter):
    """Exports the best of all evaluations of a run, restarts included, and keeps its checkpoint.

    After a restart, Estimator's own exporter replaces the best export by whatever is evaluated first. The
    checkpoint is kept in the export's folder `model_dir`, which can be evaluated, and which another run can
    start from (--warm_start) if this one goes wrong later.
    """

    def __init__(self, evaluations: BestEvaluation, receiver: Any) -> None:
        super().__init__('best', receiver, None, self._is_better, exports_to_keep=1)
        self._evaluations = evaluations

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> Any:
        """Exports an evaluation if it is the best; returns the folder, or None."""
        if any(Path(export_path).glob('*/saved_model.pb')) and not self._is_better(None, eval_result):
            return None
        written = super().export(estimator, export_path, checkpoint_path, eval_result, is_the_final_export)
        if written:
            link_model(Path(checkpoint_path), Path(os.fsdecode(written), 'model_dir'))
        return written

    def _is_better(self, best_eval_result: Any, current_eval_result: Any) -> bool:
        return self._evaluations.best_step() == current_eval_result['global_step']
