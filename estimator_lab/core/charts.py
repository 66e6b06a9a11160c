"""Charts as pictures: curves, bars, heat maps, confusion matrices. No TensorFlow."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw

from estimator_lab.core.fonts import LINE, SIZE, Line, fitted
from estimator_lab.core.ticks import round_ticks, tick_texts, wide_enough

_WIDTH, _HEIGHT, _LEFT, _TOP, _MARGIN = 400, 240, 72, 26, 30
_KEY = 32  # pixels of a colour in the legend, before the name
_COLOURS = (
    *('#1f77b4', '#d62728', '#2ca02c', '#ff7f0e', '#9467bd', '#8c564b'),
    *('#e377c2', '#7f7f7f', '#17becf', '#bcbd22', '#000000'),
)
_TINY = 1e-30
_SLACK = 1e-9
_DECADES = 12  # of a logarithmic axis, at most
_VALUE = 12  # pixels of a value in a heat map, at most
_MARKED = 12  # points of a curve, up to which each is marked
_FINER = 4  # curves are drawn this much larger and scaled down, so that they are smooth

_SIDE = 900  # pixels of a confusion matrix, if its cells allow
_CELLS = (17, 48)  # smallest and largest side of its cells in pixels
_LABEL = 120
_TITLE = 2 * LINE
_SMALL = 11  # pixels of a number in a cell that is too narrow for the usual size
_GAP = 6
_RIGHT, _WRONG = np.array([8, 81, 156]), np.array([179, 0, 0])  # colours of a cell with its whole row
_LINE_COLOUR, _INK, _DARK = '#cccccc', 'black', 0.5
_BAR, _BAR_EDGE = (66, 146, 198), '#999999'


def draw_curves(
    title: str,
    horizontal: str,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    logarithmic: bool = False,
    bounds: tuple[float, float] | None = None,
) -> Image.Image:
    """Draws curves in one panel with a legend.

    Examples:
        >>> draw_curves('loss', 'step', {'train': ([1, 2, 3], [0.9, 0.5, 0.4])}).mode
        'RGB'

    Args:
      title: label of the vertical axis.
      horizontal: label of the horizontal axis.
      curves: name -> (x, y), of equal length, at least 1; values that are not finite are left out.
      logarithmic: whether the vertical axis is logarithmic; it then has at most 12 decades.
      bounds: lowest and highest value of the vertical axis; None for those of the curves.

    Returns:
      An RGB picture.
    """
    scaled = {name: (np.asarray(x, float), _scaled(y, logarithmic)) for name, (x, y) in curves.items()}
    ticks = _ticks(*(bounds or _bounds([y for _, y in scaled.values()], logarithmic)), logarithmic)
    low, high = min(ticks), max(ticks)
    first, last = _bounds([x for x, _ in scaled.values()], logarithmic=False)
    names = [fitted(name, _WIDTH - _KEY) for name in scaled]
    legend = _legend(names)
    height = _TOP + _HEIGHT + 2 * LINE + 10 + legend.height
    picture = Image.new('RGB', (_LEFT + _WIDTH + _MARGIN, height), 'white')
    draw, font = ImageDraw.Draw(picture), fitted('', 0).font

    picture.paste(_drawn_curves(list(scaled.values()), (first, last), (low, high)), (_LEFT, _TOP))
    fitted(title, _WIDTH + _MARGIN).draw(draw, (_LEFT, 4))
    draw.rectangle((_LEFT, _TOP, _LEFT + _WIDTH, _TOP + _HEIGHT), outline='black')
    for y, text in ticks.items():
        down = _TOP + (high - y) / (high - low) * _HEIGHT
        draw.line((_LEFT - 3, down, _LEFT, down), fill='black')
        draw.text((_LEFT - 6, down), text, fill='black', font=font, anchor='rm')
    steps = [x for x in round_ticks(first, last) if first <= x <= last]
    for x, text in zip(steps, tick_texts(steps), strict=True):
        across = _LEFT + (x - first) / (last - first) * _WIDTH
        draw.line((across, _TOP + _HEIGHT, across, _TOP + _HEIGHT + 3), fill='black')
        draw.text((across, _TOP + _HEIGHT + 4), text, fill='black', font=font, anchor='ma')
    fitted(horizontal, _WIDTH + _MARGIN).draw(draw, (_LEFT, _TOP + _HEIGHT + LINE + 4))
    picture.paste(legend, (_LEFT, height - legend.height))
    return picture


def _legend(names: Sequence[Line]) -> Image.Image:
    """Draws the colours of curves and their names, in two columns if there are many and all names fit."""
    column = _WIDTH // 2
    is_wide = len(names) < 3 or any(name.length > column - _KEY for name in names)
    rows = len(names) if is_wide else -(-len(names) // 2)
    picture = Image.new('RGB', (_WIDTH + _MARGIN, rows * LINE + 6), 'white')
    draw = ImageDraw.Draw(picture)
    for number, name in enumerate(names):
        left, top = number // rows * column, number % rows * LINE
        draw.line((left, top + SIZE // 2, left + _KEY - 8, top + SIZE // 2), _colour(number), width=3)
        name.draw(draw, (left + _KEY, top - 1))
    return picture


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]


def _drawn_curves(
    curves: Sequence[tuple[np.ndarray, np.ndarray]], across: tuple[float, float], up: tuple[float, float]
) -> Image.Image:
    """Draws curves in an RGB picture of the size of the panel.

    Args:
      curves: (x, y) of each; the points of a curve with few of them are marked.
      across: the values of x at the left and the right edge.
      up: the values of y at the lower and the upper edge; values beyond them are drawn there.
    """
    picture = Image.new('RGB', (_WIDTH * _FINER, _HEIGHT * _FINER), 'white')
    draw = ImageDraw.Draw(picture)
    for number, (xs, ys) in enumerate(curves):
        colour = _colour(number)
        finite = np.isfinite(ys)
        right = (xs[finite] - across[0]) / (across[1] - across[0]) * picture.width
        down = (1 - np.clip((ys[finite] - up[0]) / (up[1] - up[0]), 0, 1)) * picture.height
        points = list(zip(right.tolist(), down.tolist(), strict=True))
        if points:
            draw.line(points, fill=colour, width=2 * _FINER, joint='curve')
        for x, y in points if len(points) <= _MARKED else ():
            radius = 2 * _FINER
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return picture.reduce(_FINER)


def heat_map(values: np.ndarray) -> Image.Image:
    """Draws values over time, one column per step and one row per unit: blue below 0, white at 0, red above.

    Args:
      values: float [steps, units]; the largest absolute value has full colour, values that are not finite are
        grey.

    Returns:
      An RGB picture, of about 960x480 pixels at most unless there are more values.
    """
    steps, units = values.shape
    finite = np.isfinite(values)
    shares = np.where(finite, values, 0)
    shares = (shares / (np.abs(shares).max() or 1)).T[..., np.newaxis]
    red = np.concatenate([np.ones_like(shares), 1 - shares, 1 - shares], axis=2)
    blue = np.concatenate([1 + shares, 1 + shares, np.ones_like(shares)], axis=2)
    pixels = np.where(finite.T[..., np.newaxis], np.where(shares >= 0, red, blue), 0.5)
    picture = Image.fromarray(np.rint(255 * pixels).astype(np.uint8))
    across, down = (max(min(_VALUE, most // count), 1) for most, count in ((960, steps), (480, units)))
    return picture.resize((steps * across, units * down), Image.Resampling.NEAREST)


def _scaled(values: ArrayLike, logarithmic: bool) -> np.ndarray:
    scaled = np.asarray(values, float)
    if logarithmic:
        scaled = np.log10(np.maximum(scaled, _TINY))
    return np.where(np.isfinite(scaled), scaled, np.nan)


def _ticks(low: float, high: float, logarithmic: bool) -> dict[float, str]:
    """Returns where the numbers of the vertical axis stand, which they are, and with that its bounds."""
    if not logarithmic:
        ticks = round_ticks(low, high)
        return dict(zip(ticks, tick_texts(ticks), strict=True))
    if high - low >= 1:  # decades, or some of them
        decades = round_ticks(math.floor(low), math.ceil(high))
        return {decade: f'{10.0**decade:g}' for decade in decades if decade % 1 == 0}
    series = [
        math.log10(times) + power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for times in (1, 2, 5)
    ]
    first = max(place for place, tick in enumerate(series) if tick <= low + _SLACK)
    last = min(place for place, tick in enumerate(series) if tick >= high - _SLACK)
    return {tick: f'{10.0**tick:.3g}' for tick in series[first : last + 1]}


def _bounds(parts: Sequence[np.ndarray], logarithmic: bool) -> tuple[float, float]:
    """Returns lower and upper bounds of an axis, which differ; a logarithmic axis has at most 12 decades."""
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if logarithmic:
        low = max(low, high - _DECADES)
        return (low, high) if high > low else (low - 0.5, high + 0.5)
    return wide_enough(low, high)


def draw_bars(title: str, bars: Sequence[tuple[str, float, int]]) -> Image.Image:
    """Draws shares as horizontal bars, in RGB.

    Each bar has a name, a share in [0, 1], and the number of items that it is a share of.
    """
    width, height, left = 340, 22, 100
    picture = Image.new('RGB', (left + width + 160, (len(bars) + 1) * height + 2 * _GAP), 'white')
    draw = ImageDraw.Draw(picture)
    fitted(title, picture.width).draw(draw, (_GAP, _GAP), _INK)
    for number, (name, share, count) in enumerate(bars, 1):
        top = _GAP + number * height
        fitted(name, left - 2 * _GAP).draw(draw, (_GAP, top - 1), _INK)
        draw.rectangle((left, top, left + width, top + height - 4), outline=_BAR_EDGE)
        draw.rectangle((left, top, left + share * width, top + height - 4), fill=_BAR, outline=_BAR_EDGE)
        fitted(f'{share:.4f} of {count:,}', 150).draw(draw, (left + width + _GAP, top - 1), _INK)
    return picture


def confusion_picture(matrix: np.ndarray, labels: Sequence[str], title: str) -> Image.Image:
    """Draws a confusion matrix: correct predictions in blue, mistakes in red, darker for a larger share.

    Args:
      matrix: int [n, n], number of images by true class (row) and predicted class (column).
      labels: n texts.
      title: one line above the matrix; the picture is as wide as both, a longer title than 900 pixels is cut.

    Returns:
      An RGB picture.
    """
    size = len(labels)
    cell = int(np.clip(_SIDE // max(size, 1), *_CELLS))
    lines = [fitted(label, _LABEL) for label in labels]
    margin = int(max((line.length for line in lines), default=0)) + 2 * _GAP
    left, top = margin + _GAP, _TITLE + margin
    titles = [fitted(text, _SIDE) for text in (title, 'rows: true, columns: predicted')]
    width = max(left + size * cell, *(_GAP + math.ceil(line.length) for line in titles)) + _GAP
    picture = Image.new('RGB', (width, top + size * cell + _GAP), 'white')
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(titles):
        line.draw(draw, (_GAP, 2 + number * LINE), _INK)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    for row in range(size):
        lines[row].draw(draw, (_GAP, top + row * cell + (cell - SIZE) // 2 - 1), _INK)
        _draw_upright(picture, lines[row], left + row * cell, top - _GAP, cell)
        for column in range(size):
            box = (left + column * cell, top + row * cell)
            _draw_cell(draw, box, cell, int(matrix[row, column]), shares[row, column], row == column)
    return picture


def _draw_cell(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], side: int, images: int, share: float, right: bool
) -> None:
    # The root makes few mistakes among many images visible.
    strength = float(np.sqrt(share))
    colour = (1 - strength) * 255 + strength * (_RIGHT if right else _WRONG)
    x, y = place
    fill = tuple(int(value) for value in colour)
    draw.rectangle((x, y, x + side, y + side), fill=fill, outline=_LINE_COLOUR)
    for size in (SIZE, _SMALL) if images else ():
        line = fitted(str(images), _SIDE, size)
        if line.length < side - 2:
            ink = 'white' if strength > _DARK else _INK
            line.draw(draw, (x + (side - line.length) / 2, y + (side - size) / 2 - 1), ink)
            break


def _draw_upright(picture: Image.Image, text: Line, left: int, bottom: int, width: int) -> None:
    """Draws a text rotated by 90 degrees, to be read from below."""
    line = Image.new('RGB', (max(int(text.length) + 1, 1), _CELLS[0]), 'white')
    text.draw(ImageDraw.Draw(line), (0, -1), _INK)
    line = line.rotate(90, expand=True)
    picture.paste(line, (left + (width - line.width) // 2, bottom - line.height))
