"""PyTorch's DataLoader, or where PyTorch is not installed a stand-in that treats a data set as it does.

Worker processes are forked, and hold a copy of the data set. The sampler runs in the main process, which
sends each worker the positions of a batch in turn, two batches ahead.
"""

import itertools
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

try:
    from torch.utils.data import DataLoader
except ImportError:
    _FORK = multiprocessing.get_context('fork')

    class DataLoader:  # type: ignore[no-redef]
        def __init__(
            self,
            dataset: Any,
            batch_sampler: Iterable[Any],
            num_workers: int,
            collate_fn: Callable[[Any], Any],
            persistent_workers: bool = False,
        ) -> None:
            self._dataset, self._sampler, self._collate = dataset, batch_sampler, collate_fn
            self._count, self._persists = num_workers, persistent_workers
            self._pipes: list[Any] = []

        def __iter__(self) -> Iterator[Any]:
            if not self._count:
                yield from map(self._collate, map(self._dataset.__getitems__, self._sampler))
                return
            if not (self._persists and self._pipes):
                self._pipes = [self._started() for _ in range(self._count)]
            sent: deque[Any] = deque()
            for pipe, places in zip(itertools.cycle(self._pipes), self._sampler, strict=False):
                pipe.send(places)
                sent.append(pipe)
                if len(sent) > 2 * self._count:
                    yield sent.popleft().recv()
            while sent:
                yield sent.popleft().recv()

        def _started(self) -> Any:
            ours, theirs = _FORK.Pipe()
            _FORK.Process(target=_work, args=(self._dataset, self._collate, theirs), daemon=True).start()
            return ours

    def _work(dataset: Any, collate: Callable[[Any], Any], pipe: Any) -> None:
        while True:
            try:
                places = pipe.recv()
            except EOFError:
                return
            pipe.send(collate(dataset.__getitems__(places)))
