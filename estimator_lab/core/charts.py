"""Heat maps and confusion matrices as pictures. No TensorFlow."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from estimator_lab.core.fonts import LINE, SIZE, Line, fitted

_VALUE = 12  # pixels of a value in a heat map, at most
_SIDE = 900  # pixels of a confusion matrix, if its cells allow
_CELLS = (17, 48)  # smallest and largest side of its cells in pixels
_LABEL = 120
_TITLE = 2 * LINE
_SMALL = 11  # pixels of a number in a cell that is too narrow for the usual size
_GAP = 6
_RIGHT, _WRONG = np.array([8, 81, 156]), np.array([179, 0, 0])  # colours of a cell with its whole row
_LINE_COLOUR, _INK, _DARK = '#cccccc', 'black', 0.5


def heat_map(values: np.ndarray) -> Image.Image:
    """Draws values over time, one column per step and one row per unit: blue below 0, white at 0, red above.

    The values are float [steps, units]; the largest absolute one has full colour, those that are not finite
    are grey. The picture has about 960x480 pixels at most, unless there are more values.
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


def confusion_picture(matrix: np.ndarray, labels: Sequence[str], title: str) -> Image.Image:
    """Draws a confusion matrix: correct predictions in blue, mistakes in red, darker for a larger share.

    Args:
      matrix: int [n, n], number of images by true class (row) and predicted class (column).
      labels: n texts.
      title: one line above the matrix; the picture is as wide as both, a longer title than 900 pixels is cut.
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
