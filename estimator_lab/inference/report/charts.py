"""Curves as SVG within a page of HTML, drawn in the colours of the page."""

from collections.abc import Mapping, Sequence

import numpy as np

from estimator_lab.inference.report.html import Element, element

_WIDTH, _HEIGHT = 440, 230
_LEFT, _TOP, _RIGHT, _BOTTOM = 58, 28, 12, 24
_COLOURS = 6
_TICKS = 4
_MOST_POINTS = 400  # drawn of a curve
_MARKED = 40  # points of a curve of which each has a mark that tells its value


def chart(title: str, lines: Mapping[str, Mapping[int, float]], names: Sequence[str] = ()) -> Element:
    """Returns the curves of one quantity in a figure, with a legend.

    Args:
      title: its name.
      lines: name of a curve -> global step -> value; all values are finite, each curve has one at least.
      names: of all curves on a page, of which each has a colour of its own there.
    """
    names = [*names, *(name for name in lines if name not in names)]
    colours = {name: f'var(--c{number % _COLOURS})' for number, name in enumerate(names)}
    steps = [step for curve in lines.values() for step in curve]
    values = [value for curve in lines.values() for value in curve.values()]
    across = float(min(steps)), float(max(max(steps), min(steps) + 1))
    up = _span(min(values), max(values))
    drawn = [
        *_grid(across, up),
        element('text', title, x=_LEFT, y=16, class_='title'),
        *(
            part
            for name, curve in lines.items()
            for part in _curve(name, thinned(curve), across, up, colours[name])
        ),
    ]
    picture = element(
        'svg',
        *drawn,
        viewBox=f'0 0 {_WIDTH} {_HEIGHT}',
        role='img',
        aria_label=f'{title} by global step: ' + ', '.join(lines),
    )
    return element('figure', picture, element('div', *_legend(lines, colours), class_='legend'))


def thinned(curve: Mapping[int, float], most: int = _MOST_POINTS) -> list[tuple[int, float]]:
    """Returns the points of a curve by step; of too many, in each stretch the lowest and the highest one."""
    points = sorted(curve.items())
    if len(points) <= most:
        return points
    kept = {0, len(points) - 1}
    for stretch in np.array_split(np.arange(len(points)), max(most // 2 - 1, 1)):
        ranked = sorted(stretch.tolist(), key=lambda place: points[place][1])
        kept |= {ranked[0], ranked[-1]}
    return [points[place] for place in sorted(kept)]


def _span(low: float, high: float) -> tuple[float, float]:
    """Returns an interval that is no point."""
    if high > low:
        return low, high
    around = abs(low) * 0.1 or 1
    return low - around, high + around


def _place(point: tuple[float, float], across: tuple[float, float], up: tuple[float, float]) -> list[float]:
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    x = _LEFT + width * _share(point[0], across)
    return [round(x, 1), round(_TOP + height * (1 - _share(point[1], up)), 1)]


def _share(value: float, span: tuple[float, float]) -> float:
    # Halves, as the difference of two huge floats has no place among floats.
    return (value / 2 - span[0] / 2) / (span[1] / 2 - span[0] / 2)


def _grid(across: tuple[float, float], up: tuple[float, float]) -> list[Element]:
    parts = []
    for tick in range(_TICKS + 1):
        share = tick / _TICKS
        step, value = (low * (1 - share) + high * share for low, high in (across, up))
        x, y = _place((step, value), across, up)
        parts += [
            element('line', x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_='grid'),
            element('text', f'{value:.3g}', x=_LEFT - 6, y=y + 4, text_anchor='end'),
            element('text', f'{step:.0f}', x=x, y=_HEIGHT - 8, text_anchor=_anchor(tick)),
        ]
    return parts


def _anchor(tick: int) -> str:
    return {0: 'start', _TICKS: 'end'}.get(tick, 'middle')


def _curve(
    name: str,
    points: Sequence[tuple[int, float]],
    across: tuple[float, float],
    up: tuple[float, float],
    colour: str,
) -> list[Element]:
    places = [_place(point, across, up) for point in points]
    line = 'M' + 'L'.join(f'{x},{y}' for x, y in places)
    parts = [element('path', d=line, style=f'stroke: {colour}')]
    if len(points) <= _MARKED:
        parts += [
            element(
                'circle',
                element('title', f'{name}, step {step}: {value:.6g}'),
                **{'cx': x, 'cy': y, 'r': 3, 'style': f'fill: {colour}'},
            )
            for (step, value), (x, y) in zip(points, places, strict=True)
        ]
    return parts


def _legend(lines: Mapping[str, Mapping[int, float]], colours: Mapping[str, str]) -> list[Element]:
    return [
        element('span', element('i', style=f'background: {colours[name]}'), f'{name}, {_end(curve)}')
        for name, curve in lines.items()
    ]


def _end(curve: Mapping[int, float]) -> str:
    return f'{curve[max(curve)]:.4g} at step {max(curve):,}'
