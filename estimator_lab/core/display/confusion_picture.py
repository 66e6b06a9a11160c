"""A confusion matrix as a picture. No TensorFlow."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from estimator_lab.core.display.fonts import Line, fitted

_SIDE = 900  # pixels of the whole matrix, if its cells can be so large
_CELLS = (16, 48)  # smallest and largest side of a cell in pixels
_LABEL = 120
_TITLE = 40
_GAP = 6
_RIGHT, _WRONG = np.array([8, 81, 156]), np.array([179, 0, 0])  # of a cell that has its whole row
_LINE_COLOUR, _INK, _DARK = '#cccccc', 'black', 0.5


def confusion_picture(matrix: np.ndarray, labels: Sequence[str], title: str) -> Image.Image:
    """Draws a confusion matrix: what is right in blue, mistakes in red, the darker the larger their share.

    Args:
      matrix: int [n, n], images of each class (row) by what they were taken for (column).
      labels: n texts.
      title: one line above it.

    Returns:
      An RGB picture.
    """
    size = len(labels)
    cell = int(np.clip(_SIDE // max(size, 1), *_CELLS))
    lines = [fitted(label, _LABEL) for label in labels]
    margin = int(max((line.length for line in lines), default=0)) + 2 * _GAP
    left, top = margin + _GAP, _TITLE + margin
    picture = Image.new('RGB', (left + size * cell + _GAP, top + size * cell + _GAP), 'white')
    draw = ImageDraw.Draw(picture)
    for number, text in enumerate((title, 'rows: true, columns: predicted')):
        fitted(text, picture.width).draw(draw, (_GAP, _GAP + number * _TITLE // 2), _INK)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    for row in range(size):
        lines[row].draw(draw, (_GAP, top + row * cell + (cell - 10) // 2), _INK)
        _draw_upright(picture, lines[row], left + row * cell, top - _GAP, cell)
        for column in range(size):
            box = (left + column * cell, top + row * cell)
            _draw_cell(draw, box, cell, int(matrix[row, column]), shares[row, column], row == column)
    return picture


def _draw_cell(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], side: int, images: int, share: float, right: bool
) -> None:
    # A root, so that few mistakes among many images can be seen.
    strength = float(np.sqrt(share))
    colour = (1 - strength) * 255 + strength * (_RIGHT if right else _WRONG)
    x, y = place
    fill = tuple(int(value) for value in colour)
    draw.rectangle((x, y, x + side, y + side), fill=fill, outline=_LINE_COLOUR)
    line = fitted(str(images), _SIDE)
    if images and line.length < side - 2:
        ink = 'white' if strength > _DARK else _INK
        line.draw(draw, (x + (side - line.length) / 2, y + (side - 11) / 2), ink)


def _draw_upright(picture: Image.Image, text: Line, left: int, bottom: int, width: int) -> None:
    """Draws a text that is read from below."""
    line = Image.new('RGB', (max(int(text.length) + 1, 1), 14), 'white')
    text.draw(ImageDraw.Draw(line), (0, 0), _INK)
    line = line.rotate(90, expand=True)
    picture.paste(line, (left + (width - line.width) // 2, bottom - line.height))
