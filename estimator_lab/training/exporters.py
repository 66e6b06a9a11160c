"""Exports on the way: --export=best,latest,final, each a SavedModel below model_dir/export/NAME."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from estimator_lab.errors import FlagError
from estimator_lab.runs.record import link_model
from estimator_lab.tf1 import tf
from estimator_lab.training.best_evaluation import BestEvaluation

NAMES = ('best', 'latest', 'final')
_KEPT = 1


def make_exporters(
    names: Sequence[str], receiver: Callable[[], Any], evaluations: BestEvaluation
) -> list[Any]:
    """Returns the exporters of a run, for `tf.estimator.EvalSpec`.

    Args:
      names: of NAMES.
      receiver: see `inference.serving.serving_input_receiver_fn`.
      evaluations: tells which evaluation was the best.

    Raises:
      FlagError: for an unknown name.
    """
    for name in names:
        if name not in NAMES:
            raise FlagError(f'--export={name} is not allowed: one or more of {", ".join(NAMES)}.')
    makers = {
        'best': lambda: _BestExporter(evaluations, receiver),
        'latest': lambda: tf.estimator.LatestExporter('latest', receiver, exports_to_keep=_KEPT),
        'final': lambda: tf.estimator.FinalExporter('final', receiver),
    }
    return [makers[name]() for name in dict.fromkeys(names)]


def export_at_the_end(exporters: Sequence[Any], estimator: Any, metrics: Mapping[str, float]) -> None:
    """Has the FinalExporter do its work where training ended before its last step: nobody else does."""
    for exporter in exporters:
        if isinstance(exporter, tf.estimator.FinalExporter):
            folder = Path(estimator.model_dir, 'export', exporter.name)  # where train_and_evaluate has it
            exporter.export(estimator, str(folder), estimator.latest_checkpoint(), metrics, True)


class _BestExporter(tf.estimator.BestExporter):
    """Exports the best of all evaluations of a run, before a restart or after, and keeps its checkpoint.

    Estimator's own exports whatever comes first after a restart, and drops the better one for it. The
    checkpoint lies beside it in `model_dir`, a folder that can be evaluated, and that a run can begin with
    (--warm_start) where the one it comes from has gone wrong since.
    """

    def __init__(self, evaluations: BestEvaluation, receiver: Any) -> None:
        super().__init__('best', receiver, None, self._is_better, exports_to_keep=_KEPT)
        self._evaluations = evaluations

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> Any:
        if any(Path(export_path).glob('*/saved_model.pb')) and not self._is_better(None, eval_result):
            return None
        written = super().export(estimator, export_path, checkpoint_path, eval_result, is_the_final_export)
        if written:
            link_model(Path(checkpoint_path), Path(os.fsdecode(written), 'model_dir'))
        return written

    def _is_better(self, best_eval_result: Any, current_eval_result: Any) -> bool:
        return self._evaluations.best_step() == current_eval_result['global_step']
