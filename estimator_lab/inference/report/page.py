"""A trained model and what its run has written -> the sections of its report."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from estimator_lab import __version__
from estimator_lab.core import keys
from estimator_lab.core.display.picture import as_picture
from estimator_lab.core.metrics.confusion import Confusion
from estimator_lab.inference import metrics_text
from estimator_lab.inference.evaluation import Evaluation, Example
from estimator_lab.inference.metrics_text import images_text, worth_showing
from estimator_lab.inference.report.charts import chart
from estimator_lab.inference.report.history import EVALUATING, TRAINING, History
from estimator_lab.inference.report.html import Element, Part, element, figure, page, table
from estimator_lab.runs.model import Trained, shapes_of_variables

_MOST_CHARTS = 60
_MOST_CLASSES = 30
_MOST_PAIRS = 20
_LAST_CHARTS = (keys.LEARNING_RATE, keys.STEPS_PER_SECOND, keys.EXAMPLES_PER_SECOND)
_NO_CHARTS = (keys.EVALUATED_IMAGES, keys.UNKNOWN_LABELS, keys.UNKNOWN_TOKENS)


@dataclass(frozen=True)
class Group:
    """Pictures that stand together.

    Attributes:
      title: of their section.
      about: what they show, in a sentence.
      names: what their names begin with.
    """

    title: str
    about: str
    names: tuple[str, ...]


_GROUPS = (
    Group('Confusion', 'Rows are true labels, columns what was said.', ('confusion',)),
    Group('Worst examples', 'What the model does worst on, the very worst first.', ('worst',)),
    Group(
        'Made by the model',
        'Dreams, samples, reconstructions: in each column, downwards, what becomes of one example or of one '
        'beginning.',
        ('dream', 'samples', 'reconstruction', 'walk', 'batch', 'tree'),
    ),
    Group(
        'Filters',
        'What the units of the first layer look for, each stretched from black to white.',
        ('filters_', 'receptive_fields'),
    ),
    Group(
        'Activation maps',
        'What each filter of a layer makes of one example, each stretched from black to white.',
        ('activation_map_',),
    ),
    Group(
        'One example',
        'Where the evidence for its label lies, or its error: saliency by pixels, Grad-CAM by the last '
        'convolution; of a sequence, states, gates and how far the gradient reaches back.',
        ('inspected', 'saliency', 'grad_cam', 'states', 'gate', 'gradient', 'probability'),
    ),
    Group('Input', 'Examples as the network sees them.', ('input',)),
    Group('Further pictures', '', ('',)),
)
"""In the order of the page; a picture belongs to the first that it fits."""


@dataclass(frozen=True)
class Examined:
    """What a report adds by looking at examples, beside what a run has written itself.

    Attributes:
      evaluation: of all examples.
      key: of the one example that was looked into; '' for none.
      pictures: what was seen there, by name.
    """

    evaluation: Evaluation
    key: str = ''
    pictures: Mapping[str, Image.Image] = field(default_factory=dict)


def report_page(trained: Trained, history: History, examined: Examined | None = None) -> str:
    """Returns the report as a page of HTML, complete in itself.

    Args:
      trained: the model.
      history: what its run has written.
      examined: what examples have shown; None for what the run knows of them.
    """
    sections = [(title, parts) for title, parts in _sections(trained, history, examined) if parts]
    anchors = {title: title.lower().replace(' ', '-') for title, _ in sections}
    links = [element('a', title, href=f'#{anchor}') for title, anchor in anchors.items()]
    body: list[Part] = [*_head(trained, history, examined), element('nav', *links)]
    for title, parts in sections:
        body += [element('h2', title, id=anchors[title]), *parts]
    return page(f'{trained.model.name}: {trained.model_dir}', body)


def _sections(
    trained: Trained, history: History, examined: Examined | None
) -> Iterator[tuple[str, list[Part]]]:
    evaluation = examined.evaluation if examined else None
    yield 'Learning curves', _curves(history, trained.model.primary_metric)
    yield 'Evaluation', _metrics(trained, history, evaluation)
    seen = set(examined.pictures) if examined else set()
    if evaluation and evaluation.confusion:
        seen |= {'confusion', 'worst'}
    for group in _GROUPS:
        parts = [
            *_of_examples(group, evaluation),
            *_of_example(group, examined),
            *_written(group, history, seen),
        ]
        if parts and group.about:
            parts.insert(0, element('p', group.about, class_='note'))
        yield group.title, parts
    yield 'Hyper-parameters', [table((), sorted(trained.record.hparams.items()))]
    yield 'Run', [table((), _run_rows(trained))]
    yield 'What cannot be read', [element('p', line) for line in history.damage]


def _head(trained: Trained, history: History, examined: Examined | None) -> Iterator[Element]:
    yield element('h1', f'{trained.model.name}: {trained.model.summary}')
    yield element('p', f'{trained.model_dir} at step {trained.step:,}', class_='note')
    name = trained.model.primary_metric
    if examined:
        found, total = examined.evaluation.metrics, examined.evaluation.images
        on = images_text(found, total, trained.kind.noun)
        yield element(
            'p', metrics_text.primary_metric_text(trained.model, found, on, trained.step), class_='lead'
        )
    elif name in history.last():
        step, value = history.last()[name]
        line = f'{name.replace("_", " ").capitalize()} {value:.4f} at step {step:,}'
        yield element('p', f'{line}{_best(trained, history)}', class_='lead')


def _best(trained: Trained, history: History) -> str:
    curve = history.curves[trained.model.primary_metric][EVALUATING]
    choose = max if trained.model.higher_is_better else min
    step = choose(curve, key=curve.__getitem__)
    return '' if step == max(curve) else f'; best {curve[step]:.4f} at step {step:,}'


def _curves(history: History, primary_metric: str) -> list[Part]:
    def rank(tag: str) -> tuple[int, str]:
        if tag in _LAST_CHARTS:
            return 3 + _LAST_CHARTS.index(tag), tag
        return {primary_metric: 0, 'loss': 1}.get(tag, 2), tag

    tags = sorted((tag for tag, lines in history.curves.items() if _is_worth_drawing(tag, lines)), key=rank)
    names = list(
        dict.fromkeys([TRAINING, EVALUATING, *(line for tag in tags for line in history.curves[tag])])
    )
    charts = [chart(tag, history.curves[tag], names) for tag in tags[:_MOST_CHARTS]]
    return [element('div', *charts, class_='charts')] if charts else []


def _is_worth_drawing(tag: str, lines: Mapping[str, Mapping[int, float]]) -> bool:
    """Whether something changes there; what never does stands among the metrics."""
    values = [value for curve in lines.values() for value in curve.values()]
    return tag not in _NO_CHARTS and (len(values) == 1 or len(set(values)) > 1)


def _metrics(trained: Trained, history: History, evaluation: Evaluation | None) -> list[Part]:
    if evaluation:
        found: Mapping[str, float] = evaluation.metrics
        of = f'Of {images_text(found, evaluation.images, trained.kind.noun)}, now, at step {trained.step:,}.'
    else:
        ends = history.last()
        found = {tag: value for tag, (_, value) in ends.items()}
        steps = [step for step, _ in ends.values()]
        of = f'Of the last evaluation in training, at step {max(steps, default=0):,}.'
    rows = [(name, _number(value)) for name, value in worth_showing(found)]
    parts: list[Part] = [element('p', of, class_='note'), table((), rows)] if rows else []
    if evaluation and evaluation.confusion:
        parts += _classes(evaluation.confusion)
    return parts


def _number(value: float) -> float | str:
    return float(f'{value:.5g}') if math.isfinite(value) else str(value)


def _classes(confusion: Confusion) -> list[Part]:
    """Returns precision and recall of each class; of many, of those with the lowest F1."""
    scores = confusion.scores()
    rows = [
        (label, images, *('-' if math.isnan(value) else _number(value) for value in three))
        for label, images, *three in zip(
            confusion.labels, scores.images.tolist(), *(column.tolist() for column in scores[1:]), strict=True
        )
        if images
    ]
    rows.sort(key=lambda row: row[4] if isinstance(row[4], float) else -1)
    head = ('label', 'images', 'precision', 'recall', 'F1')
    shown = element('h3', f'The {_MOST_CLASSES} labels with the lowest F1, of {len(rows):,}')
    many: list[Part] = [shown] if len(rows) > _MOST_CLASSES else []
    return [*many, element('p'), table(head, rows[:_MOST_CLASSES])]


def _of_examples(group: Group, evaluation: Evaluation | None) -> list[Part]:
    """Returns what an evaluation says in the place of a picture of the run."""
    if evaluation is None:
        return []
    makers: dict[str, Callable[[Evaluation], list[Part]]] = {'confusion': _confusion, 'worst': _worst}
    return makers[group.names[0]](evaluation) if group.names[0] in makers else []


def _confusion(evaluation: Evaluation) -> list[Part]:
    confusion = evaluation.confusion
    if confusion is None:
        return []
    classes = confusion.most_confused_classes(_MOST_CLASSES)
    parts: list[Part] = []
    if len(classes) < len(confusion.labels):
        title = f'The {len(classes)} labels with the most mistakes, of {len(confusion.labels):,}'
        parts.append(element('p', title, class_='note'))
    parts.append(_matrix(confusion, classes))
    pairs = confusion.confused()[:_MOST_PAIRS]
    if pairs:
        labels = confusion.labels
        rows = [(labels[pair.true], labels[pair.predicted], pair.images) for pair in pairs]
        parts += [element('h3', 'The most frequent mistakes'), table(('is', 'seen as', 'images'), rows)]
    return parts


def _matrix(confusion: Confusion, classes: Sequence[int]) -> Element:
    matrix, labels = confusion.matrix(classes), [confusion.labels[class_id] for class_id in classes]
    head = element('tr', element('th'), *(element('th', label, scope='col') for label in labels))
    rows = []
    for row, label in enumerate(labels):
        whole = max(int(matrix[row].sum()), 1)
        cells = [
            _cell(int(images), int(images) / whole, row == column)
            for column, images in enumerate(matrix[row])
        ]
        rows.append(element('tr', element('th', label, scope='row'), *cells))
    return element('div', element('table', head, *rows, class_='matrix'), class_='wide')


def _cell(images: int, share: float, right: bool) -> Element:
    if not images:
        return element('td')
    colour = 'right' if right else 'wrong'
    # A root, so that few mistakes among many images can be seen.
    style = f'background: rgba(var(--{colour}), {0.75 * math.sqrt(share):.2f})'
    return element('td', f'{images:,}', style=style)


def _worst(evaluation: Evaluation) -> list[Part]:
    tiles = [
        figure(as_picture(example.image), *_captions(example))
        if example.image is not None
        else element('figure', element('figcaption', _captions(example)[0]))
        for example in evaluation.worst
    ]
    return [element('div', *tiles, class_='tiles')] if tiles else []


def _captions(example: Example) -> tuple[str, str]:
    """Returns what stands below an example, and what is read out in its place."""
    name = example.key.rpartition(':')[2]
    if not example.true:
        return f'error {example.badness:.4g}; {name}', name
    said = f'is {example.true}, seen as {example.predicted} {example.probability:.2f}'
    return f'{said}; {name}', said


def _of_example(group: Group, examined: Examined | None) -> list[Part]:
    """Returns what was seen in the one example that was looked into."""
    if examined is None:
        return []
    mine = {name: shown for name, shown in examined.pictures.items() if _group_of(name) is group}
    figures = [figure(shown, f'{name}: {examined.key}', name) for name, shown in mine.items()]
    return [element('div', *figures, class_='pictures')] if figures else []


def _written(group: Group, history: History, seen: Collection[str]) -> list[Part]:
    """Returns the pictures of the run that nothing newer stands for.

    Args:
      group: of the pictures.
      history: of the run.
      seen: names of the newer ones.
    """
    figures = [
        figure(shown.picture, f'{name}: {shown.line}, step {shown.step:,}', name)
        for name, shown in sorted(history.pictures.items())
        if name not in seen and _group_of(name) is group
    ]
    return [element('div', *figures, class_='pictures')] if figures else []


def _group_of(name: str) -> Group:
    own = name.rpartition('/')[2]
    return next(group for group in _GROUPS if own.startswith(group.names))


def _run_rows(trained: Trained) -> Iterator[tuple[str, str]]:
    record = trained.record
    shapes = shapes_of_variables(trained.module, trained.estimator_params, trained.reader)
    yield 'variables', f'{sum(math.prod(shape) for shape in shapes.values()):,} numbers in {len(shapes)}'
    yield 'examples', trained.kind.noun
    if record.kind == 'image':
        yield 'image shape', ' x '.join(map(str, record.image_shape))
    yield (
        'labels',
        f'{len(record.vocabulary):,}: {", ".join(record.vocabulary[:20])}' if record.vocabulary else '-',
    )
    for leg in record.input.legs[-1:]:
        for source in leg.newest_sources:
            yield 'trained on', f'{source.name} ({source.images:,} {trained.kind.noun})'
    for source in record.input.evaluation:
        yield 'evaluated on', f'{source.name} ({source.images:,} {trained.kind.noun})'
    yield from ((name, str(value)) for name, value in record.input.settings.items())
    yield from ((f'{name} of the training', version) for name, version in record.versions.items())
    yield 'estimator_lab of this page', __version__
