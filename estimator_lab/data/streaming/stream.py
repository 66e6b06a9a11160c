"""An iterator of examples for any framework: shuffled, divided among processes, exact after a restart.

The state is one integer, the number of examples that all processes together have consumed of the global
order (`data.order.order`). Nothing here imports TensorFlow, PyTorch or JAX.
"""

import hashlib
import itertools
import logging
import math
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.base.json_input import shown
from estimator_lab.data.labels import UNKNOWN_ID
from estimator_lab.data.member import Member
from estimator_lab.data.order.archives import Archives
from estimator_lab.data.order.split_and_shard import Part, WorkerShard
from estimator_lab.data.pipeline import batches
from estimator_lab.data.pipeline.bad_examples import BadExamples
from estimator_lab.data.pipeline.report import InputReport
from estimator_lab.data.streaming.encoded import DATA
from estimator_lab.data.streaming.settings import StreamSettings
from estimator_lab.errors import DataError

FORMAT = 'estimator_lab stream 1'

_TOGETHER = 64  # examples that are read at once if they are yielded one by one
_MOST = 2**62
_LOG = logging.getLogger('estimator_lab')
_left_to_parents: list[Any] = []


class Example(NamedTuple):
    """One example.

    Attributes:
      data: its encoded bytes; or its pixels, uint8 [height, width, channels].
      label: its label; '' without one.
      key: its unique name, 'ARCHIVE:MEMBER'.
      class_id: number of the label in `Stream.labels`; -1 if it is not one of them.
    """

    data: Any
    label: str
    key: str
    class_id: int


class Batch(NamedTuple):
    """The n examples of one process in a global batch; fewer if some are bad, or none.

    Attributes:
      data: encoded bytes, a list of n; or pixels, uint8 [n, height, width, channels].
      labels: n labels.
      keys: n unique names.
      class_ids: int64 [n], as `Example.class_id`.
    """

    data: Any
    labels: list[str]
    keys: list[str]
    class_ids: np.ndarray


class Stream(Iterator[Any]):
    """Examples of archives, one by one or in batches; made by `estimator_lab.api.stream`.

    It is an iterator, and an iterable-style dataset for PyTorch's DataLoader if PyTorch was imported before
    it was made. In a worker process of a DataLoader it yields that worker's share.

    Attributes:
      settings: what it reads, and how.
    """

    def __init__(self, settings: StreamSettings) -> None:
        settings.check()
        self.settings = settings
        self._consumed = 0  # of the global order: where the next global batch of this process begins
        self._workers = 0  # of the DataLoader whose worker's state was loaded, 0 for none
        self._running: Iterator[Any] | None = None
        self._process = os.getpid()
        _make_dataset()
        _ = self._archives  # errors are raised here, and workers find indexes in the cache

    def __iter__(self) -> 'Stream':
        return self

    def __next__(self) -> Any:
        """Returns the next example or batch.

        Raises:
          DataError: an archive can't be read any further, or too many examples are bad.
        """
        if self._process != os.getpid():  # a fork must not share open files and locks
            _left_to_parents.append(self._running)  # closing it would wait for the parent's threads
            self.__setstate__(self.__getstate__())
        if self._running is None:
            self._running = self._run()
        return next(self._running)

    def __getstate__(self) -> dict[str, Any]:
        return {'settings': self.settings, '_consumed': self._consumed, '_workers': self._workers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.clear()
        self.__dict__.update(state, _running=None, _process=os.getpid())
        _make_dataset()

    @property
    def labels(self) -> tuple[str, ...]:
        """The vocabulary; by default the labels in all parts of the data, sorted, () for a pipe."""
        given = self.settings.vocabulary
        return self._whole.labels if given is None else given

    @property
    def size(self) -> int | None:
        """Number of examples in an epoch, of all processes together; None if unknown, as for a pipe."""
        return self._archives.total

    def state_dict(self) -> dict[str, Any]:
        """Returns the state after the examples that were yielded so far: at most a kilobyte, for JSON.

        Another number of processes can go on from it, if all of them have yielded equally many examples or
        batches. The state in a worker of a DataLoader is for the same worker of as many.
        """
        state = self.state_at(self._consumed)
        if self._workers:
            own = {'workers': self._workers, 'batch_size': self.settings.batch_size or 1}
            state |= {**own, 'world_size': self.settings.world_size}
        return state

    def state_at(self, consumed: int) -> dict[str, Any]:
        """Returns the state after a number of examples of the global order.

        After n steps, that is n * batch_size * world_size. With a DataLoader, which reads ahead, it is the
        state after the batches that were used, whatever its number of workers.
        """
        settings = self.settings
        order = {'seed': settings.seed, 'shuffle': settings.shuffle, 'split': list(settings.split)}
        if settings.shuffle and not self._archives.has_random_access:
            order['shuffle_buffer'] = settings.shuffle_buffer
        return {'format': FORMAT, 'consumed': consumed, 'data': self._fingerprint, **order}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state, with any batch size and number of processes.

        Raises:
          DataError: it is not a state, or one of other data or of another order.
        """
        if not isinstance(state, Mapping) or state.get('format') != FORMAT:
            raise DataError(f'{shown(state)} is not the state of a stream, as state_dict() returns it.')
        own = self.state_at(0)
        if state.get('data') != own['data']:
            raise DataError(
                f'The state is of other data than {", ".join(self.settings.paths)}: give the archives that '
                'it was saved for, in the same order.'
            )
        for name in ('seed', 'shuffle', 'split', 'shuffle_buffer'):
            was, now = state.get(name), own.get(name)
            if was != now and (was is None or now is None or list(np.ravel(was)) != list(np.ravel(now))):
                raise DataError(f'The state is of another order: its {name} is {shown(was)}, not {now}.')
        self._check_numbers(state)
        self._consumed, self._workers = state['consumed'], state.get('workers', 0)
        self._running = None

    def _check_numbers(self, state: Mapping[str, Any]) -> None:
        numbers = {'consumed': state.get('consumed'), 'workers': state.get('workers', 0)}
        for name, value in numbers.items():
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
                raise DataError(f'The state is damaged: its {name} is {shown(value)}, not a number.')
        if numbers['workers']:
            for name, now in (
                ('batch_size', self.settings.batch_size or 1),
                ('world_size', self.settings.world_size),
            ):
                if state.get(name) != now:
                    raise DataError(
                        f'The state is of a worker of a DataLoader with {name}={shown(state.get(name))}, not '
                        f'{now}; that of state_at() fits any.'
                    )

    @cached_property
    def _whole(self) -> Archives:
        return self.settings.open()

    @cached_property
    def _archives(self) -> Archives:
        """The part that is read."""
        archives = self._whole.restricted_to(Part(*self.settings.split))
        if archives.total == 0:
            raise DataError(
                f'split={self.settings.split} leaves no {archives.kind.name} of {", ".join(archives.paths)}.'
            )
        return archives

    @cached_property
    def _fingerprint(self) -> str:
        archives = self._archives
        texts = [index.fingerprint for index in archives.indexes] or ['pipe']
        return hashlib.sha256('\n'.join(texts).encode()).hexdigest()[:32]

    def _run(self) -> Iterator[Any]:
        """Yields what is left, and keeps the position."""
        settings, (worker, workers) = self.settings, _torch_worker()
        if self._workers and self._workers != workers:
            raise DataError(
                f'The state is of a worker of a DataLoader with {self._workers} workers, not {workers}; that '
                'of state_at() fits any number.'
            )
        size = settings.batch_size or 1
        shard = WorkerShard(settings.rank, settings.world_size, size * settings.world_size)
        skipped = 0 if self._workers else worker  # a worker's state says where its own next batch begins
        position, stride = self._consumed + skipped * shard.window, workers * shard.window
        self._workers = workers if workers > 1 else 0
        members = self._members(position, shard, workers)
        read = batches.read_batches(
            members,
            settings.batch_size or _TOGETHER,
            settings.reader(),
            self._report(),
            threads=_threads(workers),
        )
        for batch in read:
            if settings.batch_size:
                position += stride
                self._consumed = self._within(position)
                yield self._batch(batch)
                continue
            bad = {one.place for one in batch.bad}
            good = self._examples(batch)
            for place in range(len(batch.keys) + len(bad)):
                position += stride
                self._consumed = self._within(position)
                if place not in bad:
                    yield next(good)

    def _members(self, position: int, shard: WorkerShard, workers: int) -> Iterator[Member]:
        """Yields this process's members from a position on: its part of each of its worker's batches."""
        archives, settings = self._archives, self.settings
        order = archives.order(settings.shuffle_buffer if settings.shuffle else 1, settings.seed)
        members = order.onwards(position, shard)
        if workers > 1:
            members = _every(members, shard.own, workers)
        if archives.total is None or settings.epochs is None:
            return members
        left = max(archives.total * settings.epochs - position, 0)
        own = math.ceil(math.ceil(left / shard.window) / workers) * shard.own
        return (m for m in itertools.islice(members, own) if m.epoch < settings.epochs)

    def _within(self, position: int) -> int:
        """Returns a position, at most the end."""
        if self._archives.total is None or self.settings.epochs is None or self._workers:
            return position
        return min(position, self._archives.total * self.settings.epochs)

    def _report(self) -> InputReport:
        archives = self._archives
        bad = BadExamples(self.settings.max_bad_fraction, archives.total, kind=archives.kind)
        return InputReport(_LOG.warning, archives.total or 0, bad, kind=archives.kind)

    def _data_of(self, batch: batches.Batch) -> Any:
        (data,) = batch.arrays.values()
        return data.tolist() if DATA in batch.arrays else data

    def _batch(self, batch: batches.Batch) -> Batch:
        ids = np.fromiter(map(self._class_id, batch.labels), np.int64, len(batch.labels))
        return Batch(self._data_of(batch), batch.labels, batch.keys, ids)

    def _examples(self, batch: batches.Batch) -> Iterator[Example]:
        ids = map(self._class_id, batch.labels)
        return map(Example, self._data_of(batch), batch.labels, batch.keys, ids)

    @cached_property
    def _class_ids(self) -> dict[str, int]:
        return {label: number for number, label in enumerate(self.labels)}

    def _class_id(self, label: str) -> int:
        return self._class_ids.get(label, UNKNOWN_ID)


def _every(members: Iterator[Member], size: int, workers: int) -> Iterator[Member]:
    """Yields the first of each `workers` batches of `size` members."""
    for number, member in enumerate(members):
        if number // size % workers == 0:
            yield member
        del member  # before the next is read


def _threads(workers: int) -> int:
    """Returns how many threads decode in this process."""
    return max((os.cpu_count() or 1) // workers, 1) + (workers == 1)


def _torch_worker() -> tuple[int, int]:
    """Returns the number of this worker of a PyTorch DataLoader, from 0, and of all; (0, 1) elsewhere."""
    torch = sys.modules.get('torch.utils.data')
    info = torch and torch.get_worker_info()
    return (info.id, info.num_workers) if info else (0, 1)


def _make_dataset() -> None:
    """Makes streams iterable-style datasets for PyTorch, without importing it."""
    torch: Any = sys.modules.get('torch.utils.data')
    if torch and not issubclass(Stream, torch.IterableDataset):
        torch.IterableDataset.register(Stream)
