"""Writes the report for the `report` command."""

from functools import partial
from pathlib import Path

from estimator_lab.base.activity import doing
from estimator_lab.base.errors import FlagError
from estimator_lab.base.outputs import check_outputs, written_whole
from estimator_lab.base.progress import progress_of, warn
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.examples import ExampleInput
from estimator_lab.inference.evaluation import Evaluation, evaluate
from estimator_lab.inference.evaluation_report import share_evaluated
from estimator_lab.inference.report.history import read_history
from estimator_lab.inference.report.page import report_page
from estimator_lab.inference.settings import ReportSettings
from estimator_lab.runs.event_files import Patience
from estimator_lab.runs.model import Trained, open_trained

_NAME = 'report.html'
_SUFFIXES = ('.html', '.htm')
_PATIENCE = 2.0  # seconds
_BATCH_SIZE = 32


def write_report(settings: ReportSettings) -> tuple[Path, int, list[str]]:
    """Writes a run as a page of HTML; with examples, evaluates the model on them first.

    Returns:
      (path of the page; its characters; what could not be read of the run, a sentence for each file.)

    Raises:
      DataError: the model or the examples can't be read.
      FlagError: the page can't be written.
      LabError: TensorFlow fails, or the disk is full.
    """
    path = settings.out or settings.model_dir / _NAME
    trained = open_trained(settings.model_dir, device=settings.device)
    check_outputs({'out': path}, settings.data, trained.model_dir, trained.kind.accepts, _SUFFIXES)
    _check_name(path)
    with written_whole('out', path, keeps_part=False) as partial:
        partial.open('x').close()  # fails now rather than after the evaluation
        doing('reading the run')
        history = read_history(trained.model_dir, Patience(_PATIENCE))
        doing('drawing the page')
        text = report_page(trained, history, _evaluated(trained, settings) if settings.data else None)
        partial.write_text(text, encoding='utf-8')
    return path, len(text), history.damage


def _check_name(path: Path) -> None:
    if path.suffix.lower() not in _SUFFIXES and not path.is_dir():  # browsers would show it as text
        raise FlagError(f'--out={path} is not a name for a page: end it in {" or ".join(_SUFFIXES)}.')


def _evaluated(trained: Trained, settings: ReportSettings) -> Evaluation:
    kind = trained.kind
    examples = ExampleInput(settings.data, kind, warn)
    trained.check_examples(examples.paths)
    doing(f'evaluating {trained.model_dir}')
    share = partial(share_evaluated, settings.eval_steps, _BATCH_SIZE, examples)
    with progress_of('Evaluating', kind.noun, share) as progress:
        report = InputReport(kind, warn, progress=progress)
        return evaluate(
            trained,
            examples,
            report,
            batch_size=_BATCH_SIZE,
            steps=settings.eval_steps,
            worst=settings.worst,
        )
