"""Confusion of classes and the worst examples, found while predictions arrive. No TensorFlow."""

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np

T = TypeVar('T')


class ClassScores(NamedTuple):
    """Scores of each class, float64 [classes] in [0, 1]; NaN for 0 / 0.

    Attributes:
      images: number of images of the class, int64.
      precision: share of the predictions of the class that are right, TP / (TP + FP).
      recall: share of the images of the class that are recognised, TP / (TP + FN).
      f1: harmonic mean of both, 2 TP / (2 TP + FP + FN).
    """

    images: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


class Confusion:
    """Counts pairs of classes; memory grows with the pairs that occur, not with the square of classes.

    The labels are in the order of the class ids.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        self._pairs: Counter[tuple[int, int]] = Counter()

    def add(self, true: np.ndarray, predicted: np.ndarray) -> None:
        """Counts images: class ids, int [n] each; images with a negative true class are ignored."""
        known = np.asarray(true) >= 0
        self._pairs.update(zip(true[known].tolist(), predicted[known].tolist(), strict=True))

    def pairs(self) -> list[tuple[int, int, int]]:
        """Returns (true class, predicted class, images) of the pairs that occurred."""
        return [(*pair, images) for pair, images in self._pairs.items()]

    @property
    def images(self) -> int:
        """Number of images counted."""
        return self._pairs.total()

    def scores(self) -> ClassScores:
        """Returns the scores of each class."""
        size = len(self.labels)
        true, predicted, counts = np.array(self.pairs(), np.int64).reshape(-1, 3).T
        images = np.bincount(true, counts, size)
        taken = np.bincount(predicted, counts, size)
        right = np.bincount(true, counts * (true == predicted), size)
        with np.errstate(invalid='ignore'):
            return ClassScores(
                images.astype(np.int64), right / taken, right / images, 2 * right / (images + taken)
            )

    def matrix(self, classes: Sequence[int] | None = None) -> np.ndarray:
        """Returns the number of images by true class (row) and predicted class (column), int64 [n, n].

        `classes` are n class ids; None for all.
        """
        chosen = range(len(self.labels)) if classes is None else classes
        places = {class_id: place for place, class_id in enumerate(chosen)}
        matrix = np.zeros((len(places), len(places)), np.int64)
        for (true, predicted), images in self._pairs.items():
            if true in places and predicted in places:
                matrix[places[true], places[predicted]] = images
        return matrix

    def confused(self) -> list[tuple[int, int, int]]:
        """Returns the `pairs` of different classes, most frequent first."""
        pairs = [pair for pair in self.pairs() if pair[0] != pair[1]]
        return sorted(pairs, key=lambda pair: (-pair[2], *pair))

    def most_confused_classes(self, count: int) -> list[int]:
        """Returns the ids of the `count` classes in the most mistakes, as true or predicted class, sorted."""
        mistakes: Counter[int] = Counter()
        for true, predicted, images in self.confused():
            mistakes[true] += images
            mistakes[predicted] += images
        ranked = sorted(range(len(self.labels)), key=lambda class_id: -mistakes[class_id])
        return sorted(ranked[:count])


class TopK(Generic[T]):
    """Keeps the `count` worst examples of a stream; of equally bad ones, the first."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._heap: list[tuple[float, int, T]] = []
        self._order = itertools.count(0, -1)

    def offer(self, badness: float, make: Callable[[], T]) -> None:
        """Adds an example if it is bad enough, made by `make` only then; larger is worse, NaN is worst."""
        entry = (math.inf if math.isnan(badness) else badness, next(self._order))
        if len(self._heap) < self._count:
            heapq.heappush(self._heap, (*entry, make()))
        elif self._heap and entry > self._heap[0][:2]:
            heapq.heapreplace(self._heap, (*entry, make()))

    def ranked(self) -> list[T]:
        """Returns the examples, worst first."""
        return [example for *_, example in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]
