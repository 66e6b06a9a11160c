"""What an evaluation found, for people and programs: text, JSON, CSV, PNG."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.console.outputs import json_text, write_csv, writing
from estimator_lab.conventions import KEY
from estimator_lab.core.display.charts import confusion_picture
from estimator_lab.core.display.picture import labelled_grid
from estimator_lab.core.metrics.confusion import ClassScores, Confusion
from estimator_lab.inference.evaluation import Evaluation, Example
from estimator_lab.runs import metrics_text
from estimator_lab.runs.metrics_text import images_text, worth_showing
from estimator_lab.runs.model import Trained

_CLASSES_IN_TEXT = 20
_CELLS_IN_TEXT = 15
_PAIRS_IN_TEXT = 10
_CLASSES_IN_PICTURE = 60
_CLASSES_IN_MATRIX = 1000  # of which the CSV has 2 MB
_NAME = 24
_SHEET_COLUMNS, _SHEET_TILE = 6, 160


def as_dict(trained: Trained, evaluation: Evaluation) -> dict[str, Any]:
    """Returns all that was found as plain values; the pairs of confused classes, most frequent first."""
    found: dict[str, Any] = {
        'model': trained.model.name,
        'model_dir': str(trained.model_dir),
        'checkpoint': trained.checkpoint,
        'step': trained.step,
        'images': evaluation.images,
        'bad_images': evaluation.bad,
        'metrics': dict(evaluation.metrics),
    }
    confusion = evaluation.confusion
    if confusion:
        names = ('label', *ClassScores._fields)
        found['classes'] = [dict(zip(names, row, strict=True)) for row in _class_rows(confusion)]
        found['confused'] = [
            {'true': true, 'predicted': predicted, 'images': images}
            for true, predicted, images in _pair_rows(confusion)
        ]
    found['worst'] = [dict(zip(_WORST_COLUMNS, row, strict=True)) for row in _worst_rows(evaluation.worst)]
    return found


def text(trained: Trained, evaluation: Evaluation) -> str:
    """Returns what a person wants to know, in lines; of many classes, the worst."""
    lines = [f'{name:<{_NAME}} {value:.4f}' for name, value in worth_showing(evaluation.metrics)]
    if evaluation.confusion:
        lines += ['', *_classes_in_text(evaluation.confusion), '', *_confusion_in_text(evaluation.confusion)]
    return '\n'.join([*lines, '', primary_metric_text(trained, evaluation)])


def primary_metric_text(trained: Trained, evaluation: Evaluation) -> str:
    """Returns the metric that counts most, in a sentence."""
    bad = f' ({evaluation.bad:,} more could not be decoded)' if evaluation.bad else ''
    on = f'{images_text(evaluation.metrics, evaluation.images, trained.kind.noun)}{bad}'
    return metrics_text.primary_metric_text(trained.task, evaluation.metrics, on, trained.step)


def write_files(folder: Path, trained: Trained, evaluation: Evaluation) -> list[str]:
    """Writes all that was found into a folder; returns the names of the files.

    metrics.json and report.txt; for a classifier classes.csv, confusion.csv (the matrix, up to 1,000
    classes), confused.csv (the pairs that occurred) and confusion.png; worst.csv and worst.png, a contact
    sheet, where there are worst examples, the sheet of images only.

    Raises:
      FlagError: if the folder can't be written.
    """
    with writing('output', folder):
        folder.mkdir(parents=True, exist_ok=True)
        names = ['metrics.json', 'report.txt']
        (folder / names[0]).write_text(json_text(as_dict(trained, evaluation), 1) + '\n', encoding='utf-8')
        (folder / names[1]).write_text(text(trained, evaluation) + '\n', encoding='utf-8')
        if evaluation.confusion:
            names += _write_confusion(folder, evaluation.confusion, primary_metric_text(trained, evaluation))
        if evaluation.worst:
            names += _write_worst(folder, evaluation.worst)
    return names


def _write_confusion(folder: Path, confusion: Confusion, title: str) -> list[str]:
    labels, size, title = confusion.labels, len(confusion.labels), ' '.join(title.split())
    write_csv(folder / 'classes.csv', ('label', *ClassScores._fields), _class_rows(confusion))
    write_csv(folder / 'confused.csv', ('true', 'predicted', 'images'), _pair_rows(confusion))
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


_WORST_COLUMNS = (KEY, 'badness', 'true', 'predicted', 'probability')


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


def _class_rows(confusion: Confusion) -> Iterator[tuple[Any, ...]]:
    scores = confusion.scores()
    columns = (scores.images.tolist(), *(_rounded(column) for column in scores[1:]))
    return zip(confusion.labels, *columns, strict=True)


def _rounded(column: np.ndarray) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 6) for value in column.tolist()]


def _pair_rows(confusion: Confusion) -> Iterator[tuple[str, str, int]]:
    labels = confusion.labels
    return ((labels[pair.true], labels[pair.predicted], pair.images) for pair in confusion.confused())


def _classes_in_text(confusion: Confusion) -> list[str]:
    rows = [row for row in _class_rows(confusion) if row[1]]
    lines = [f'{"class":<{_NAME}} {"images":>7} {"precision":>9} {"recall":>7} {"f1":>7}']
    shown = rows
    if len(rows) > _CLASSES_IN_TEXT:
        shown = sorted(rows, key=lambda row: row[4])[:_CLASSES_IN_TEXT]
        lines.insert(0, f'The {len(shown)} of {len(rows):,} classes with the lowest F1')
    for label, images, precision, recall, f1 in shown:
        cells = f'{images:>7,} {_share(precision):>9} {_share(recall):>7} {_share(f1):>7}'
        lines.append(f'{label[:_NAME]:<{_NAME}} {cells}')
    return lines


def _share(value: float | None) -> str:
    return '-' if value is None else f'{value:.4f}'


def _confusion_in_text(confusion: Confusion) -> list[str]:
    size = len(confusion.labels)
    if size <= _CELLS_IN_TEXT:
        return _matrix_in_text(confusion.matrix(), confusion.labels)
    pairs = list(_pair_rows(confusion))
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
        lines.append(f'{number:>2}  {label[:_NAME]:<{_NAME}}{cells}')
    return lines
