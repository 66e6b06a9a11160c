"""The evaluations of a run: reported, compared, and exported (--export=best,latest,final)."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from estimator_lab.base.files import in_subfolders, listed
from estimator_lab.core.metrics_text import images_text, numbers_in, worth_showing
from estimator_lab.core.model import EVALUATION, Task
from estimator_lab.data.archives.opened import Say
from estimator_lab.data.input.bad_examples import InputReport
from estimator_lab.runs.event_files import scalars_in
from estimator_lab.runs.record import link_model
from estimator_lab.tf1 import Estimator, tf
from estimator_lab.training.checks import EXPORTS

_BEST, _LATEST, _FINAL = EXPORTS


class Evaluations(tf.estimator.Exporter):
    """The evaluations of a phase; train_and_evaluate passes their results to exporters only.

    Args:
      task: names the metric by which evaluations are compared, and says whether higher is better.
      report: of the evaluation's input, whose error ends the run.
      patience: evaluations without a better one after which training ends; None for no such end.

    Attributes:
      last: the last evaluation's metrics, by name; empty before the first.
    """

    name = 'evaluations'

    def __init__(self, folder: Path, task: Task, report: InputReport, patience: int | None, say: Say) -> None:
        self.last: Mapping[str, float] = {}
        self._folder = folder / EVALUATION
        self._metric = task.primary_metric
        self._best = max if task.higher_is_better else min
        self._report, self._patience, self._say = report, patience, say

    @cached_property
    def by_step(self) -> dict[int, float]:
        """The metric of all evaluations by global step; values of earlier starts are read from event files.

        A metric that is not a number compares with none, and is left out.
        """
        values: dict[int, float] = {}
        for path in listed(self._folder, 'events.out.tfevents.*'):
            values.update(scalars_in(path, self._metric, partial(self._warn, path)))
        return {step: value for step, value in sorted(values.items()) if not math.isnan(value)}

    @property
    def best_step(self) -> int | None:
        """The step of the best evaluation, the first of equals; None without evaluations."""
        return self._best(self.by_step, key=self.by_step.__getitem__, default=None)

    @property
    def are_enough(self) -> bool:
        """Whether they end training early."""
        best = self.best_step
        if self._patience is None or best is None:
            return False
        return sum(step > best for step in self.by_step) >= self._patience

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> None:
        """Reports one evaluation; exports nothing."""
        self._report.raise_error()
        self.last = numbers_in(eval_result)
        # A phase of pre-training has other metrics.
        step, value = int(eval_result['global_step']), float(eval_result.get(self._metric, math.nan))
        if not math.isnan(value):
            self.by_step[step] = value
        shown = ', '.join(f'{name} {value:.4f}' for name, value in worth_showing(self.last))
        on = images_text(eval_result, self._report.epoch_size, self._report.kind.noun)
        self._say(f'evaluated at step {step}: {shown}; over {on}')

    def _warn(self, path: Path, what: str) -> None:
        self._say(f'Warning: {str(path)!r} {what}: only the evaluations that can be read count.')


def make_exporters(names: Sequence[str], receiver: Callable[[], Any], evaluations: Evaluations) -> list[Any]:
    """Returns exporters for `tf.estimator.EvalSpec`; each writes SavedModels to model_dir/export/NAME."""
    makers = {
        _BEST: lambda: _BestExporter(evaluations, receiver),
        _LATEST: lambda: tf.estimator.LatestExporter(_LATEST, receiver, exports_to_keep=1),
        _FINAL: lambda: tf.estimator.FinalExporter(_FINAL, receiver),
    }
    return [makers[name]() for name in dict.fromkeys(names)]


def export_at_the_end(exporters: Sequence[Any], estimator: Estimator, metrics: Mapping[str, float]) -> None:
    """Runs the FinalExporter where training ended before its last step; Estimator does not."""
    for exporter in exporters:
        if exporter.name == _FINAL:
            folder = Path(estimator.model_dir, 'export', exporter.name)  # as train_and_evaluate names it
            exporter.export(estimator, str(folder), estimator.latest_checkpoint(), metrics, True)


class _BestExporter(tf.estimator.Exporter):
    """Exports the best of all evaluations of a run, and keeps its checkpoint.

    After a restart, Estimator's own BestExporter would replace the best export by whatever is evaluated
    first. The checkpoint is kept in the export's folder `model_dir`, which can be evaluated, and which
    another run can start from (--warm_start) if this one goes wrong later.
    """

    name = _BEST

    def __init__(self, evaluations: Evaluations, receiver: Any) -> None:
        self._evaluations = evaluations
        self._latest = tf.estimator.LatestExporter(_BEST, receiver, exports_to_keep=1)

    def export(
        self,
        estimator: Estimator,
        export_path: str,
        checkpoint_path: str,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> None:
        """Exports an evaluation if it is the best, or the first."""
        is_best = self._evaluations.best_step == eval_result['global_step']
        if is_best or not in_subfolders(Path(export_path), 'saved_model.pb'):
            written = self._latest.export(
                estimator, export_path, checkpoint_path, eval_result, is_the_final_export
            )
            link_model(Path(checkpoint_path), Path(os.fsdecode(written), 'model_dir'))
