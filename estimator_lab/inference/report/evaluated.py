"""What a report shows of an evaluation: classes, confusion and the worst examples."""

import math
from collections.abc import Sequence

import numpy as np

from estimator_lab.core.confusion import Confusion
from estimator_lab.core.picture import as_picture
from estimator_lab.inference.evaluation import Evaluation, Example, class_rows, pair_rows
from estimator_lab.inference.report.html import Html, Number, figure, html, note, table

CONFUSION, WORST = 'Confusion', 'Worst examples'
"""Titles of its sections."""

_MOST_CLASSES = 30
_MOST_PAIRS = 20


def evaluation_parts(evaluation: Evaluation) -> dict[str, list[Html]]:
    """Returns the sections of an evaluation by their titles, those without anything to show left out."""
    parts = {
        CONFUSION: _confusion(evaluation.confusion) if evaluation.confusion else [],
        WORST: _worst(evaluation.worst),
    }
    return {title: part for title, part in parts.items() if part}


def class_table(evaluation: Evaluation) -> list[Html]:
    """Returns precision, recall and more of each class; of many classes, those with the lowest F1."""
    if not evaluation.confusion:
        return []
    rows = [
        (label, images, *map(_score, scores))
        for label, images, *scores in class_rows(evaluation.confusion)
        if images
    ]
    rows.sort(key=lambda row: -1 if row[4] is None else row[4])
    shown = table(('label', 'images', 'precision', 'recall', 'F1'), rows[:_MOST_CLASSES])
    if len(rows) <= _MOST_CLASSES:
        return [html('<p></p>'), shown]
    return [html('<h3>The {} labels with the lowest F1, of {}</h3>', _MOST_CLASSES, f'{len(rows):,}'), shown]


def _score(value: float | None) -> Number | None:
    return None if value is None else Number(f'{value:.4f}')


def _confusion(confusion: Confusion) -> list[Html]:
    classes, labels = confusion.most_confused_classes(_MOST_CLASSES), confusion.labels
    parts = [_matrix(confusion, classes)]
    if len(classes) < len(labels):
        parts.insert(0, note(f'The {len(classes)} labels with the most mistakes, of {len(labels):,}'))
    if pairs := list(pair_rows(confusion))[:_MOST_PAIRS]:
        parts += [html('<h3>The most frequent mistakes</h3>'), table(('is', 'seen as', 'images'), pairs)]
    return parts


def _matrix(confusion: Confusion, classes: Sequence[int]) -> Html:
    """Returns the matrix in images; its colours are shares of each row's images."""
    counts = confusion.matrix(classes)
    shares = counts / np.maximum(confusion.scores().images[list(classes)], 1)[:, np.newaxis]
    labels = [confusion.labels[class_id] for class_id in classes]
    texts = [[f'{n:,}' if n else '' for n in row] for row in counts.tolist()]
    head = [html('<th scope="col" title="{}"><span>{}</span></th>', label, label) for label in labels]
    rows = [html('<tr><th></th>{}</tr>', head)]
    for place, (label, line) in enumerate(zip(labels, texts, strict=True)):
        cells = [
            _matrix_cell(text, share, place == column)
            for column, (text, share) in enumerate(zip(line, shares[place].tolist(), strict=True))
        ]
        rows.append(html('<tr><th scope="row" title="{}">{}</th>{}</tr>', label, label, cells))
    return html('<div class="wide"><table class="matrix">{}</table></div>', rows)


def _matrix_cell(text: str, share: float, is_right: bool) -> Html:
    if not text:
        return html('<td></td>')
    # The square root keeps a few mistakes among many images visible.
    colour = f'rgba(var(--{"right" if is_right else "wrong"}), {0.75 * math.sqrt(share):.2f})'
    return html('<td style="background: {}">{}</td>', colour, text)


def _worst(worst: Sequence[Example]) -> list[Html]:
    return [html('<div class="tiles">{}</div>', map(_worst_tile, worst))] if worst else []


def _worst_tile(example: Example) -> Html:
    name = example.key.rpartition(':')[2]
    said, alternative = f'error {example.badness:.4g}', name
    if example.true:
        said = f'is {example.true}, seen as {example.predicted} {example.probability:.2f}'
        alternative = said
    if example.image is None:
        return html('<figure><figcaption>{}; {}</figcaption></figure>', said, name)
    return figure(as_picture(example.image), f'{said}; {name}', alternative)
