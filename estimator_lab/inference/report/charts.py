"""Curves as SVG in the colours of the report's page."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from estimator_lab.core.display.ticks import round_ticks, tick_texts, wide_enough
from estimator_lab.core.model import keys
from estimator_lab.inference.report.html import Html, html

_MOST_CHARTS = 60
_LAST_CHARTS = (keys.LEARNING_RATE, keys.STEPS_PER_SECOND, keys.EXAMPLES_PER_SECOND)
_NO_CHARTS = (keys.TOTAL_EXAMPLES, keys.UNKNOWN_LABELS, keys.UNKNOWN_TOKENS)

_WIDTH, _HEIGHT = 440, 230
_LEFT, _TOP, _RIGHT, _BOTTOM = 58, 28, 24, 24
_COLOURS = 6
_MOST_POINTS = 400  # drawn of a curve
_MARKED = 40  # points of a curve, up to which each has a mark that shows its value

Span = tuple[float, float]
Curve = Mapping[int, float]


def charts(
    curves: Mapping[str, Mapping[str, Curve]], first: Sequence[str], names: Sequence[str]
) -> list[Html]:
    """Returns a chart for each quantity that changes; constant ones are listed among the metrics.

    Args:
      curves: quantity -> name of a curve -> global step -> value.
      first: the quantities that come first, before the loss.
      names: of the curves with the first colours.
    """
    order = [*first, 'loss']

    def rank(tag: str) -> tuple[int, str]:
        if tag in _LAST_CHARTS:
            return len(order) + 1 + _LAST_CHARTS.index(tag), tag
        return order.index(tag) if tag in order else len(order), tag

    tags = sorted((tag for tag, lines in curves.items() if _is_worth_drawing(tag, lines)), key=rank)
    names = list(dict.fromkeys([*names, *(line for tag in tags for line in curves[tag])]))
    drawn = [chart(tag, curves[tag], names) for tag in tags[:_MOST_CHARTS]]
    return [html('<div class="charts">{}</div>', drawn)] if drawn else []


def _is_worth_drawing(tag: str, lines: Mapping[str, Curve]) -> bool:
    values = [value for curve in lines.values() for value in curve.values()]
    return tag not in _NO_CHARTS and (len(values) == 1 or len(set(values)) > 1)


def chart(title: str, lines: Mapping[str, Curve], names: Sequence[str] = ()) -> Html:
    """Returns the curves of one quantity in a figure with a legend.

    Args:
      title: name of the quantity.
      lines: name of a curve -> global step -> value; every curve has a value, all values are finite.
      names: names of all curves on the page: equal names get equal colours.
    """
    names = [*names, *(name for name in lines if name not in names)]
    colours = {name: f'var(--c{number % _COLOURS})' for number, name in enumerate(names)}
    steps = [step for curve in lines.values() for step in curve]
    values = [value for curve in lines.values() for value in curve.values()]
    across = float(min(steps)), float(max(max(steps), min(steps) + 1))
    ticks = round_ticks(*wide_enough(min(values), max(values)))
    up = ticks[0], ticks[-1]
    return html(
        '<figure><svg viewBox="0 0 {} {}" role="img" aria-label="{} by global step: {}">{}'
        '<text x="{}" y="16" class="title">{}</text>{}</svg><div class="legend">{}</div></figure>',
        *(_WIDTH, _HEIGHT, title, ', '.join(lines), _grid(across, ticks), _LEFT, title),
        [_curve(name, thinned(curve), across, up, colours[name]) for name, curve in lines.items()],
        [_legend(name, curve, colours[name]) for name, curve in lines.items()],
    )


def thinned(curve: Curve, most: int = _MOST_POINTS) -> list[tuple[int, float]]:
    """Returns the points of a curve by step; of too many points, the lowest and highest of each stretch."""
    points = sorted(curve.items())
    if len(points) <= most:
        return points
    kept = {0, len(points) - 1}
    for stretch in np.array_split(np.arange(len(points)), max(most // 2 - 1, 1)):
        ranked = sorted(stretch.tolist(), key=lambda place: points[place][1])
        kept |= {ranked[0], ranked[-1]}
    return [points[place] for place in sorted(kept)]


def _place(point: Span, across: Span, up: Span) -> tuple[float, float]:
    """Returns the pixel of (step, value)."""
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    x = _LEFT + width * _share(point[0], across)
    return round(x, 1), round(_TOP + height * (1 - _share(point[1], up)), 1)


def _share(value: float, span: Span) -> float:
    # Halves, because the difference of two huge floats overflows.
    return (value / 2 - span[0] / 2) / (span[1] / 2 - span[0] / 2)


def _grid(across: Span, ticks: list[float]) -> Iterator[Html]:
    up = ticks[0], ticks[-1]
    for value, text in zip(ticks, tick_texts(ticks), strict=True):
        _, y = _place((across[0], value), across, up)
        yield html(
            '<line x1="{}" x2="{}" y1="{}" y2="{}" class="grid"/>'
            '<text x="{}" y="{}" text-anchor="end">{}</text>',
            *(_LEFT, _WIDTH - _RIGHT, y, y, _LEFT - 6, y + 4, text),
        )
    steps = [step for step in round_ticks(*across) if across[0] <= step <= across[1] and step == int(step)]
    for step in steps:
        x, _ = _place((step, up[0]), across, up)
        yield html('<text x="{}" y="{}" text-anchor="middle">{}</text>', x, _HEIGHT - 8, f'{step:,.0f}')


def _curve(name: str, points: Sequence[tuple[int, float]], across: Span, up: Span, colour: str) -> Html:
    places = [_place(point, across, up) for point in points]
    line = 'M' + 'L'.join(f'{x},{y}' for x, y in places)
    marks = [
        html(
            '<circle cx="{}" cy="{}" r="3" style="fill: {}"><title>{}, step {}: {}</title></circle>',
            *(x, y, colour, name, step, f'{value:.6g}'),
        )
        for (step, value), (x, y) in zip(points, places, strict=True)
    ]
    return html('<path d="{}" style="stroke: {}"/>{}', line, colour, marks if len(points) <= _MARKED else '')


def _legend(name: str, curve: Curve, colour: str) -> Html:
    last = max(curve)
    text = f'{name}, {curve[last]:.4g} at step {last:,}'
    return html('<span><i style="background: {}"></i>{}</span>', colour, text)
