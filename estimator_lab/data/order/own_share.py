"""The share of a worker that goes through it at its own pace, as in asynchronous training."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from estimator_lab.data.member import Member
from estimator_lab.data.order.order import Order
from estimator_lab.data.order.split_and_shard import ONLY_WORKER, WorkerShard

_AT_ONCE_IN_A_STREAM = 1024  # examples of each worker


@dataclass(frozen=True)
class OwnShareOrder:
    """One worker's shares of all epochs, each divided among the workers that take part in it.

    With random access, a share is a contiguous range of the data, and shares differ by one example at most.
    In a stream, in which a worker would wait for its range, every few thousand examples are divided.

    Positions count the worker's own examples from `first` on. A worker reads its share of an epoch to the
    end, and goes on with the next epoch in which it takes part, whatever the other workers do meanwhile.

    Attributes:
      order: of all workers.
      rank: the worker's number.
      size: examples in an epoch; None if unknown: then there is only one.
      taking_part: returns the ranks that divide an epoch, ascending, by its number from `first` on. All
        workers must get the same answer, at any time.
      first: position in `order` of the first epoch.
      is_stream: whether `order` has no random access.
    """

    order: Order
    rank: int
    size: int | None
    taking_part: Callable[[int], Sequence[int]]
    first: int = 0
    is_stream: bool = False

    def epoch(self, number: int) -> Iterator[Member]:
        """See `Order.epoch`: all members, not only those of the share."""
        return self.order.epoch(number)

    def onwards(self, start: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """See `Order.onwards`; `shard` divides the shares once more."""
        return shard.of(self._onwards(start))

    def _onwards(self, start: int) -> Iterator[Member]:
        if self.size is None:
            yield from self._share(self._shard(0), self.first, start)
            return
        for number in itertools.count():
            if self.rank not in self.taking_part(number):
                continue
            shard = self._shard(number)
            own = shard.own_of(self.size)
            if start < own:
                members = self._share(shard, self.first + number * self.size, start)
                yield from itertools.islice(members, own - start)
            start = max(start - own, 0)

    def _share(self, shard: WorkerShard, begin: int, start: int) -> Iterator[Member]:
        """Yields the share of what follows `begin`, without its first `start` members."""
        batches, seen = divmod(start, shard.own)
        position = begin + batches * shard.window
        if self.is_stream:  # the last division of an epoch is a part of a global batch
            members = shard.of(self.order.onwards(position))
        else:
            members = self.order.onwards(position, shard)
        return itertools.islice(members, seen, None)

    def _shard(self, number: int) -> WorkerShard:
        ranks = self.taking_part(number)
        in_a_stream = _AT_ONCE_IN_A_STREAM * len(ranks)
        window = min(in_a_stream, self.size or in_a_stream) if self.is_stream or not self.size else self.size
        return WorkerShard(ranks.index(self.rank), len(ranks), window)
