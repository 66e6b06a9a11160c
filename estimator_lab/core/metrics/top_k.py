"""The worst examples of a stream."""

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar('T')


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
