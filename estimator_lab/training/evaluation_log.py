"""What evaluations found, said and kept."""

from collections.abc import Callable, Mapping
from typing import Any

from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.inference.metrics_text import images_text, worth_showing
from estimator_lab.tf1 import tf
from estimator_lab.training.hooks import Pauses


class EvaluationLog(tf.estimator.Exporter):
    """Says and keeps what each evaluation found; train_and_evaluate hands its results to exporters only.

    Args:
      report: of the evaluation's input, whose error ends the run.
      say: shows one line to the user.
      pauses: is told that the evaluation has ended.

    Attributes:
      last: the last evaluation's metrics, by name; empty before the first.
    """

    name = 'evaluation_log'

    def __init__(self, report: InputReport, say: Callable[[str], None], pauses: Pauses) -> None:
        self._pauses = pauses
        self._report = report
        self._say = say
        self.last: Mapping[str, float] = {}

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> None:
        self._pauses.end()
        self._report.raise_error()
        self.last = eval_result
        shown = ', '.join(f'{name} {value:.4f}' for name, value in worth_showing(eval_result))
        on = images_text(eval_result, self._report.epoch_size, self._report.wanted.noun)
        self._say(f'evaluated at step {eval_result["global_step"]}: {shown}; over {on}')


class StopEarlyHook(tf.train.SessionRunHook):
    """Ends training behind an evaluation that says so.

    Args:
      log: of the evaluations, which take place while a checkpoint is saved.
      is_enough: is asked after each of them.
    """

    def __init__(self, log: EvaluationLog, is_enough: Callable[[], bool]) -> None:
        self._log = log
        self._is_enough = is_enough
        self._asked_at = log.last

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if self._log.last is not self._asked_at:
            self._asked_at = self._log.last
            if self._is_enough():
                run_context.request_stop()
