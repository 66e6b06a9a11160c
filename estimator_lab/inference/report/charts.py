"""Curves as SVG in the colours of the report's page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from estimator_lab.core import keys
from estimator_lab.inference.report.html import Html, html
from estimator_lab.inference.report.ticks import round_ticks, tick_texts, wide_enough

_MOST_CHARTS = 60
_LAST_CHARTS = (keys.LEARNING_RATE, keys.STEPS_PER_SECOND, keys.EXAMPLES_PER_SECOND)
_NO_CHARTS = (keys.TOTAL_EXAMPLES, keys.UNKNOWN_LABELS, keys.UNKNOWN_TOKENS)

_WIDTH, _HEIGHT = 440, 230
_LEFT, _TOP, _RIGHT, _BOTTOM = 58, 28, 24, 24
_COLOURS = 6
_MOST_POINTS = 400  # drawn of a curve
_MARKED = 40  # points of a curve, up to which each has a mark that shows its value

Curve = Mapping[int, float]


class _Axes(NamedTuple):
    """Ticks of the horizontal and the vertical axis, ascending, and where the axes begin and end."""

    across: Sequence[float]
    up: Sequence[float]
    ends: tuple[float, float]
    height: int = _HEIGHT

    def place(self, point: tuple[float, float]) -> tuple[float, float]:
        """Returns the pixel of (x, y)."""
        width, height = _WIDTH - _LEFT - _RIGHT, self.height - _TOP - _BOTTOM
        x = _LEFT + width * _share(point[0], *self.ends)
        return round(x, 1), round(_TOP + height * (1 - _share(point[1], self.up[0], self.up[-1])), 1)


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
    colours = _colours(names)
    steps = [step for curve in lines.values() for step in curve]
    values = [value for curve in lines.values() for value in curve.values()]
    ends = float(min(steps)), float(max(max(steps), min(steps) + 1))
    whole = [step for step in round_ticks(*ends) if ends[0] <= step <= ends[1] and step == int(step)]
    axes = _Axes(whole, round_ticks(*wide_enough(min(values), max(values))), ends)
    curves = [
        _curve([(f'{name}, step {x}: {y:.6g}', (x, y)) for x, y in thinned(curve)], axes, colours[name])
        for name, curve in lines.items()
    ]
    legend = [
        (f'{name}, {curve[max(curve)]:.4g} at step {max(curve):,}', colours[name])
        for name, curve in lines.items()
    ]
    texts = [f'{step:,.0f}' for step in whole]
    return _figure(title, f'{title} by global step: {", ".join(lines)}', axes, texts, curves, legend)


def _colours(names: Sequence[str]) -> dict[str, str]:
    return {name: f'var(--c{number % _COLOURS})' for number, name in enumerate(names)}


def _figure(
    title: str,
    about: str,
    axes: _Axes,
    texts: Sequence[str],
    curves: Sequence[Html],
    legend: Sequence[tuple[str, str]],
) -> Html:
    """Returns a chart with its legend.

    Args:
      title: of the chart.
      about: the same for people who do not see it.
      axes: its axes.
      texts: of the ticks of the horizontal axis.
      curves: markup of the curves.
      legend: (text, colour) of each curve.
    """
    return html(
        '<figure><svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}'
        '<text x="{}" y="16" class="title">{}</text>{}</svg><div class="legend">{}</div></figure>',
        *(_WIDTH, axes.height, about, _grid(axes, texts), _LEFT, title, curves),
        [html('<span><i style="background: {}"></i>{}</span>', colour, text) for text, colour in legend],
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


def _share(value: float, low: float, high: float) -> float:
    # Halves, because the difference of two huge floats overflows.
    return (value / 2 - low / 2) / (high / 2 - low / 2)


def _grid(axes: _Axes, texts: Sequence[str]) -> Iterator[Html]:
    for value, text in zip(axes.up, tick_texts(list(axes.up)), strict=True):
        _, y = axes.place((axes.ends[0], value))
        yield html(
            '<line x1="{}" x2="{}" y1="{}" y2="{}" class="grid"/>'
            '<text x="{}" y="{}" text-anchor="end">{}</text>',
            *(_LEFT, _WIDTH - _RIGHT, y, y, _LEFT - 6, y + 4, text),
        )
    for value, text in zip(axes.across, texts, strict=True):
        x, _ = axes.place((value, axes.up[0]))
        yield html('<text x="{}" y="{}" text-anchor="middle">{}</text>', x, axes.height - 8, text)


def _curve(points: Sequence[tuple[str, tuple[float, float]]], axes: _Axes, colour: str) -> Html:
    """Returns a curve; up to 40 points that have texts are marked, and show their texts."""
    places = [axes.place(point) for _, point in points]
    line = 'M' + 'L'.join(f'{x},{y}' for x, y in places)
    marks = [
        html('<circle cx="{}" cy="{}" r="3" style="fill: {}"><title>{}</title></circle>', x, y, colour, text)
        for (text, _), (x, y) in zip(points, places, strict=True)
        if text
    ]
    return html('<path d="{}" style="stroke: {}"/>{}', line, colour, marks if len(points) <= _MARKED else '')
