"""The sections of a run's report: what a trained model knows, and what its run has written."""

import math
from collections.abc import Collection, Iterator, Mapping

from estimator_lab import __version__
from estimator_lab.base.settings import settings_in_use
from estimator_lab.inference.evaluation import Evaluation
from estimator_lab.inference.report.charts import charts
from estimator_lab.inference.report.evaluated import (
    CONFUSION,
    WORST,
    class_table,
    evaluation_parts,
)
from estimator_lab.inference.report.history import EVALUATING, TRAINING, History
from estimator_lab.inference.report.html import Html, figure, html, note, page, shown_number, table
from estimator_lab.models.registry import MODELS
from estimator_lab.runs.metrics_text import images_text, primary_metric_text, worth_showing
from estimator_lab.runs.model import Trained, shapes_of_variables

# Sections of pictures in the order of the page: the title, what the pictures show, and what their names begin
# with. A picture belongs to the first section that has a prefix of its name.
_PICTURES = (
    (CONFUSION, 'Rows are true labels, columns are predictions.', ('confusion',)),
    (WORST, 'The examples with the largest error, worst first.', ('worst',)),
    (
        'Made by the model',
        'Samples and reconstructions. Each column shows, from top to bottom, one example or one chain.',
        ('dream', 'samples', 'reconstruction', 'batch'),
    ),
    (
        'Trees',
        'The predicted label of each node, darker for a higher probability, red if it is wrong.',
        ('tree',),
    ),
    (
        'Accuracy by size or step',
        'Accuracy by depth and length of trees, or if a sequence ended at each step.',
        ('accuracy_by_', 'accuracy_after_'),
    ),
    (
        'Filters',
        'Weights of the units of the first layer, each scaled to the range from black to white.',
        ('filters_', 'receptive_fields'),
    ),
    (
        'Activation maps',
        'Activations of each filter for one example, each scaled to the range from black to white.',
        ('activation_map_',),
    ),
    (
        'One example',
        'Evidence for its label, or its error: saliency by pixel, and Grad-CAM of the last convolution; for '
        'a sequence, its states, its gates and how far back the gradient reaches.',
        ('inspected', 'saliency', 'grad_cam', 'states', 'gate', 'gradient', 'probability'),
    ),
    ('Input', 'Examples as the network sees them.', ('input',)),
    ('Further pictures', '', ('',)),
)


def report_page(trained: Trained, history: History, evaluation: Evaluation | None = None) -> str:
    """Returns the report as one page of HTML that refers to no other file.

    Args:
      trained: the model.
      history: what its run has written.
      evaluation: of examples for the report; None to show only what the run has written.
    """
    sections = {title: parts for title, parts in _sections(trained, history, evaluation) if parts}
    anchors = {title: title.lower().replace(' ', '-') for title in sections}
    body = [
        *_head(trained, history, evaluation),
        html('<nav>{}</nav>', [html('<a href="#{}">{}</a>', anchors[title], title) for title in sections]),
    ]
    for title, parts in sections.items():
        body.append(html('<h2 id="{}">{}</h2>{}', anchors[title], title, parts))
    return page(f'{trained.model.name}: {trained.model_dir}', body)


def evaluation_sections(evaluation: Evaluation) -> list[Html]:
    """Returns the metrics of an evaluation, its confusion and its worst examples."""
    parts = _metrics(evaluation.trained, History(), evaluation)
    for title, found in evaluation_parts(evaluation).items():
        parts += [html('<h2>{}</h2>', title), *found] if found else []
    return parts


def run_overview(trained: Trained, history: History) -> list[Html]:
    """Returns the head of a run's report, and its curves."""
    return [*_head(trained, history, None), *_curves(trained, history)]


def _curves(trained: Trained, history: History) -> list[Html]:
    return charts(history.curves, [trained.task.primary_metric], (TRAINING, EVALUATING))


def _sections(
    trained: Trained, history: History, evaluation: Evaluation | None
) -> Iterator[tuple[str, list[Html]]]:
    yield 'Learning curves', _curves(trained, history)
    yield 'Evaluation', _metrics(trained, history, evaluation)
    parts = evaluation_parts(evaluation) if evaluation else {}
    newer = ('confusion', 'worst') if evaluation else ()
    figures: dict[str, list[Html]] = {}
    for title, shown in _figures(history, newer):
        figures.setdefault(title, []).append(shown)
    for title, about, _ in _PICTURES:
        found = parts.get(title, [])
        if title in figures:
            found = [*found, html('<div class="pictures">{}</div>', figures[title])]
        yield title, [note(about), *found] if found and about else found
    yield 'Hyper-parameters', [table((), settings_in_use(trained.params).items())]
    yield 'Run', [table((), _run_rows(trained))]
    yield 'Unreadable files', [html('<p>{}</p>', line) for line in history.damage]


def _head(trained: Trained, history: History, evaluation: Evaluation | None) -> Iterator[Html]:
    yield html('<h1>{}: {}</h1>', trained.model.name, MODELS[trained.model.name].summary)
    yield note(f'{trained.model_dir} at step {trained.step:,}')
    name, lead = trained.task.primary_metric, ''
    if evaluation:
        on = images_text(evaluation.metrics, evaluation.images, trained.kind.noun)
        lead = primary_metric_text(trained.task, evaluation.metrics, on, trained.step)
    elif name in history.last():
        step, value = history.last()[name]
        line = f'{name.replace("_", " ").capitalize()} {value:.4f} at step {step:,}'
        lead = f'{line}{_best(trained, history)}'
    if lead:
        yield html('<p class="lead">{}</p>', lead)


def _best(trained: Trained, history: History) -> str:
    curve = history.curves[trained.task.primary_metric][EVALUATING]
    choose = max if trained.task.higher_is_better else min
    step = choose(curve, key=curve.__getitem__)
    return '' if step == max(curve) else f'; best {curve[step]:.4f} at step {step:,}'


def _metrics(trained: Trained, history: History, evaluation: Evaluation | None) -> list[Html]:
    if evaluation:
        found: Mapping[str, float] = evaluation.metrics
        on = images_text(found, evaluation.images, trained.kind.noun)
        about = f'Evaluated on {on}, at step {trained.step:,}.'
    else:
        ends = history.last()
        found = {tag: value for tag, (_, value) in ends.items()}
        step = max((step for step, _ in ends.values()), default=0)
        about = f'From the last evaluation in training, at step {step:,}.'
    rows = [(name, shown_number(value)) for name, value in worth_showing(found)]
    parts = [note(about), table((), rows)] if rows else []
    if evaluation and evaluation.confusion:
        parts += class_table(evaluation)
    return parts


def _figures(history: History, newer: Collection[str]) -> Iterator[tuple[str, Html]]:
    """Yields (section, figure) of the run's pictures that are not in `newer`."""
    for name, shown in sorted(history.pictures.items()):
        if name not in newer:
            yield _section_of(name), figure(shown.picture, f'{name}: {shown.line}, step {shown.step:,}', name)


def _section_of(name: str) -> str:
    own = name.rpartition('/')[2]
    return next(title for title, _, prefixes in _PICTURES if own.startswith(prefixes))


def _run_rows(trained: Trained) -> Iterator[tuple[str, str]]:
    record = trained.record
    shapes = shapes_of_variables(trained.model, trained.params, trained.reader)
    yield 'variables', f'{sum(math.prod(shape) for shape in shapes.values()):,} numbers in {len(shapes)}'
    yield 'examples', trained.kind.noun
    if trained.kind.has_pixels:
        yield 'image shape', ' x '.join(map(str, record.image_shape))
    yield (
        'labels',
        f'{len(record.vocabulary):,}: {", ".join(record.vocabulary[:20])}' if record.vocabulary else '-',
    )
    for source in record.input.archives:
        yield 'trained on', f'{source.name} ({source.images:,} {trained.kind.noun})'
    for source in record.input.evaluation:
        yield 'evaluated on', f'{source.name} ({source.images:,} {trained.kind.noun})'
    yield from ((name, str(value)) for name, value in record.input.settings.items())
    if trained.params.accumulate > 1:
        yield 'batches of an update', str(trained.params.accumulate)
    if trained.params.frozen:
        yield 'frozen layers', ', '.join(trained.params.frozen)
    yield from ((f'{name} of the training', version) for name, version in record.versions.items())
    yield 'estimator_lab of this page', __version__
