"""The order of examples: a pure function of (archives, seed, epoch), so that any run can be repeated.

Encoded bytes are shuffled and skipped here; decoding comes after, and TensorFlow knows nothing of it.
"""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from estimator_lab.data.tar_stream import Member, stream_members

T = TypeVar('T')


class Turn(NamedTuple):
    """A member when its turn has come: the epoch, from 0, and the member."""

    epoch: int
    member: Member


def shuffled(items: Iterable[T], buffer_size: int, rng: random.Random) -> Iterator[T]:
    """Yields all `items`, each taken at random from a buffer of the next `buffer_size` of them.

    Args:
      items: any finite stream.
      buffer_size: items held at once; 1 or less keeps the order, the stream's length shuffles it fully.
      rng: decides; the same state gives the same order.
    """
    stream = iter(items)
    buffer = list(itertools.islice(stream, max(buffer_size, 1)))
    for item in stream:
        place = rng.randrange(len(buffer))
        yield buffer[place]
        buffer[place] = item
    if buffer_size > 1:
        rng.shuffle(buffer)
    yield from buffer


@dataclass(frozen=True)
class Order:
    """The sequence in which the members of some archives are seen.

    Attributes:
      archives: paths of tar archives, each read from its head in every epoch.
      shuffle_buffer: encoded members held at once for shuffling; 1 or less keeps the stored order.
      seed: with the epoch, decides the shuffling.
    """

    archives: Sequence[str]
    shuffle_buffer: int = 1
    seed: int = 0

    def epoch(self, number: int) -> Iterator[Turn]:
        """Yields every image member once, in the order of epoch `number`.

        Raises:
          DataError: where an archive can't be read any further.
        """
        # A text is hashed by random.Random itself, the same way in every process; a tuple is not.
        rng = random.Random(f'seed {self.seed} epoch {number}')
        archives = list(self.archives)
        if self.shuffle_buffer > 1:
            rng.shuffle(archives)
        members = itertools.chain.from_iterable(map(stream_members, archives))
        return (Turn(number, member) for member in shuffled(members, self.shuffle_buffer, rng))

    def onwards(self, start: int, epoch_size: int) -> Iterator[Turn]:
        """Yields members without end, from position `start` of the sequence of all epochs.

        Args:
          start: how many members, over all epochs, have been seen before.
          epoch_size: image members in the archives, at least 1.

        Raises:
          DataError: where an archive can't be read any further.
        """
        first_epoch, seen = divmod(start, epoch_size)
        for number in itertools.count(first_epoch):
            yield from itertools.islice(self.epoch(number), seen, None)
            seen = 0
