"""Summaries of an evaluation of trees: some trees drawn, accuracy by depth and length, token embeddings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from estimator_lab.core.display.charts import draw_bars
from estimator_lab.core.display.drawing import write_values
from estimator_lab.core.display.projector import write_projection
from estimator_lab.core.display.summaries import picture_value
from estimator_lab.core.display.tree_picture import ShownTree, tree_picture
from estimator_lab.tf1 import Tensor, tf

UNKNOWN_TOKEN = '<unknown>'

_DRAWN = 4  # trees
_MOST_LEAVES = 40  # of a tree that is drawn
_MOST_POINTS = 10_000


class Texts:
    """The texts of token ids and class ids.

    Args:
      tokens: texts of the token ids 1, 2, ...; 0 is unknown.
      labels: texts of the class ids.
    """

    def __init__(self, tokens: Sequence[str], labels: Sequence[str]) -> None:
        self.tokens = (UNKNOWN_TOKEN, *tokens)
        self.labels = labels

    def shown(
        self, token: np.ndarray, left: np.ndarray, probabilities: np.ndarray, node_label: np.ndarray
    ) -> ShownTree:
        """Returns a tree with its texts.

        Args:
          token: int [n], token ids, -1 for inner nodes.
          left: int [n], the left child of each node, -1 for leaves.
          probabilities: float [n, classes].
          node_label: int [n], the true class ids, -1 for none.
        """
        predicted = probabilities.argmax(1)
        return ShownTree(
            left=left.tolist(),
            tokens=[self.tokens[number] if number >= 0 else '' for number in token.tolist()],
            labels=[self.labels[number] for number in predicted.tolist()],
            probabilities=probabilities.max(1).tolist(),
            wrong=[
                None if true < 0 else bool(true != found)
                for true, found in zip(node_label, predicted, strict=True)
            ],
        )


class TreesHook(tf.train.SessionRunHook):
    """Shows an evaluation of trees: the first few small trees, and accuracy by size.

    It writes `images/tree_1` ...; `images/accuracy_by_depth` and `images/accuracy_by_length`, with bars for
    trees of 1, 2 to 3, 4 to 7, ... levels above the leaves, or tokens; and the token embeddings as the
    projector's points 'tokens'.

    Args:
      trees: name -> int32 [batch, nodes]: 'token', 'left', 'level', 'node_label' (the root's is the tree's).
      probabilities: float32 [batch, nodes, classes] in [0, 1].
      outcome: name -> [batch]: 'right' and 'counts', bool; 'depth' and 'length', int32.
      embedding: float32 [tokens + 1, size].
      texts: texts of tokens and classes.
      folder: the run's folder of event files, for the embeddings.
      evaluation_folder: the folder of the evaluations' event files, for the pictures.
    """

    def __init__(
        self,
        trees: Mapping[str, Tensor],
        probabilities: Tensor,
        outcome: Mapping[str, Tensor],
        embedding: Tensor,
        texts: Texts,
        folder: Path,
        evaluation_folder: Path,
    ) -> None:
        first = {name: values[:_DRAWN] for name, values in trees.items()}
        self._first = {**first, 'probabilities': probabilities[:_DRAWN]}
        self._outcome = dict(outcome)
        self._embedding = embedding[: _MOST_POINTS + 1]
        self._texts = texts
        self._folder = folder
        self._evaluation_folder = evaluation_folder

    def begin(self) -> None:
        """Starts an evaluation."""
        self._drawn: list[ShownTree] = []
        self._sizes: dict[str, list[np.ndarray]] = {'depth': [], 'length': []}
        self._right: list[np.ndarray] = []

    def before_run(self, run_context: Any) -> Any:
        """Fetches the outcome of the batch, and trees until enough are drawn."""
        wanted = self._first if len(self._drawn) < _DRAWN else {}
        return tf.train.SessionRunArgs((self._outcome, wanted))

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Adds the batch."""
        outcome, first = run_values.results
        counts = outcome['counts']
        self._right.append(outcome['right'][counts])
        for name, parts in self._sizes.items():
            parts.append(outcome[name][counts])
        if first:
            names = ('token', 'left', 'level', 'node_label', 'probabilities')
            for token, left, level, label, probabilities in zip(*(first[n] for n in names), strict=True):
                size = int((level >= 0).sum())
                if size < 2 * _MOST_LEAVES and len(self._drawn) < _DRAWN:
                    tree = (token[:size], left[:size], probabilities[:size], label[:size])
                    self._drawn.append(self._texts.shown(*tree))

    def end(self, session: Any) -> None:
        """Writes pictures and embeddings."""
        embedding = session.run(self._embedding)
        right = np.concatenate(self._right or [np.empty(0, bool)])
        pictures = {f'tree_{n}': tree_picture(tree) for n, tree in enumerate(self._drawn, 1)}
        for name, parts in self._sizes.items():
            bars = accuracy_by_size(np.concatenate(parts or [np.empty(0, int)]), right)
            pictures[f'accuracy_by_{name}'] = draw_bars(f'accuracy by {name}', bars)
        values = [picture_value(name, picture) for name, picture in pictures.items()]
        write_values(session, self._evaluation_folder, values)
        write_projection(self._folder, 'tokens', embedding, {'token': self._texts.tokens[: len(embedding)]})


def accuracy_by_size(sizes: np.ndarray, right: np.ndarray) -> list[tuple[str, float, int]]:
    """Returns the bars of a chart, ('4 to 7', share of right trees, count), for doubling ranges of sizes.

    Args:
      sizes: int [n], 0 or more.
      right: bool [n].
    """
    exponents = np.where(sizes > 0, np.floor(np.log2(np.maximum(sizes, 1))), -1).astype(int)
    bars = []
    for exponent in np.unique(exponents).tolist():
        chosen = right[exponents == exponent]
        low, high = (2**exponent, 2 ** (exponent + 1) - 1) if exponent >= 0 else (0, 0)
        name = str(low) if low == high else f'{low} to {high}'
        bars.append((name, float(chosen.mean()), len(chosen)))
    return bars
