"""Curves as SVG in the colours of the report's page."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from estimator_lab.core import keys
from estimator_lab.inference.report.html import Html, html

_MOST_CHARTS = 60
_LAST_CHARTS = (keys.LEARNING_RATE, keys.STEPS_PER_SECOND, keys.EXAMPLES_PER_SECOND)
_NO_CHARTS = (keys.TOTAL_EXAMPLES, keys.UNKNOWN_LABELS, keys.UNKNOWN_TOKENS)

_WIDTH, _HEIGHT = 440, 230
_LEFT, _TOP, _RIGHT, _BOTTOM = 58, 28, 24, 24
_COLOURS = 6
_MOST_POINTS = 400  # drawn of a curve
_MARKED = 40  # points of a curve, up to which each has a mark that shows its value

_MULTIPLES = (1, 2, 2.5, 5, 10)
_NEAR = 1e-12  # difference of two numbers, as a share of them, with no round numbers between
_SLACK = 1e-9  # of a step, for rounding errors

Curve = Mapping[int, float]


def charts(
    curves: Mapping[str, Mapping[str, Curve]], first: Sequence[str], names: Sequence[str]
) -> list[Html]:
    """Returns a chart for each quantity that changes; constant ones are listed among the metrics.

    `first` are the quantities that come before the loss, `names` the curves with the first colours.
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

    `lines` are curves by name, each with a value, all of which are finite; `names` are those of all curves on
    the page: equal names get equal colours.
    """
    names = [*names, *(name for name in lines if name not in names)]
    colours = {name: f'var(--c{number % _COLOURS})' for number, name in enumerate(names)}
    steps = [step for curve in lines.values() for step in curve]
    values = [value for curve in lines.values() for value in curve.values()]
    ends = float(min(steps)), float(max(max(steps), min(steps) + 1))
    axes = _Axes(ends, round_ticks(min(values), max(values)))
    newest = {
        name: f'{name}, {curve[max(curve)]:.4g} at step {max(curve):,}' for name, curve in lines.items()
    }
    legend = [
        html('<span><i style="background: {}"></i>{}</span>', colours[name], text)
        for name, text in newest.items()
    ]
    return html(
        '<figure><svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}'
        '<text x="{}" y="16" class="title">{}</text>{}</svg><div class="legend">{}</div></figure>',
        _WIDTH,
        _HEIGHT,
        f'{title} by global step: {", ".join(lines)}',
        axes.grid(),
        _LEFT,
        title,
        [axes.curve(name, curve, colours[name]) for name, curve in lines.items()],
        legend,
    )


@dataclass(frozen=True)
class _Axes:
    """The axes of a chart: where the horizontal one begins and ends, and the ticks of the vertical one."""

    ends: tuple[float, float]
    up: Sequence[float]

    def place(self, step: float, value: float) -> tuple[float, float]:
        """Returns the pixel of a point."""
        x = _LEFT + (_WIDTH - _LEFT - _RIGHT) * _share(step, *self.ends)
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - _share(value, self.up[0], self.up[-1]))
        return round(x, 1), round(y, 1)

    def grid(self) -> Iterator[Html]:
        """Yields the lines and texts of the ticks."""
        for value in self.up:
            _, y = self.place(self.ends[0], value)
            right, text = _WIDTH - _RIGHT, f'{value:.6g}'
            yield html('<line x1="{}" x2="{}" y1="{}" y2="{}" class="grid"/>', _LEFT, right, y, y)
            yield html('<text x="{}" y="{}" text-anchor="end">{}</text>', _LEFT - 6, y + 4, text)
        for step in round_ticks(*self.ends):
            if self.ends[0] <= step <= self.ends[1] and step == int(step):
                x, _ = self.place(step, self.up[0])
                text = f'{step:,.0f}'
                yield html('<text x="{}" y="{}" text-anchor="middle">{}</text>', x, _HEIGHT - 8, text)

    def curve(self, name: str, curve: Curve, colour: str) -> Html:
        """Returns a curve; up to 40 points are marked, and show their values."""
        points = [(step, value, *self.place(step, value)) for step, value in thinned(curve)]
        mark = '<circle cx="{}" cy="{}" r="3" style="fill: {}"><title>{}</title></circle>'
        marks = [
            html(mark, x, y, colour, f'{name}, step {step}: {value:.6g}') for step, value, x, y in points
        ]
        line = 'M' + 'L'.join(f'{x},{y}' for *_, x, y in points)
        return html(
            '<path d="{}" style="stroke: {}"/>{}', line, colour, marks if len(points) <= _MARKED else ''
        )


def thinned(curve: Curve) -> list[tuple[int, float]]:
    """Returns the points of a curve by step; of too many points, the lowest and highest of each stretch."""
    points = sorted(curve.items())
    if len(points) <= _MOST_POINTS:
        return points
    kept = {0, len(points) - 1}
    for stretch in np.array_split(np.arange(len(points)), _MOST_POINTS // 2 - 1):
        ranked = sorted(stretch.tolist(), key=lambda place: points[place][1])
        kept |= {ranked[0], ranked[-1]}
    return [points[place] for place in sorted(kept)]


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low)


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Returns evenly spaced round numbers: the first is `low` or less, the last is `high` or more.

    Examples:
        >>> round_ticks(0.0312, 0.803)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]

    Args:
      low: smallest value on the axis, a float32 as in summaries.
      high: largest value; for equal ones the axis begins or ends at 0.
      most: intervals between the two values, at most.
    """
    if high == low:
        low, high = (min(low, 0.0), max(high, 0.0)) if low else (0.0, 1.0)
    apart = (high - low) / most
    if apart <= _NEAR * max(abs(low), abs(high)):
        return [low, high]
    magnitude = 10.0 ** math.floor(math.log10(apart))
    step = next(times * magnitude for times in _MULTIPLES if times * magnitude >= apart * (1 - _SLACK))
    first, last = math.floor(low / step + _SLACK), math.ceil(high / step - _SLACK)
    digits = 2 - math.floor(math.log10(step))  # of a step of 2.5
    return [round(number * step, digits) for number in range(first, last + 1)]
