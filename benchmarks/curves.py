"""Line charts drawn with Pillow: several curves in several panels, one legend."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Curve = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT, _MARGIN, _LINE = 460, 380, 62, 16
_COLOURS = (
    *('#1f77b4', '#d62728', '#2ca02c', '#ff7f0e', '#9467bd', '#8c564b'),
    *('#e377c2', '#7f7f7f', '#17becf', '#bcbd22', '#000000'),
)
_TICKS = 5
_LEAST = 1e-6


def draw_panels(
    path: Path, panels: Mapping[str, Mapping[str, Curve]], vertical: str, logarithmic: bool = True
) -> None:
    """Writes a PNG with one panel beside the other.

    Args:
      path: of the file.
      panels: what a panel's horizontal axis shows -> name of a curve -> points (x, y); the axis begins at 0,
        or below it where there are such points.
      vertical: what all vertical axes show.
      logarithmic: whether they are; then what is below `_LEAST` is drawn there.
    """
    names = list(next(iter(panels.values())))
    colours = dict(zip(names, _COLOURS * len(names), strict=False))

    def height_of(y: float) -> float:
        return math.log10(max(y, _LEAST)) if logarithmic else y

    heights = [height_of(y) for curves in panels.values() for curve in curves.values() for _, y in curve]
    low, high = min(heights), max(heights)
    high = max(high, low + 1e-3)
    picture = Image.new('RGB', (_WIDTH * len(panels), _HEIGHT + _LINE * (1 + len(names))), 'white')
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default()
    for number, (title, curves) in enumerate(panels.items()):
        left = number * _WIDTH + _MARGIN
        width, height = _WIDTH - _MARGIN - 15, _HEIGHT - _MARGIN
        places = [x for curve in curves.values() for x, _ in curve] or [1.0]
        first, longest = min(0.0, *places), max(places)
        span = longest - first or 1.0
        draw.rectangle((left, 15, left + width, 15 + height), outline='black')
        draw.text((left, 15 + height + 22), title, fill='black', font=font)
        for tick in range(_TICKS):
            share = tick / (_TICKS - 1)
            draw.text(
                (left + share * width - 8, 18 + height),
                f'{first + share * span:.3g}',
                fill='black',
                font=font,
            )
            value = high - share * (high - low)
            value = 10**value if logarithmic else value
            draw.text((left - 52, 9 + share * height), f'{value:.3g}', fill='black', font=font)
        for name, curve in curves.items():
            points = [
                (left + (x - first) / span * width, 15 + (high - height_of(y)) / (high - low) * height)
                for x, y in curve
            ]
            draw.line(points, fill=colours[name], width=2)
    draw.text((_MARGIN, 0), vertical, fill='black', font=font)
    for number, name in enumerate(names):
        top = _HEIGHT + number * _LINE
        draw.line((_MARGIN, top + 6, _MARGIN + 24, top + 6), fill=colours[name], width=3)
        draw.text((_MARGIN + 32, top), name, fill='black', font=font)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
