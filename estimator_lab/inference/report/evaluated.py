"""What a report shows of an evaluation: classes, confusion, ROC curves, calibration, worst examples."""

import math
from collections.abc import Sequence

import numpy as np

from estimator_lab.core.confusion import Confusion
from estimator_lab.core.picture import as_picture
from estimator_lab.inference.evaluation import Evaluation, Example, areas_under_roc, class_rows, pair_rows
from estimator_lab.inference.probabilities import Calibration
from estimator_lab.inference.report.charts import Points, unit_chart
from estimator_lab.inference.report.html import Html, Number, figure, html, note, table

CONFUSION, ROC, CALIBRATION, WORST = 'Confusion', 'ROC curves', 'Calibration', 'Worst examples'
"""Titles of its sections."""

_MOST_CLASSES = 30
_MOST_PAIRS = 20
_MOST_ROC_CURVES = 5  # next to that of all labels: a chart has six colours


def evaluation_parts(evaluation: Evaluation) -> dict[str, list[Html]]:
    """Returns the sections of an evaluation by their titles, those without anything to show left out."""
    parts = {
        CONFUSION: _confusion(evaluation.confusion) if evaluation.confusion else [],
        ROC: _roc(evaluation),
        CALIBRATION: _calibration(evaluation.calibration) if evaluation.calibration else [],
        WORST: _worst(evaluation.worst),
    }
    return {title: part for title, part in parts.items() if part}


def class_table(evaluation: Evaluation) -> list[Html]:
    """Returns precision, recall and more of each class; of many classes, those with the lowest F1."""
    if not evaluation.confusion:
        return []
    areas = areas_under_roc(evaluation)
    rows = [
        (label, images, *map(_score, [*scores, *([areas[label]] if areas else [])]))
        for label, images, *scores in class_rows(evaluation.confusion)
        if images
    ]
    rows.sort(key=lambda row: -1 if row[4] is None else row[4])
    head = ('label', 'images', 'precision', 'recall', 'F1', *(['ROC area'] if areas else []))
    shown = table(head, rows[:_MOST_CLASSES])
    if len(rows) <= _MOST_CLASSES:
        return [html('<p></p>'), shown]
    return [html('<h3>The {} labels with the lowest F1, of {}</h3>', _MOST_CLASSES, f'{len(rows):,}'), shown]


def _score(value: float | None) -> Number | None:
    return None if value is None else Number(f'{value:.4f}')


def _confusion(confusion: Confusion) -> list[Html]:
    classes, labels = confusion.most_confused_classes(_MOST_CLASSES), confusion.labels
    matrices = html('<div class="matrices">{}</div>', _matrices(confusion, classes))
    parts = [matrices]
    if len(classes) < len(labels):
        parts.insert(0, note(f'The {len(classes)} labels with the most mistakes, of {len(labels):,}'))
    if pairs := list(pair_rows(confusion))[:_MOST_PAIRS]:
        parts += [html('<h3>The most frequent mistakes</h3>'), table(('is', 'seen as', 'images'), pairs)]
    return parts


def _matrices(confusion: Confusion, classes: Sequence[int]) -> list[Html]:
    """Returns the matrix twice, in images and in percent of each row's images."""
    counts = confusion.matrix(classes)
    shares = counts / np.maximum(confusion.scores().images[list(classes)], 1)[:, np.newaxis]
    labels = [confusion.labels[class_id] for class_id in classes]
    in_images = [[f'{n:,}' if n else '' for n in row] for row in counts.tolist()]
    in_percent = [[_percent(share) for share in row] for row in shares.tolist()]
    return [
        _matrix('Images', labels, in_images, shares),
        _matrix("Percent of the true label's images", labels, in_percent, shares),
    ]


def _percent(share: float) -> str:
    if not share:
        return ''
    return '<1' if share < 0.005 else f'{100 * share:.0f}'


def _matrix(caption: str, labels: Sequence[str], texts: Sequence[Sequence[str]], shares: np.ndarray) -> Html:
    head = [html('<th scope="col" title="{}"><span>{}</span></th>', label, label) for label in labels]
    rows = [html('<tr><th></th>{}</tr>', head)]
    for place, (label, line) in enumerate(zip(labels, texts, strict=True)):
        cells = [
            _matrix_cell(text, share, place == column)
            for column, (text, share) in enumerate(zip(line, shares[place].tolist(), strict=True))
        ]
        rows.append(html('<tr><th scope="row" title="{}">{}</th>{}</tr>', label, label, cells))
    return html(
        '<div class="wide"><table class="matrix"><caption>{}</caption>{}</table></div>', caption, rows
    )


def _matrix_cell(text: str, share: float, is_right: bool) -> Html:
    if not text:
        return html('<td></td>')
    # The square root keeps a few mistakes among many images visible.
    colour = f'rgba(var(--{"right" if is_right else "wrong"}), {0.75 * math.sqrt(share):.2f})'
    return html('<td style="background: {}">{}</td>', colour, text)


def _roc(evaluation: Evaluation) -> list[Html]:
    """Returns the curves of the labels with the smallest areas, and of all labels together."""
    if not evaluation.roc:
        return []
    labels = evaluation.trained.record.vocabulary
    areas = {n: evaluation.roc.area(n) for n in range(len(labels))}
    ranked = sorted((n for n, area in areas.items() if not math.isnan(area)), key=areas.__getitem__)
    if not ranked:
        return []
    curves: dict[str, Points] = {
        f'all labels together, area {evaluation.roc.area():.4f}': _points(evaluation.roc.curve())
    }
    for n in ranked[:_MOST_ROC_CURVES]:
        curves[f'{labels[n]}, area {areas[n]:.4f}'] = _points(evaluation.roc.curve(n))
    mean = sum(areas[n] for n in ranked) / len(ranked)
    sentence = f'The mean area under the curves of {len(ranked):,} labels is {mean:.4f}.'
    if len(ranked) > _MOST_ROC_CURVES:
        sentence += f' Shown are the {_MOST_ROC_CURVES} labels with the smallest areas.'
    return [note(sentence), _one_chart(unit_chart('true positive rate by false positive rate', curves))]


def _points(curve: np.ndarray) -> Points:
    return [(float(x), float(y)) for x, y in curve]


def _calibration(calibration: Calibration) -> list[Html]:
    bins = calibration.bins()
    if not bins:
        return []
    error = calibration.expected_error()
    name = f'expected calibration error {error:.4f}'
    marks = [
        f'probability {one.mean:.3f}, accuracy {one.accuracy:.3f}, {one.examples:,} predictions'
        for one in bins
    ]
    points = [(one.mean, one.accuracy) for one in bins]
    sentence = (
        f'The expected calibration error, the mean distance between the two, is {error:.4f}, in {len(bins)} '
        'bins with predictions.'
    )
    return [note(sentence), _one_chart(unit_chart('accuracy by probability', {name: points}, {name: marks}))]


def _one_chart(chart: Html) -> Html:
    return html('<div class="charts">{}</div>', chart)


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
