"""An iterator of examples for any framework: shuffled, divided among processes, exact after a restart.

The state is one integer, the number of examples that all processes together have consumed of the global
order (`data.archives.order`). Nothing here imports TensorFlow, PyTorch or JAX.
"""

import contextlib
import fcntl
import hashlib
import itertools
import json
import math
import os
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.base.json_input import shown
from estimator_lab.base.shares import Slice
from estimator_lab.data.archives.data_set import DataSet
from estimator_lab.data.examples.member import Member
from estimator_lab.data.input.batches import Batch, read_batches
from estimator_lab.data.input.stream_settings import DATA, StreamSettings

FORMAT = 'estimator_lab stream 1'

_TOGETHER = 64  # examples that are read at once if they are yielded one by one
_MOST = 2**62
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


class Stream(Iterator[Any]):
    """Examples of archives, one by one or in batches; made by `estimator_lab.api.stream`.

    It is an iterator of `epochs` passes over the data; `iter` of one that has ended begins the next ones. It
    is also an iterable-style dataset for PyTorch's DataLoader if PyTorch was imported before it was made.
    In a worker process of a DataLoader it yields that worker's share.

    All ranks get the same number of batches. The last one of the passes may be shorter than the others, or
    empty for a rank without a share in it. Examples one by one can't be empty: the number of those of two
    ranks differs by one at most, and by the bad ones.

    Attributes:
      settings: what it reads, and how.
    """

    def __init__(self, settings: StreamSettings) -> None:
        self.settings = settings
        self._begin(0, Passes())
        _ = self._data  # errors are raised here, and workers find indexes in the cache

    def _begin(self, consumed: int, passes: 'Passes', fresh_in: int = 0) -> None:
        self._consumed = self._first = consumed  # of the global order, by all workers and processes together
        self._running: Iterator[Any] | None = None
        self._is_over = self._has_run = False
        self._process, self._fresh_in = os.getpid(), fresh_in
        self._passes = passes
        _make_dataset()

    def __iter__(self) -> Iterator[Any]:
        """Begins the next passes if the last ones have ended; in a worker of a DataLoader, in any case.

        It changes nothing if nothing was read since it was called or a state was loaded: comprehensions of
        Python 3.13.5 call it twice.
        """
        self._leave_parent()
        info = _torch_worker()
        begins_pass = info and self._fresh_in != os.getpid()
        if begins_pass:
            self._consumed = self._start_of(self._passes.begin(info, self._has_run))
        if self._is_over or begins_pass:
            self._running = None
        self._is_over = False
        self._fresh_in = os.getpid() if info else 0
        return self

    def __next__(self) -> Any:
        """Returns the next example or batch.

        Raises:
          DataError: an archive can't be read any further, or too many examples are bad.
        """
        self._leave_parent()
        self._fresh_in = 0
        if self._running is None:
            self._running = self._run()
        return next(self._running)

    def __getstate__(self) -> dict[str, Any]:
        begin = {'consumed': self._consumed, 'passes': self._passes, 'fresh_in': self._fresh_in}
        return {'settings': self.settings, 'begin': begin}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.clear()
        self.settings = state['settings']
        self._begin(**state['begin'])

    @property
    def labels(self) -> tuple[str, ...]:
        """The vocabulary; by default the labels in all parts of the data, sorted, () for a pipe."""
        return self.settings.vocabulary_of(self._data)

    @property
    def size(self) -> int | None:
        """Number of examples in an epoch, of all processes together; None if unknown, as for a pipe."""
        return self._data.total

    def state_dict(self) -> dict[str, Any]:
        """Returns the state after the examples that were yielded so far: at most a kilobyte, for JSON.

        Another number of processes can go on from it, if all of them have yielded equally many examples or
        batches. The state in a worker of a DataLoader is for the same worker of an equal one.
        """
        state = self.state_at(self._consumed)
        if loader := self._loader:
            state |= {'loader': loader, 'is_over': self._is_over}
        return state

    def state_at(self, consumed: int) -> dict[str, Any]:
        """Returns the state after a number of examples of the global order.

        After n steps, that is n * batch_size * world_size; of several passes, after n steps of the last one,
        size more for each one before. With a DataLoader, which reads ahead, it is the state after the batches
        that were used, whatever its number of workers.

        Raises:
          FlagError: `consumed` is not a whole number of 0 or more.
        """
        if not _is_count(consumed):
            raise FlagError(f'consumed={shown(consumed)} must be a whole number, 0 or more.')
        settings = self.settings
        order = {'seed': settings.seed, 'shuffle': settings.shuffle, 'split': list(settings.split)}
        if settings.shuffle and not self._data.has_random_access:
            order['shuffle_buffer'] = settings.shuffle_buffer
        return {'format': FORMAT, 'consumed': int(consumed), 'data': self._fingerprint, **order}

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
            if (was := state.get(name)) != (now := own.get(name)):
                raise DataError(f'The state is of another order: its {name} is {shown(was)}, not {now}.')
        consumed, loader = state.get('consumed'), state.get('loader')
        if not _is_count(consumed):
            raise DataError(f'The state is damaged: its consumed is {shown(consumed)}, not a number.')
        if loader and loader != self._loader:
            raise DataError(
                f'The state is of a worker of a DataLoader with (workers, batch_size, world_size)='
                f'{shown(loader)}, not {self._loader}; that of state_at() fits any.'
            )
        self._begin(consumed, Passes(), os.getpid() if self._loader else 0)
        if loader and state.get('is_over'):
            self._running = iter(())

    @property
    def _loader(self) -> list[int]:
        """What decides the share of a worker of a DataLoader; [] elsewhere."""
        info, settings = _torch_worker(), self.settings
        return [info.num_workers, settings.batch_size or 1, settings.world_size] if info else []

    def _leave_parent(self) -> None:
        if self._process != os.getpid():  # a fork must not share open files and locks
            _left_to_parents.append(self._running)  # closing it needs locks that the parent's threads hold
            self.__setstate__(self.__getstate__())

    def _start_of(self, number: int) -> int:
        """Returns where a worker of a DataLoader begins, given the number of times that it was iterated."""
        group = self._group
        return (self._first // group + number) * group if number and group else self._first

    @property
    def _group(self) -> int:
        """Examples in the passes of an iteration; 0 if unknown or without end."""
        return (self._data.total or 0) * (self.settings.epochs or 0)

    @cached_property
    def _data(self) -> DataSet:
        return self.settings.open()

    @cached_property
    def _fingerprint(self) -> str:
        texts = [index.fingerprint for index in self._data.indexes] or ['pipe']
        return hashlib.sha256('\n'.join(texts).encode()).hexdigest()[:32]

    def _run(self) -> Iterator[Any]:
        """Yields what is left of the passes, and keeps the position."""
        settings, info = self.settings, _torch_worker()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        shard = settings.shard
        end = (self._consumed // self._group + 1) * self._group if self._group else _MOST
        ahead, stride = worker * shard.group, workers * shard.group
        reader = settings.reader()
        self._has_run = True
        read = read_batches(
            self._members(self._consumed + ahead, end, shard, workers),
            settings.batch_size or _TOGETHER,
            reader,
            settings.report_on(self._data),
            threads=max((os.cpu_count() or 1) // workers, 1) + (workers == 1),
            whole_only=settings.batch_size is not None,
            class_ids={label: number for number, label in enumerate(self.labels)},
        )
        for batch in read:
            for item in [_finished(batch)] if settings.batch_size else _examples_in(batch):
                self._consumed = min(self._consumed + stride, end)
                self._is_over = self._consumed == end
                if item is not None:
                    yield item
        has_no_share = self._consumed + ahead < end < _MOST  # in the last batch
        self._consumed = end if end < _MOST else self._consumed
        self._is_over = True
        if settings.batch_size and has_no_share:
            yield _finished(Batch(reader.collate([]), [], [], np.empty(0, np.int64)))

    def _members(self, position: int, end: int, shard: Slice, workers: int) -> Iterator[Member]:
        """Yields this process's members between two positions: its part of each of its worker's batches."""
        order, left = self.settings.order_of(self._data), max(end - position, 0)
        if self._data.has_random_access:
            members = order.onwards(position, shard)
        else:  # the last batch must not begin another pass, which fills the shuffle buffer
            members = shard.of(itertools.islice(order.onwards(position), left))
        if workers > 1:
            members = Slice(0, workers, workers * len(shard.places)).of(members)
        if end == _MOST:
            return members
        own = math.ceil(math.ceil(left / shard.group) / workers) * len(shard.places)
        last = end // (self._data.total or 1)
        return (member for member in itertools.islice(members, own) if member.epoch < last)


def _finished(batch: Batch) -> Batch:
    """Returns a batch with its only array as its data; encoded examples as a list."""
    (data,) = batch.data.values()
    return batch._replace(data=data.tolist() if DATA in batch.data else data)


def _examples_in(batch: Batch) -> list[Example | None]:
    """Returns the examples of a batch, and None for each bad one."""
    data, bad = _finished(batch).data, {example.place for example in batch.bad}
    good = map(Example, data, batch.labels, batch.keys, batch.class_ids.tolist())
    return [None if place in bad else next(good) for place in range(len(batch.keys) + len(bad))]


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) <= _MOST


class Passes:
    """How often a DataLoader of PyTorch has iterated over a stream, as its worker processes count together.

    The process that makes a stream is not told when its DataLoader begins another pass: its workers, new or
    old ones, only iterate over their copies once more. So they count in a file that all of them see.

    Attributes:
      number: of the pass that this process is in, from 0.
    """

    def __init__(self) -> None:
        self.number = 0
        self._path: Path | None = None
        if 'torch.utils.data' in sys.modules:
            descriptor, name = tempfile.mkstemp(prefix='estimator_lab_passes_')
            os.close(descriptor)
            self._path = Path(name)
            weakref.finalize(self, _remove, self._path, os.getpid())

    def begin(self, info: Any, has_run: bool) -> int:
        """Returns the number of the pass, from 0, that a worker begins.

        Args:
          info: of the worker. Its seed is that of the pass plus its number.
          has_run: whether this process has been in a pass, and thus begins the one after.
        """
        own = self.number + 1 if has_run else 0
        if self._path:
            seed = info.seed - info.id
            with contextlib.suppress(OSError, ValueError), self._path.open('r+', encoding='utf-8') as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                text = file.read()
                last, number, workers = json.loads(text) if text else (None, -1, [])
                if has_run:
                    number = max(number, own)
                elif seed != last or info.id in workers:  # it is the first one of this pass
                    own, number, workers = number + 1, number + 1, []
                else:
                    own = number
                file.seek(0)
                file.truncate()
                file.write(json.dumps([seed, number, [*workers, info.id]]))
        self.number = own
        return self.number


def _remove(path: Path, process: int) -> None:
    if process == os.getpid():  # not a fork
        with contextlib.suppress(OSError):
            path.unlink()


def _torch_worker() -> Any:
    """Returns what PyTorch says of this worker of a DataLoader; None elsewhere."""
    torch = sys.modules.get('torch.utils.data')
    return torch.get_worker_info() if torch else None


def _make_dataset() -> None:
    """Makes streams iterable-style datasets for PyTorch, without importing it."""
    torch: Any = sys.modules.get('torch.utils.data')
    if torch and not issubclass(Stream, torch.IterableDataset):
        torch.IterableDataset.register(Stream)
