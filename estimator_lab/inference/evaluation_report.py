"""Runs an evaluation for the `evaluate` command; its results as text, JSON, CSV and PNG."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.base.activity import doing
from estimator_lab.base.keys import KEY
from estimator_lab.base.outputs import json_text, made_folder, write_csv, writing, written_together
from estimator_lab.base.printable import padded
from estimator_lab.base.progress import progress_of, warn
from estimator_lab.core.charts import confusion_picture
from estimator_lab.core.confusion import ClassScores, Confusion
from estimator_lab.core.picture import labelled_grid
from estimator_lab.data.bad_examples import InputReport
from estimator_lab.data.examples import ExampleInput
from estimator_lab.data.labels import read_label_table
from estimator_lab.inference.evaluation import (
    Evaluation,
    Example,
    class_rows,
    evaluate,
    pair_rows,
)
from estimator_lab.inference.settings import EvaluationSettings
from estimator_lab.runs import metrics_text
from estimator_lab.runs.memory import check_use
from estimator_lab.runs.metrics_text import images_text, worth_showing
from estimator_lab.runs.model import open_trained

_CLASSES_IN_TEXT = 20
_CELLS_IN_TEXT = 15
_PAIRS_IN_TEXT = 10
_CLASSES_IN_PICTURE = 60
_CLASSES_IN_MATRIX = 1000  # a CSV of 2 MB
_NAME = 24
_SHEET_COLUMNS, _SHEET_TILE = 6, 160
_WORST_COLUMNS = (KEY, 'badness', 'true', 'predicted', 'probability')


def evaluate_and_write(settings: EvaluationSettings) -> tuple[Evaluation, list[str]]:
    """Evaluates a model as the settings say, and shows progress.

    Returns:
      (the results; the names of the files written to `settings.out`, none without it.)

    Raises:
      DataError: the model or the examples can't be read; see `evaluate`.
      FlagError: the settings don't fit the model, or `settings.out` can't be written.
      LabError: TensorFlow fails, or the disk is full.
    """
    trained = open_trained(settings.model_dir, device=settings.device)
    kind = trained.kind
    if settings.labels:
        kind = kind.with_labels(read_label_table(settings.labels))
    examples = ExampleInput(settings.data, kind, warn)
    trained.check_examples(examples.paths)
    check_use(trained.reader, settings.batch_size)
    doing('evaluating')
    with ExitStack() as stack:
        if settings.out:
            stack.enter_context(made_folder('out', settings.out))
        share = partial(share_evaluated, settings.eval_steps, settings.batch_size, examples)
        progress = stack.enter_context(progress_of('Evaluating', kind.noun, share))
        found = evaluate(
            trained,
            examples,
            InputReport(kind, warn, progress=progress),
            decode=settings.decode or '',
            batch_size=settings.batch_size,
            steps=settings.eval_steps,
            worst=settings.worst,
        )
        return found, write_files(settings.out, found) if settings.out else []


def share_evaluated(steps: int | None, batch_size: int, examples: ExampleInput, done: int) -> float | None:
    """Returns the share of an evaluation, in [0, 1], that the first `done` examples are; None if unknown.

    Args:
      steps: batches to evaluate; None for all.
      batch_size: examples in a batch.
      examples: to evaluate.
      done: examples that have been evaluated.
    """
    of_all = examples.share(done)
    return max(of_all or 0.0, min(done / (steps * batch_size), 1.0)) if steps else of_all


def as_json(evaluation: Evaluation) -> str:
    """Returns all results as JSON; the pairs of confused classes are sorted by frequency."""
    trained, confusion = evaluation.trained, evaluation.confusion
    found: dict[str, Any] = {
        'model': trained.model.name,
        'model_dir': str(trained.model_dir),
        'checkpoint': trained.checkpoint,
        'step': trained.step,
        'images': evaluation.images,
        'bad_images': evaluation.bad,
        'metrics': dict(evaluation.metrics),
    }
    if confusion:
        found['classes'] = _records(('label', *ClassScores._fields), class_rows(confusion))
        found['confused'] = _records(('true', 'predicted', 'images'), pair_rows(confusion))
    found['worst'] = _records(_WORST_COLUMNS, _worst_rows(evaluation.worst))
    return json_text(found, 1)


def _records(names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def text(evaluation: Evaluation) -> str:
    """Returns the results as lines to read; of many classes, the worst."""
    lines = [f'{name:<{_NAME}} {value:.4f}' for name, value in worth_showing(evaluation.metrics)]
    if evaluation.confusion:
        lines += ['', *_classes_in_text(evaluation.confusion), '', *_confusion_in_text(evaluation.confusion)]
    return '\n'.join([*lines, '', primary_metric_text(evaluation)])


def primary_metric_text(evaluation: Evaluation) -> str:
    """Returns the primary metric in a sentence."""
    trained = evaluation.trained
    bad = f' ({evaluation.bad:,} more could not be decoded)' if evaluation.bad else ''
    on = f'{images_text(evaluation.metrics, evaluation.images, trained.kind.noun)}{bad}'
    return metrics_text.primary_metric_text(trained.task, evaluation.metrics, on, trained.step)


def write_files(folder: Path, evaluation: Evaluation) -> list[str]:
    """Writes all results to a folder; returns the names of the files.

    metrics.json and report.txt; for a classifier classes.csv, confusion.csv (the matrix, up to 1,000
    classes), confused.csv (the pairs that occurred) and confusion.png; worst.csv if there are worst examples,
    and worst.png, a contact sheet, if they are images.

    Raises:
      FlagError: the folder can't be written.
      LabError: the disk is full.
    """
    with writing('out', folder):
        folder.mkdir(parents=True, exist_ok=True)
    with written_together('out', folder) as folder:
        (folder / 'metrics.json').write_text(as_json(evaluation) + '\n', encoding='utf-8')
        (folder / 'report.txt').write_text(text(evaluation) + '\n', encoding='utf-8')
        names = ['metrics.json', 'report.txt']
        if evaluation.confusion:
            names += _write_confusion(folder, evaluation.confusion, primary_metric_text(evaluation))
        if evaluation.worst:
            names += _write_worst(folder, evaluation.worst)
    return names


def _write_confusion(folder: Path, confusion: Confusion, title: str) -> list[str]:
    labels, size, title = confusion.labels, len(confusion.labels), ' '.join(title.split())
    write_csv(folder / 'classes.csv', ('label', *ClassScores._fields), class_rows(confusion))
    write_csv(folder / 'confused.csv', ('true', 'predicted', 'images'), pair_rows(confusion))
    names = ['classes.csv', 'confused.csv']
    if size <= _CLASSES_IN_MATRIX:
        rows = ([label, *row] for label, row in zip(labels, confusion.matrix().tolist(), strict=True))
        write_csv(folder / 'confusion.csv', ('true \\ predicted', *labels), rows)
        names.append('confusion.csv')
    chosen = confusion.most_confused_classes(_CLASSES_IN_PICTURE)
    if len(chosen) < size:
        title = f'{title}: the {len(chosen)} most confused of {size:,} classes'
    picture = confusion_picture(confusion.matrix(chosen), [labels[class_id] for class_id in chosen], title)
    picture.save(folder / 'confusion.png')
    return [*names, 'confusion.png']


def _write_worst(folder: Path, worst: Sequence[Example]) -> list[str]:
    write_csv(folder / 'worst.csv', _WORST_COLUMNS, _worst_rows(worst))
    images = [example.image for example in worst if example.image is not None]
    if not images:
        return ['worst.csv']
    sheet = labelled_grid(np.stack(images), list(map(_caption, worst)), _SHEET_COLUMNS, _SHEET_TILE)
    sheet.save(folder / 'worst.png')
    return ['worst.csv', 'worst.png']


def _worst_rows(worst: Sequence[Example]) -> Iterator[tuple[Any, ...]]:
    for example in worst:
        classified = (example.true, example.predicted, round(example.probability, 6))
        yield example.key, float(f'{example.badness:.7g}'), *(classified if example.true else ('', '', ''))


def _caption(example: Example) -> str:
    name = example.key.rpartition('/')[2]
    if not example.true:
        return f'error {example.badness:.4g}\n{name}'
    return f'is {example.true}\nseen as {example.predicted} {example.probability:.2f}\n{name}'


def _classes_in_text(confusion: Confusion) -> list[str]:
    rows = [row for row in class_rows(confusion) if row[1]]
    lines = [f'{"class":<{_NAME}} {"images":>7} {"precision":>9} {"recall":>7} {"f1":>7}']
    shown = rows
    if len(rows) > _CLASSES_IN_TEXT:
        shown = sorted(rows, key=lambda row: row[4])[:_CLASSES_IN_TEXT]
        lines.insert(0, f'The {len(shown)} of {len(rows):,} classes with the lowest F1')
    for label, images, precision, recall, f1 in shown:
        cells = f'{images:>7,} {_share(precision):>9} {_share(recall):>7} {_share(f1):>7}'
        lines.append(f'{padded(label, _NAME)} {cells}')
    return lines


def _share(value: float | None) -> str:
    return '-' if value is None else f'{value:.4f}'


def _confusion_in_text(confusion: Confusion) -> list[str]:
    size = len(confusion.labels)
    if size <= _CELLS_IN_TEXT:
        return _matrix_in_text(confusion.matrix(), confusion.labels)
    pairs = list(pair_rows(confusion))
    lines = [
        f'{true} taken for {predicted}: {images:,}' for true, predicted, images in pairs[:_PAIRS_IN_TEXT]
    ]
    return [f'The most frequent of {len(pairs):,} confusions', *lines] if lines else ['No confusions']


def _matrix_in_text(matrix: np.ndarray, labels: Sequence[str]) -> list[str]:
    """Returns the matrix; its columns are headed by the numbers of its rows."""
    width = max(len(str(matrix.max())), len(str(len(labels)))) + 1
    head = ''.join(f'{number:>{width}}' for number in range(1, len(labels) + 1))
    lines = ['Confusion: rows are true, columns predicted', f'{"":<{_NAME + 4}}{head}']
    for number, (label, row) in enumerate(zip(labels, matrix.tolist(), strict=True), 1):
        cells = ''.join(f'{images:>{width}}' if images else f'{".":>{width}}' for images in row)
        lines.append(f'{number:>2}  {padded(label, _NAME)}{cells}')
    return lines
