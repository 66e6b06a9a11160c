"""Trees as pictures, with the prediction at each node and its probability. No TensorFlow."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from estimator_lab.core.display.fonts import LINE, SIZE, fitted

_CELL = (14, 76)  # smallest and largest width of a leaf in pixels
_ROW = (6, 50)  # smallest and largest height of a level in pixels
_LARGEST = 4000  # pixels of a side; the rest is cut off
_GAP = 6
_SURE, _WRONG = np.array([8, 81, 156]), np.array([179, 0, 0])  # at a probability of 1
_EDGE, _INK = '#999999', 'black'
_LIGHTEST = 0.75  # probability up to which a node is light enough for black texts


class ShownTree(NamedTuple):
    """A tree of n nodes in post-order, with a network's predictions.

    Attributes:
      left: the left child of each node, -1 for leaves; a right child directly precedes its node.
      tokens: the token of each leaf; '' for other nodes.
      labels: the predicted label of each node; '' for none.
      probabilities: probabilities of these labels, in [0, 1].
      wrong: whether the prediction is wrong; None if the true label is unknown.
    """

    left: Sequence[int]
    tokens: Sequence[str]
    labels: Sequence[str]
    probabilities: Sequence[float]
    wrong: Sequence[bool | None]


def tree_picture(tree: ShownTree) -> Image.Image:
    """Draws a tree with its root at the top: darker for a higher probability, red for wrong predictions.

    Returns:
      An RGB picture of at most 4000 pixels a side; the rest is cut off.
    """
    across, down = _layout(tree.left)
    cell = int(np.clip(_LARGEST // (across.max() + 1), *_CELL))
    row = int(np.clip(_LARGEST // (down.max() + 1), *_ROW))
    width = min(int(across.max() + 1) * cell + 2 * _GAP, _LARGEST)
    height = min(int(down.max() + 1) * row + LINE + 2 * _GAP, _LARGEST)
    picture = Image.new('RGB', (width, height), 'white')
    draw = ImageDraw.Draw(picture)
    x = _GAP + (across + 0.5) * cell
    y = _GAP + (down + 0.5) * row
    for node, left in enumerate(tree.left):
        for child in (left, node - 1) if left >= 0 else ():
            draw.line((x[node], y[node], x[child], y[child]), fill=_EDGE, width=2)
    for node in range(len(tree.left)):
        if x[node] < width and y[node] < height:
            _draw_node(draw, tree, node, (float(x[node]), float(y[node])), (cell, row))
    return picture


def _layout(left: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Returns each node's position: in leaves from the left, float [n]; in edges from the root, int [n]."""
    across, down = np.zeros(len(left)), np.zeros(len(left), np.int64)
    leaves = 0
    for node, child in enumerate(left):
        if child < 0:
            across[node], leaves = leaves, leaves + 1
        else:
            across[node] = (across[child] + across[node - 1]) / 2
    for node in range(len(left) - 1, -1, -1):
        if left[node] >= 0:
            down[left[node]] = down[node - 1] = down[node] + 1
    return across, down


def _draw_node(
    draw: ImageDraw.ImageDraw,
    tree: ShownTree,
    node: int,
    place: tuple[float, float],
    size: tuple[int, int],
) -> None:
    (x, y), (cell, row) = place, size
    chance = float(tree.probabilities[node])
    colour = (1 - chance) * 255 + chance * (_WRONG if tree.wrong[node] else _SURE)
    high = min(row * 0.3, LINE * 0.6)
    wide = min(cell * 0.42, 3 * high)
    if tree.labels[node]:
        box = (x - wide, y - high, x + wide, y + high)
        draw.rectangle(box, fill=tuple(int(value) for value in colour), outline=_EDGE)
    if row >= _ROW[1] // 2:
        ink = 'white' if chance > _LIGHTEST else _INK
        _draw_text(draw, tree.labels[node], x, y - SIZE / 2 - 2, int(2 * wide), ink)
        _draw_text(draw, tree.tokens[node], x, y + high, cell)


def _draw_text(
    draw: ImageDraw.ImageDraw, text: str, middle: float, top: float, width: int, ink: str = _INK
) -> None:
    line = fitted(text, width)
    line.draw(draw, (middle - line.length / 2, top), ink)
