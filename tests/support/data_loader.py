"""PyTorch's DataLoader, or where PyTorch is not installed a stand-in that treats a dataset as it does.

Worker processes are forked; each iterates over its copy of the dataset, persistent ones once a pass, and
their batches come in turn. A worker finds its number, the number of workers and a seed of the pass.
"""

import itertools
import multiprocessing
import sys
import types
from typing import Any, NamedTuple

try:
    from torch.utils.data import DataLoader
except ImportError:

    class _Info(NamedTuple):
        id: int
        num_workers: int
        seed: int

    _info: list[_Info] = []
    _seeds = itertools.count(1000, 1000)
    _FORK = multiprocessing.get_context('fork')

    torch: Any = types.ModuleType('torch')
    data: Any = types.ModuleType('torch.utils.data')
    data.get_worker_info = lambda: _info[0] if _info else None
    data.IterableDataset = type('IterableDataset', (), {'register': classmethod(lambda cls, other: None)})
    sys.modules['torch.utils.data'] = data

    class DataLoader:  # type: ignore[no-redef]
        def __init__(
            self, dataset: Any, batch_size: None, num_workers: int, persistent_workers: bool = False
        ) -> None:
            self._dataset, self._count, self._persists = dataset, num_workers, persistent_workers
            self._pipes: list[Any] = []

        def __iter__(self) -> Any:
            if not self._count:
                yield from self._dataset
                return
            if not (self._persists and self._pipes):
                seed, self._pipes = next(_seeds), []
                for number in range(self._count):
                    ours, theirs = _FORK.Pipe()
                    arguments = self._dataset, _Info(number, self._count, seed + number), theirs
                    _FORK.Process(target=_work, args=arguments, daemon=True).start()
                    self._pipes.append(ours)
            for pipe in self._pipes:
                pipe.send('begin')
            left = list(self._pipes)
            while left:
                for pipe in list(left):
                    pipe.send('next')
                    if (batch := pipe.recv()) is None:
                        left.remove(pipe)
                    else:
                        yield batch

    def _work(dataset: Any, info: _Info, pipe: Any) -> None:
        _info.append(info)
        iterator: Any = None
        while True:
            try:
                if pipe.recv() == 'begin':
                    iterator = iter(dataset)
                else:
                    pipe.send(next(iterator, None))
            except EOFError:
                return
