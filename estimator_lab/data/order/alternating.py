"""Images with labels and images without, in turn: the order of semi-supervised training."""

from collections.abc import Iterator
from dataclasses import dataclass

from estimator_lab.data.member import Member
from estimator_lab.data.order.order import Order
from estimator_lab.data.order.split_and_shard import ONLY_WORKER, WorkerShard


@dataclass(frozen=True)
class AlternatingOrder:
    """A labelled member, an unlabelled one, and so on; each kind in its own order, with its own epochs.

    Attributes:
      labelled: order of the members at even places.
      unlabelled: order of those at odd places, whose labels are dropped.
    """

    labelled: Order
    unlabelled: Order

    def epoch(self, number: int) -> Iterator[Member]:
        """Yields every unlabelled member once, each after a labelled one as long as there are any."""
        yield from _alternate(self.labelled.epoch(number), self.unlabelled.epoch(number))

    def onwards(self, start: int, shard: WorkerShard = ONLY_WORKER) -> Iterator[Member]:
        """See `Order.onwards`."""
        return shard.of(self._onwards(start))

    def _onwards(self, start: int) -> Iterator[Member]:
        labelled, unlabelled = self.labelled.onwards((start + 1) // 2), self.unlabelled.onwards(start // 2)
        if start % 2:
            yield next(unlabelled)._replace(label='')
        yield from _alternate(labelled, unlabelled)


def _alternate(labelled: Iterator[Member], unlabelled: Iterator[Member]) -> Iterator[Member]:
    for member in unlabelled:
        yield from (one for one in [next(labelled, None)] if one)
        yield member._replace(label='')
        del member  # before the next is read
