"""Trees as pictures, with the prediction at each node and its probability; some of each evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from estimator_lab.core.evaluation import write_values
from estimator_lab.core.fonts import LINE, SIZE, fitted
from estimator_lab.core.projector import write_projection
from estimator_lab.core.summaries import picture_value
from estimator_lab.tf1 import Tensor, tf

UNKNOWN_TOKEN = '<unknown>'

_CELL = (14, 76)  # smallest and largest width of a leaf in pixels
_ROW = (6, 50)  # smallest and largest height of a level in pixels
_LARGEST = 4000  # pixels of a side; the rest is cut off
_GAP = 6
_SURE, _WRONG = np.array([8, 81, 156]), np.array([179, 0, 0])  # at a probability of 1
_EDGE, _INK = '#999999', 'black'
_DRAWN = 4  # trees of an evaluation
_MOST_LEAVES = 40  # of such a tree
_MOST_POINTS = 10_000
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


def shown_tree(
    tokens: Sequence[str],
    labels: Sequence[str],
    left: np.ndarray,
    probabilities: np.ndarray,
    node_label: np.ndarray,
) -> ShownTree:
    """Returns a tree with its texts.

    Args:
      tokens: the token of each node; '' for inner nodes.
      labels: texts of the class ids.
      left: int [n], the left child of each node, -1 for leaves.
      probabilities: float [n, classes].
      node_label: int [n], the true class ids, -1 for none.
    """
    predicted = probabilities.argmax(1)
    wrong = [
        None if true < 0 else bool(true != found) for true, found in zip(node_label, predicted, strict=True)
    ]
    return ShownTree(
        left=left.tolist(),
        tokens=tokens,
        labels=[labels[number] for number in predicted.tolist()],
        probabilities=probabilities.max(1).tolist(),
        wrong=wrong,
    )


class TreesHook(tf.train.SessionRunHook):
    """Shows the first few small trees of an evaluation as `images/tree_1` ..., and the token embeddings.

    Args:
      trees: name -> int32 [batch, nodes]: 'token', 'left', 'level', 'node_label' (the root's is the tree's).
      probabilities: float32 [batch, nodes, classes] in [0, 1].
      embedding: float32 [tokens + 1, size], the projector's points 'tokens'.
      tokens: texts of the token ids 1, 2, ...; 0 is unknown.
      labels: texts of the class ids.
      folder: the folder of the evaluations' event files.
    """

    def __init__(
        self,
        trees: Mapping[str, Tensor],
        probabilities: Tensor,
        embedding: Tensor,
        tokens: Sequence[str],
        labels: Sequence[str],
        folder: Path,
    ) -> None:
        names = ('token', 'left', 'level', 'node_label')
        self._first = [*(trees[name][:_DRAWN] for name in names), probabilities[:_DRAWN]]
        self._embedding = embedding[: _MOST_POINTS + 1]
        self._tokens, self._labels = (UNKNOWN_TOKEN, *tokens), labels
        self._folder = folder

    def begin(self) -> None:
        """Starts an evaluation."""
        self._drawn: list[Image.Image] = []

    def before_run(self, run_context: Any) -> Any:
        """Fetches trees until enough are drawn."""
        return tf.train.SessionRunArgs(self._first if len(self._drawn) < _DRAWN else [])

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Draws small trees."""
        for token, left, level, label, probabilities in zip(*run_values.results, strict=True):
            size = int((level >= 0).sum())
            if size < 2 * _MOST_LEAVES and len(self._drawn) < _DRAWN:
                texts = [self._tokens[number] if number >= 0 else '' for number in token[:size].tolist()]
                shown = shown_tree(texts, self._labels, left[:size], probabilities[:size], label[:size])
                self._drawn.append(tree_picture(shown))

    def end(self, session: Any) -> None:
        """Writes pictures and embeddings."""
        embedding = session.run(self._embedding)
        values = [picture_value(f'tree_{n}', picture) for n, picture in enumerate(self._drawn, 1)]
        write_values(session, self._folder, values)
        write_projection(self._folder, 'tokens', embedding, {'token': self._tokens[: len(embedding)]})
