"""Writes the report for the `report` command."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from estimator_lab.console.activity import doing
from estimator_lab.console.outputs import check_outputs, written_whole
from estimator_lab.console.progress import progress_of, warn
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.examples import ExampleInput
from estimator_lab.data.sources import STDIN
from estimator_lab.errors import FlagError
from estimator_lab.inference.evaluation import Evaluation, evaluate
from estimator_lab.inference.evaluation_report import share_evaluated
from estimator_lab.inference.inspection_files import pictures_of_first
from estimator_lab.inference.report.comparison import comparison_page
from estimator_lab.inference.report.history import read_history
from estimator_lab.inference.report.page import Inspected, report_page
from estimator_lab.inference.settings import ReportSettings
from estimator_lab.runs.event_files import Patience
from estimator_lab.runs.model import Trained, open_trained

_NAME, _COMPARISON = 'report.html', 'comparison.html'
_SUFFIXES = ('.html', '.htm')
_MOST_RUNS = 6  # as many as the charts have colours
_PATIENCE = 2.0  # seconds
_BATCH_SIZE = 32


def write_report(settings: ReportSettings) -> tuple[Path, int, list[str]]:
    """Writes a run as a page of HTML; with examples, evaluates the model on them first.

    Returns:
      (path of the page; its characters; what could not be read of the run, a sentence for each file.)

    Raises:
      DataError: the model or the examples can't be read.
      FlagError: the page can't be written, or the examples can be read only once.
      LabError: TensorFlow fails, or the disk is full.
    """
    _check_readable_twice(settings)
    path = settings.out or settings.model_dir / _NAME
    trained = open_trained(settings.model_dir, device=settings.device)
    check_outputs({'out': path}, settings.data, trained.model_dir, trained.kind.accepts, _SUFFIXES)
    _check_name(path)
    with written_whole('out', path, keeps_part=False) as partial:
        partial.open('x').close()  # fails now rather than after the evaluation
        doing('reading the run')
        history = read_history(trained.model_dir, Patience(_PATIENCE))
        doing('drawing the page')
        text = report_page(trained, history, *(_examined(trained, settings) if settings.data else ()))
        partial.write_text(text, encoding='utf-8')
    return path, len(text), history.damage


def write_comparison(folders: Sequence[Path], settings: ReportSettings) -> tuple[Path, int, list[str]]:
    """Writes several runs side by side as a page of HTML; with examples, evaluates each model on them first.

    Args:
      folders: of the runs, 2 to 6.
      settings: `out`, by default comparison.html in the first folder, `data` and `eval_steps`.

    Returns:
      As `write_report`.

    Raises:
      DataError: a model or the examples can't be read.
      FlagError: the page can't be written, a folder is named twice, or there are too many.
      LabError: TensorFlow fails, or the disk is full.
    """
    _check_readable_twice(settings)
    if len(folders) > _MOST_RUNS:
        raise FlagError(f'{len(folders)} runs are too many for one chart: name up to {_MOST_RUNS}.')
    real = [os.path.realpath(folder) for folder in folders]
    for place, folder in enumerate(folders):
        if real[place] in real[:place]:
            raise FlagError(f'The run {folder} is named twice: name different ones.')
    opened = [open_trained(folder) for folder in folders]
    path = settings.out or folders[0] / _COMPARISON
    for trained in opened:
        check_outputs({'out': path}, settings.data, trained.model_dir, trained.kind.accepts, _SUFFIXES)
    _check_name(path)
    with written_whole('out', path, keeps_part=False) as partial:
        partial.open('x').close()
        doing('reading the runs')
        runs = [(trained, read_history(trained.model_dir, Patience(_PATIENCE))) for trained in opened]
        evaluations = [_evaluated(trained, settings) for trained in opened] if settings.data else []
        text = comparison_page(runs, evaluations)
        partial.write_text(text, encoding='utf-8')
    return path, len(text), [line for _, history in runs for line in history.damage]


def _check_name(path: Path) -> None:
    if path.suffix.lower() not in _SUFFIXES and not path.is_dir():  # browsers would show it as text
        raise FlagError(f'--out={path} is not a name for a page: end it in {" or ".join(_SUFFIXES)}.')


def _check_readable_twice(settings: ReportSettings) -> None:
    if STDIN in settings.data:
        raise FlagError(f'--data={STDIN} can be read only once, but a report reads it twice: name a file.')


def _examined(trained: Trained, settings: ReportSettings) -> tuple[Evaluation, Inspected]:
    evaluation = _evaluated(trained, settings)
    return evaluation, pictures_of_first(trained, ExampleInput(settings.data, trained.kind))


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
