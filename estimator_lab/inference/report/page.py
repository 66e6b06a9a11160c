"""A run on one page of HTML: what a trained model knows, and what its run has written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from estimator_lab.base.errors import FlagError, option
from estimator_lab.base.outputs import check_outputs, written
from estimator_lab.base.progress import doing, warn
from estimator_lab.base.settings import settings_in_use
from estimator_lab.base.version import __version__
from estimator_lab.core.registry import MODELS
from estimator_lab.inference.evaluation import CONFUSION, METRICS, WORST, Evaluation, evaluate, metrics_table
from estimator_lab.inference.report.charts import charts
from estimator_lab.inference.report.history import EVALUATING, TRAINING, History, read_history
from estimator_lab.inference.report.html import Html, figure, frame, html, note, page, table
from estimator_lab.inference.settings import EvaluationSettings, ReportSettings
from estimator_lab.runs.trained import Trained

_NAME = 'report.html'
_SUFFIXES = ('.html', '.htm')

FURTHER = 'Further pictures'
"""The section of pictures that no model of the package draws."""

# Sections of pictures in the order of the page: the title, what the pictures show, and what their names begin
# with. A picture belongs to the first section that has a prefix of its name.
_PICTURES = (
    (CONFUSION, 'Rows are true labels, columns are predictions.', ('confusion',)),
    (WORST, 'The examples with the largest error, worst first.', ('worst',)),
    (
        'Made by the model',
        'Samples, reconstructions and paintings, an example or a chain in each column; predicted trees.',
        ('dream', 'samples', 'reconstruction', 'batch', 'painted', 'tree'),
    ),
    ('Accuracy by size or step', 'Of trees and sequences.', ('accuracy_by_', 'accuracy_after_')),
    ('Filters', 'Weights of the units of the first layer.', ('filters_', 'receptive_fields')),
    ('Activation maps', 'Activations of each filter for one example.', ('activation_map_',)),
    (
        'One example',
        'Evidence for its label, or its error: saliency, Grad-CAM, states and gradients.',
        ('inspected', 'saliency', 'grad_cam', 'states', 'gate', 'gradient', 'probability'),
    ),
    ('Input', 'Images of a batch, with their labels, as training reads them.', ('input',)),
    (FURTHER, '', ('',)),
)


@dataclass(frozen=True)
class Report:
    """A run on one page of HTML; in a notebook the page itself.

    Attributes:
      path: of the page.
      damage: what could not be read of the run, a sentence for each file.
    """

    path: Path
    damage: Sequence[str] = ()

    def text(self) -> str:
        """Returns where the page is."""
        return f'{self.path}: {self.path.stat().st_size / 1e6:.1f} MB, for any browser'

    def _repr_html_(self) -> str:
        return frame(self.path.read_text(encoding='utf-8'))


def report(run: Trained, settings: ReportSettings) -> Report:
    """Writes a run as a page of HTML; with examples, evaluates the model on them first; see `Run.report`."""
    path = settings.out or run.model_dir / _NAME
    check_outputs({'out': path}, settings.data or (), run.model_dir, run.kind.accepts, _SUFFIXES)
    if path.suffix.lower() not in _SUFFIXES and not path.is_dir():  # browsers would show it as text
        raise FlagError(f'{option.out}={path} is not a name for a page: end it in {" or ".join(_SUFFIXES)}.')
    # Opened now: a bad path fails before the evaluation.
    with written('out', path, is_typed=settings.out is not None) as file:
        doing('reading the run')
        history = read_history(run.model_dir)
        evaluation = None
        if settings.data:
            chosen = EvaluationSettings(eval_steps=settings.eval_steps, worst=settings.worst)
            evaluation = evaluate(run, run.examples(settings.data, note=warn), chosen)
        doing('drawing the page')
        file.write(report_page(run, history, evaluation).encode())
    return Report(path, history.damage)


def report_page(run: Trained, history: History, evaluation: Evaluation | None = None) -> str:
    """Returns the report as one page of HTML that refers to no other file."""
    sections = {title: parts for title, parts in _sections(run, history, evaluation) if parts}
    anchors = {title: title.lower().replace(' ', '-') for title in sections}
    body = [
        *_head(run, history, evaluation),
        html('<nav>{}</nav>', [html('<a href="#{}">{}</a>', anchors[title], title) for title in sections]),
    ]
    for title, parts in sections.items():
        body.append(html('<h2 id="{}">{}</h2>{}', anchors[title], title, parts))
    return page(f'{run.model}: {run.model_dir}', body)


def run_overview(run: Trained, history: History) -> list[Html]:
    """Returns the head of a run's report, and its curves."""
    return [*_head(run, history, None), *_curves(run, history)]


def _sections(
    run: Trained, history: History, evaluation: Evaluation | None
) -> Iterator[tuple[str, list[Html]]]:
    yield 'Learning curves', _curves(run, history)
    if evaluation:
        parts = evaluation.sections()
    else:
        ends = history.last()
        step = max((step for step, _ in ends.values()), default=0)
        metrics = {tag: value for tag, (_, value) in ends.items()}
        about = f'From the last evaluation in training, at step {step:,}.'
        parts = {METRICS: metrics_table(metrics, about)}
    yield METRICS, parts.get(METRICS, [])
    for title, about, _ in _PICTURES:
        figures = [
            figure(shown.picture, f'{name}: {shown.of or shown.line}, step {shown.step:,}', name)
            for name, shown in sorted(history.pictures.items())
            if section_of(name) == title and not (evaluation and name in ('confusion', 'worst'))
        ]
        contents = list(parts.get(title, []))
        if figures:
            contents.append(html('<div class="pictures">{}</div>', figures))
        yield title, [note(about), *contents] if contents and about else contents
    yield 'Hyper-parameters', [table(settings_in_use(run.params).items())]
    yield 'Run', [table(_run_rows(run))]
    yield 'Unreadable files', [html('<p>{}</p>', line) for line in history.damage]


def section_of(picture: str) -> str:
    """Returns the title of the section for a picture, by its name."""
    own = picture.rpartition('/')[2]
    return next(title for title, _, prefixes in _PICTURES if own.startswith(prefixes))


def _head(run: Trained, history: History, evaluation: Evaluation | None) -> Iterator[Html]:
    yield html('<h1>{}: {}</h1>', run.model, MODELS[run.model].summary)
    yield note(f'{run.model_dir} at step {run.step:,}')
    name = run.task.primary_metric
    if evaluation:
        yield html('<p class="lead">{}</p>', evaluation.headline())
    elif name in history.last():
        step, value = history.last()[name]
        curve = history.curves[name][EVALUATING]
        best = (max if run.task.higher_is_better else min)(curve, key=curve.__getitem__)
        lead = f'{name.replace("_", " ").capitalize()} {value:.4f} at step {step:,}'
        lead += '' if best == step else f'; best {curve[best]:.4f} at step {best:,}'
        yield html('<p class="lead">{}</p>', lead)


def _curves(run: Trained, history: History) -> list[Html]:
    return charts(history.curves, [run.task.primary_metric], (TRAINING, EVALUATING))


def _run_rows(run: Trained) -> Iterator[tuple[str, str]]:
    record = run.record
    yield 'examples', run.kind.noun
    if run.kind.has_pixels:
        yield 'image shape', ' x '.join(map(str, record.image_shape))
    labels = record.vocabulary
    yield 'steps', f'{run.step:,}'
    yield 'labels', f'{len(labels):,}: {", ".join(labels[:20])}' if labels else '-'
    for source in record.input.archives:
        yield 'trained on', f'{source.name} ({source.images:,} {run.kind.noun})'
    for source in record.input.evaluation:
        yield 'evaluated on', f'{source.name} ({source.images:,} {run.kind.noun})'
    for name, value in record.input.settings.items():
        if name != 'labels':
            yield name, str(value)
        elif value:
            yield 'table of labels', str(value)
    for name, version in record.versions.items():
        yield f'{name} of the training', version
    yield 'estimator_lab of this page', __version__
