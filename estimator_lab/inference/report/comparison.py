"""Several runs on one page: their curves in the same charts, their metrics, and the settings that differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from estimator_lab.base.settings import settings_in_use
from estimator_lab.inference.evaluation import Evaluation
from estimator_lab.inference.report.charts import charts
from estimator_lab.inference.report.history import EVALUATING, TRAINING, History
from estimator_lab.inference.report.html import html, page, shown_number, table
from estimator_lab.runs.metrics_text import worth_showing
from estimator_lab.runs.model import Trained

_BOTH = 3  # runs, up to which a chart has the curve of training as well as that of evaluation

Compared = tuple[Trained, History]
"""A model, and what its run has written."""


def comparison_page(runs: Sequence[Compared], evaluations: Sequence[Evaluation] = ()) -> str:
    """Returns the page, which refers to no other file.

    Args:
      runs: the models with what their runs have written, at least two.
      evaluations: of the same models on the same examples; () for none.
    """
    names = [str(trained.model_dir) for trained, _ in runs]
    metrics = list(dict.fromkeys(trained.task.primary_metric for trained, _ in runs))
    sections = {
        'Learning curves': charts(_curves(runs), metrics, names),
        'Metrics': [
            html('<p class="note">{}</p>', 'Those of the last evaluation in training.'),
            table(('', *names), _metric_rows(runs, metrics)),
        ],
        'Evaluation': [table(('', *names), _evaluation_rows(evaluations))] if evaluations else [],
        'Settings that differ': [
            table(('', *names), _differing([_settings(trained) for trained, _ in runs]))
        ],
        'Unreadable files': [html('<p>{}</p>', line) for _, history in runs for line in history.damage],
    }
    body = [html('<h1>{} runs side by side</h1>', len(runs))]
    for title, parts in sections.items():
        if parts:
            body.append(html('<h2>{}</h2>{}', title, parts))
    return page(', '.join(names), body)


def _curves(runs: Sequence[Compared]) -> dict[str, dict[str, Mapping[int, float]]]:
    """Returns tag -> name of the curve -> step -> value: the name of a run is that of its evaluation."""
    found: dict[str, dict[str, Mapping[int, float]]] = {}
    for trained, history in runs:
        run = str(trained.model_dir)
        for tag, lines in history.curves.items():
            for line, curve in lines.items():
                if line == EVALUATING or len(lines) == 1:
                    name = run
                elif line == TRAINING and len(runs) <= _BOTH:
                    name = f'{run}, {line}'
                else:
                    continue
                found.setdefault(tag, {})[name] = curve
    return found


def _metric_rows(runs: Sequence[Compared], first: Sequence[str]) -> list[tuple[Any, ...]]:
    """Returns the rows of the table: the primary metrics, their best values, and all others."""
    ends = [history.last() for _, history in runs]
    last = [dict(worth_showing({tag: value for tag, (_, value) in end.items()})) for end in ends]
    rows: list[tuple[Any, ...]] = [
        ('model', *(trained.model.name for trained, _ in runs)),
        ('step', *(trained.step for trained, _ in runs)),
    ]
    names = [*first, *(name for one in last for name in one)]
    for name in dict.fromkeys(names):
        rows.append((name, *(shown_number(one[name]) if name in one else None for one in last)))
        if name in first:
            rows.append((f'best {name}', *(_best(*run, name) for run in runs)))
    return rows


def _evaluation_rows(evaluations: Sequence[Evaluation]) -> list[tuple[Any, ...]]:
    """Returns the rows of the table of the models' metrics on the same examples."""
    found = [dict(worth_showing(evaluation.metrics)) for evaluation in evaluations]
    names = dict.fromkeys(name for one in found for name in one)
    return [
        ('examples', *(evaluation.images for evaluation in evaluations)),
        *((name, *(shown_number(one[name]) if name in one else None for one in found)) for name in names),
    ]


def _best(trained: Trained, history: History, name: str) -> str | None:
    curve = history.curves.get(name, {}).get(EVALUATING)
    if not curve or name != trained.task.primary_metric:
        return None
    choose = max if trained.task.higher_is_better else min
    step = choose(curve, key=curve.__getitem__)
    return f'{shown_number(curve[step])} at step {step:,}'


def _settings(trained: Trained) -> dict[str, str]:
    """Returns what decided how a model was trained, as texts by name."""
    record = trained.record
    sources = {
        'trained on': [source.name for source in record.input.archives],
        'evaluated on': [source.name for source in record.input.evaluation],
    }
    values = {
        'model': record.model,
        **settings_in_use(trained.params),
        'frozen layers': ', '.join(trained.params.frozen),
        'batches of an update': trained.params.accumulate,
        'steps of the schedule': trained.params.train_steps,
        'image_shape': ' x '.join(map(str, record.image_shape)) if trained.kind.has_pixels else '',
        'labels': len(record.vocabulary),
        'decode': record.decode,
        **record.input.settings,
        **{name: ', '.join(of) for name, of in sources.items()},
        **{f'{name} of the training': version for name, version in record.versions.items()},
    }
    return {name: str(value) for name, value in values.items()}


def _differing(settings: Sequence[Mapping[str, str]]) -> list[tuple[str, ...]]:
    """Returns (name, value of each run) of the settings that are not the same in all of them."""
    names = dict.fromkeys(name for one in settings for name in one)
    rows = [(name, *(one.get(name, '') for one in settings)) for name in names]
    return [row for row in rows if len(set(row[1:])) > 1] or [('none', *('' for _ in settings))]
