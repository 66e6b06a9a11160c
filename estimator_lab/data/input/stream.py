"""An iterator of examples for any framework: shuffled, divided among processes, exact after a restart.

Archives with random access are read as `Dataset` and `BatchOrder` say; compressed ones and pipes from their
beginning. Nothing here imports TensorFlow, PyTorch or JAX.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.data.archives.places import ENDLESS
from estimator_lab.data.input.batch_order import Resumable, fingerprint_of
from estimator_lab.data.input.batches import Batch, Grouping, read_batches
from estimator_lab.data.input.dataset import Example, finished
from estimator_lab.data.input.stream_settings import StreamSettings

_TOGETHER = 64  # examples that are read at once if they are yielded one by one
_left_to_parents: list[Any] = []


class Stream(Resumable, Iterator[Any]):
    """Examples of archives, one by one or in batches; made by `estimator_lab.api.stream`.

    It is an iterator of `epochs` passes over the data; `iter` of one that has ended begins the next ones. A
    state that was saved after their last example yields nothing more before that. After an error, it goes on
    from its state.

    All ranks get the same number of batches. The last one of the passes may be shorter than the others, or
    empty for a rank without a share in it. Examples one by one can't be empty: the numbers of two ranks
    differ by one at most, and by the bad ones.

    Attributes:
      settings: what it reads, and how.
      size: number of examples in an epoch, of all processes together; None if unknown, as for a pipe.
    """

    def __init__(self, settings: StreamSettings) -> None:
        self._data = settings.open()
        is_stream = not self._data.has_random_access
        data = self._data
        super().__init__(settings, data.total, fingerprint_of(data), data.block_size, is_stream)

    def __repr__(self) -> str:
        of = self.settings.shown_of(self.size, self.labels)
        return f'<Stream: {of}; {self._consumed:,} consumed>'

    def _begin(self, consumed: int, lanes: int) -> None:
        super()._begin(consumed, lanes)
        self._running: Iterator[Any] | None = None
        self._is_over, self._process = False, os.getpid()

    def __iter__(self) -> Iterator[Any]:
        """Begins the next passes if the last ones have ended."""
        if self._is_over:
            self._running, self._is_over = None, False
        return self

    def __next__(self) -> Any:
        """Returns the next example or batch.

        Raises:
          DataError: an archive can't be read any further, or too many examples are bad.
          FlagError: this is a worker process of a DataLoader.
        """
        if self._running is None or self._process != os.getpid():
            self._check_no_worker()
            _left_to_parents.append(self._running)  # closing it needs locks that the parent's threads hold
            self._process, self._running = os.getpid(), self._run()
        try:
            return next(self._running)
        except DataError:
            self._running = None  # or it would end here, as a generator does after an error
            raise

    def __getstate__(self) -> dict[str, Any]:
        if self.settings.only and self.settings.only.is_function:
            raise TypeError(
                'A stream with a function as `only` cannot be pickled: give keys or labels, or use an '
                'estimator_lab.api.dataset.'
            )
        return vars(self)

    @property
    def labels(self) -> tuple[str, ...]:
        """The vocabulary; by default the labels in all parts of the data, sorted, () for a pipe."""
        return self.settings.vocabulary_of(self._data)

    def _check_no_worker(self) -> None:
        torch = sys.modules.get('torch.utils.data')
        if torch and torch.get_worker_info():
            remedy = 'give num_workers=0, or pack the archives by estimator_lab.data.pack'
            if self._data.has_random_access:
                remedy = 'give the DataLoader an estimator_lab.api.dataset, and its order as batch_sampler'
            raise FlagError(f'A stream is read in one process, not in a worker of a DataLoader: {remedy}.')

    def _run(self) -> Iterator[Any]:
        """Yields what is left of the passes, and keeps the position."""
        settings, shard = self.settings, self.settings.shard
        reader, order = settings.reader(), settings.order_of(self._data, self._lanes)
        end = self._consumed if self._is_finished else self._end_after(self._consumed)
        self._is_finished = False
        batches = read_batches(
            order.onwards(self._consumed, shard, end),
            settings.batch_size or _TOGETHER,
            reader,
            settings.report_on(self._data.kind, self.size),
            {label: number for number, label in enumerate(self.labels)},
            Grouping(whole_only=settings.batch_size is not None),
        )
        for batch in batches:
            for item in [finished(batch)] if settings.batch_size else _examples_in(batch):
                self._consumed = min(self._consumed + shard.group, end)
                self._is_over = self._consumed == end
                if item is not None:
                    yield item
        has_no_share = self._consumed < end < ENDLESS  # in the last batch
        self._consumed = end if end < ENDLESS else self._consumed
        self._is_over = True
        if settings.batch_size and has_no_share:
            yield finished(Batch(reader.collate([]), [], [], np.empty(0, np.int64)))


def _examples_in(batch: Batch) -> list[Example | None]:
    """Returns the examples of a batch, and None for each bad one."""
    data, bad = finished(batch).data, {example.place for example in batch.bad}
    good = map(Example, data, batch.labels, batch.keys, batch.class_ids.tolist())
    return [None if place in bad else next(good) for place in range(len(batch.keys) + len(bad))]
