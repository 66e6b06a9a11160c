"""The results of an evaluation: as text, JSON, CSV and PNG, and in a notebook."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.base.files import listed
from estimator_lab.base.keys import KEY
from estimator_lab.base.outputs import check_folder, written_folder
from estimator_lab.base.printable import json_text, padded, write_csv
from estimator_lab.core.confusion import ClassScores, Confusion
from estimator_lab.core.metrics_text import images_text, primary_metric_text, worth_showing
from estimator_lab.core.mistakes import WorstExample
from estimator_lab.core.picture import as_picture, confusion_picture, labelled_grid
from estimator_lab.inference.report.html import Html, figure, framed, html, note, shown_number, table
from estimator_lab.runs.trained import Trained

_CLASSES_IN_TEXT = 20
_PAIRS_IN_TEXT = 10
_CLASSES_IN_PICTURE = 60
_CLASSES_IN_MATRIX = 1000  # a CSV of 2 MB
_NAME = 24
_SHEET_COLUMNS, _SHEET_TILE = 6, 160
_WORST_COLUMNS = (KEY, 'badness', 'true', 'predicted', 'probability')

METRICS, CONFUSION, WORST = 'Evaluation', 'Confusion', 'Worst examples'
"""Titles of the sections of an evaluation."""


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation; in a notebook its metrics, confusion and worst examples.

    Attributes:
      run: the model.
      metrics: by name, such as evaluation.metrics['accuracy'].
      images: how many examples were evaluated.
      bad: how many more could not be decoded.
      confusion: counts of true and predicted classes; None for a model that does not classify.
      worst: the worst examples, the worst first; those of a classifier are all mistakes.
    """

    run: Trained
    metrics: Mapping[str, float]
    images: int
    bad: int = 0
    confusion: Confusion | None = None
    worst: Sequence[WorstExample] = field(default_factory=list)

    def text(self) -> str:
        """Returns the results as lines to read; of many classes, the worst."""
        lines = [f'{name:<{_NAME}} {value:.4f}' for name, value in worth_showing(self.metrics)]
        if self.confusion:
            lines += ['', *_classes_in_text(self.confusion), '']
            pairs = list(pair_rows(self.confusion))
            if len(pairs) > _PAIRS_IN_TEXT:
                lines.append(f'The most frequent of {len(pairs):,} confusions')
            else:
                lines.append('Confusions' if pairs else 'No confusions')
            for true, predicted, images in pairs[:_PAIRS_IN_TEXT]:
                lines.append(f'{true} taken for {predicted}: {images:,}')
        return '\n'.join([*lines, '', self.headline()])

    def headline(self) -> str:
        """Returns the primary metric in a sentence."""
        bad = f' ({self.bad:,} more could not be decoded)' if self.bad else ''
        on = f'{images_text(self.metrics, self.images, self.run.kind.noun)}{bad}'
        return primary_metric_text(self.run.task, self.metrics, on, self.run.step)

    def confusion_picture(self) -> Image.Image:
        """Returns the matrix of a classifier as a picture; of many classes, the most confused."""
        assert self.confusion, 'a classifier'
        title, labels = ' '.join(self.headline().split()), self.confusion.labels
        chosen = self.confusion.most_confused_classes(_CLASSES_IN_PICTURE)
        if len(chosen) < len(labels):
            title = f'{title}: the {len(chosen)} most confused of {len(labels):,} classes'
        return confusion_picture(self.confusion.matrix(chosen), [labels[number] for number in chosen], title)

    def json(self) -> str:
        """Returns all results as JSON; the pairs of confused classes are sorted by frequency."""
        results: dict[str, Any] = {
            'model': self.run.model,
            'model_dir': str(self.run.model_dir),
            'checkpoint': self.run.checkpoint,
            'step': self.run.step,
            'images': self.images,
            'bad_images': self.bad,
            'metrics': dict(self.metrics),
        }
        if self.confusion:
            results['classes'] = _records(('label', *ClassScores._fields), class_rows(self.confusion))
            results['confused'] = _records(('true', 'predicted', 'images'), pair_rows(self.confusion))
        results['worst'] = _records(_WORST_COLUMNS, _worst_rows(self.worst))
        return json_text(results, 1)

    def save(self, folder: Path) -> list[str]:
        """Writes all results to a folder; returns the names of the files.

        metrics.json and report.txt; for a classifier classes.csv, confusion.csv (the matrix, up to 1,000
        classes), confused.csv (the pairs that occurred) and confusion.png; worst.csv if there are worst
        examples, and worst.png, a contact sheet, if they are images.

        Raises:
          FlagError: the folder can't be written, or holds examples.
          LabError: the disk is full.
        """
        check_folder(folder, (), self.run.kind.accepts, self.run.model_dir)
        with written_folder('out', folder) as hidden:
            (hidden / 'metrics.json').write_text(f'{self.json()}\n', encoding='utf-8')
            (hidden / 'report.txt').write_text(f'{self.text()}\n', encoding='utf-8')
            if self.confusion:
                _write_confusion(hidden, self.confusion)
                self.confusion_picture().save(hidden / 'confusion.png')
            if self.worst:
                write_csv(hidden / 'worst.csv', _WORST_COLUMNS, _worst_rows(self.worst))
                images = [example.image for example in self.worst if example.image is not None]
                if images:
                    captions = [example.caption() for example in self.worst]
                    sheet = labelled_grid(np.stack(images), captions, _SHEET_COLUMNS, _SHEET_TILE)
                    sheet.save(hidden / 'worst.png')
            return [path.name for path in listed(hidden)]

    def __repr__(self) -> str:
        return self.text()

    def sections(self) -> dict[str, list[Html]]:
        """Returns its metrics, confusion and worst examples as HTML, by title."""
        sections = {METRICS: metrics_table(self.metrics, self.headline())}
        if self.confusion:
            lines = [html('{}\n', line) for line in _classes_in_text(self.confusion)]
            sections[METRICS].append(html('<pre class="wide">{}</pre>', lines))
            picture = self.confusion_picture()
            sections[CONFUSION] = [figure(picture, 'rows are true labels, columns are predictions')]
        if self.worst:
            sections[WORST] = [html('<div class="tiles">{}</div>', map(_worst_tile, self.worst))]
        return sections

    def _repr_html_(self) -> str:
        parts = [html('<h2>{}</h2>{}', *section) for section in self.sections().items()]
        return framed('evaluation', parts)


def class_rows(confusion: Confusion) -> Iterator[tuple[Any, ...]]:
    """Returns (label, images, precision, recall, F1) of each class; None where a score is undefined."""
    scores = confusion.scores()
    rounded = (
        [None if math.isnan(value) else round(value, 6) for value in column.tolist()] for column in scores[1:]
    )
    return zip(confusion.labels, scores.images.tolist(), *rounded, strict=True)


def pair_rows(confusion: Confusion) -> Iterator[tuple[str, str, int]]:
    """Returns (true label, predicted label, images) of each confusion, the most frequent first."""
    labels = confusion.labels
    return ((labels[pair.true], labels[pair.predicted], pair.images) for pair in confusion.confused())


def _records(names: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def _write_confusion(folder: Path, confusion: Confusion) -> None:
    labels, size = confusion.labels, len(confusion.labels)
    write_csv(folder / 'classes.csv', ('label', *ClassScores._fields), class_rows(confusion))
    write_csv(folder / 'confused.csv', ('true', 'predicted', 'images'), pair_rows(confusion))
    if size <= _CLASSES_IN_MATRIX:
        rows = ([label, *row] for label, row in zip(labels, confusion.matrix().tolist(), strict=True))
        write_csv(folder / 'confusion.csv', ('true \\ predicted', *labels), rows)


def _worst_rows(worst: Sequence[WorstExample]) -> Iterator[tuple[Any, ...]]:
    for example in worst:
        classified = (example.true, example.predicted, round(example.probability, 6))
        yield example.key, float(f'{example.badness:.7g}'), *(classified if example.true else ('', '', ''))


def _classes_in_text(confusion: Confusion) -> list[str]:
    rows = [row for row in class_rows(confusion) if row[1]]
    lines = [f'{"class":<{_NAME}} {"images":>7} {"precision":>9} {"recall":>7} {"f1":>7}']
    shown = rows
    if len(rows) > _CLASSES_IN_TEXT:
        shown = sorted(rows, key=lambda row: row[4])[:_CLASSES_IN_TEXT]
        lines.insert(0, f'The {len(shown)} of {len(rows):,} classes with the lowest F1')
    for label, images, *scores in shown:
        precision, recall, f1 = ('-' if score is None else f'{score:.4f}' for score in scores)
        lines.append(f'{padded(label, _NAME)} {images:>7,} {precision:>9} {recall:>7} {f1:>7}')
    return lines


def metrics_table(metrics: Mapping[str, float], about: str) -> list[Html]:
    """Returns a table of metrics below a sentence about them; [] without any."""
    rows = [(name, shown_number(value)) for name, value in worth_showing(metrics)]
    return [note(about), table(rows)] if rows else []


def _worst_tile(example: WorstExample) -> Html:
    caption = '; '.join(example.caption().split('\n'))
    if example.image is None:
        return html('<figure><figcaption>{}</figcaption></figure>', caption)
    return figure(as_picture(example.image), caption)
