"""Trees as pictures, with the prediction at each node and its probability; some of each evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from estimator_lab.core.picture import LINE, SIZE, fitted, spelled
from estimator_lab.core.projector import write_projection
from estimator_lab.core.summaries import picture_value, write_values
from estimator_lab.tf1 import Session, SessionRunArgs, SessionRunContext, SessionRunValues, Tensor, tf

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


def tree_picture(
    tokens: Sequence[str],
    labels: Sequence[str],
    left: np.ndarray,
    probabilities: np.ndarray,
    node_label: np.ndarray,
) -> Image.Image:
    """Draws a tree with its root at the top: darker for a higher probability, red for wrong predictions.

    Args:
      tokens: the token of each of the n nodes, in post-order; '' for inner nodes.
      labels: texts of the class ids.
      left: int [n], the left child of each node, -1 for leaves; a right child directly precedes its node.
      probabilities: float [n, classes].
      node_label: int [n], the true class ids, -1 for none.

    Returns:
      An RGB picture of at most 4000 pixels a side; the rest is cut off.
    """
    tokens, labels = spelled(tokens), spelled(labels)
    across, down = _layout(left)
    cell = int(np.clip(_LARGEST // (across.max() + 1), *_CELL))
    row = int(np.clip(_LARGEST // (down.max() + 1), *_ROW))
    width = min(int(across.max() + 1) * cell + 2 * _GAP, _LARGEST)
    height = min(int(down.max() + 1) * row + LINE + 2 * _GAP, _LARGEST)
    picture = Image.new('RGB', (width, height), 'white')
    draw = ImageDraw.Draw(picture)
    x = _GAP + (across + 0.5) * cell
    y = _GAP + (down + 0.5) * row
    for node, first in enumerate(left):
        for child in (first, node - 1) if first >= 0 else ():
            draw.line((x[node], y[node], x[child], y[child]), fill=_EDGE, width=2)
    for node, (token, true, chances) in enumerate(zip(tokens, node_label, probabilities, strict=True)):
        if x[node] < width and y[node] < height:
            guess = int(chances.argmax())
            box = _Box(draw, float(x[node]), float(y[node]), cell, row)
            box.draw_node(labels[guess], float(chances[guess]), is_wrong=0 <= true != guess)
            box.draw_token(token)
    return picture


def _layout(left: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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


class _Box(NamedTuple):
    """A node's place in a picture, and the space for it in pixels."""

    draw: ImageDraw.ImageDraw
    x: float
    y: float
    width: int
    height: int

    def draw_node(self, label: str, chance: float, is_wrong: bool) -> None:
        colour = (1 - chance) * 255 + chance * (_WRONG if is_wrong else _SURE)
        high = min(self.height * 0.3, LINE * 0.6)
        wide = min(self.width * 0.42, 3 * high)
        corners = (self.x - wide, self.y - high, self.x + wide, self.y + high)
        self.draw.rectangle(corners, fill=tuple(int(value) for value in colour), outline=_EDGE)
        self._draw_text(label, -SIZE / 2 - 2, int(2 * wide), 'white' if chance > _LIGHTEST else _INK)

    def draw_token(self, token: str) -> None:
        self._draw_text(token, min(self.height * 0.3, LINE * 0.6), self.width, _INK)

    def _draw_text(self, text: str, below: float, width: int, ink: str) -> None:
        if self.height >= _ROW[1] // 2:
            line = fitted(text, width)
            line.draw(self.draw, (self.x - line.length / 2, self.y + below), ink)


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

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Fetches trees until enough are drawn."""
        return tf.train.SessionRunArgs(self._first if len(self._drawn) < _DRAWN else [])

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Draws small trees."""
        for token, left, level, label, probabilities in zip(*run_values.results, strict=True):
            size = int((level >= 0).sum())
            if size < 2 * _MOST_LEAVES and len(self._drawn) < _DRAWN:
                texts = [self._tokens[number] if number >= 0 else '' for number in token[:size].tolist()]
                arrays = (left[:size], probabilities[:size], label[:size])
                self._drawn.append(tree_picture(texts, self._labels, *arrays))

    def end(self, session: Session) -> None:
        """Writes pictures and embeddings."""
        embedding = session.run(self._embedding)
        values = [picture_value(f'tree_{n}', picture) for n, picture in enumerate(self._drawn, 1)]
        write_values(session, self._folder, values)
        write_projection(self._folder, 'tokens', embedding, {'token': self._tokens[: len(embedding)]})
