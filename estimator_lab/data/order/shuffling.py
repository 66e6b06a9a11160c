"""Random orders that a seed and an epoch decide, the same in every process and on every machine."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from estimator_lab.data.member import Member

T = TypeVar('T')
_MOST_OF_A_BUFFER = 2  # its effective number of classes times this is below that of the whole


def shuffled(
    items: Iterable[T],
    buffer_size: int,
    rng: random.Random,
    watch: Callable[[Sequence[T]], None] | None = None,
    weigh: Callable[[T], int] = lambda item: 0,
    heaviest: int = 0,
    tell: Callable[[int], None] = lambda held: None,
) -> Iterator[T]:
    """Yields all `items`, each taken at random from a buffer of the next `buffer_size` of them.

    Args:
      items: any finite stream.
      buffer_size: items held at once; 1 or less keeps the order, the stream's length shuffles it fully.
      rng: decides; the same state gives the same order.
      watch: called with the buffer once it is full, or all items are in it.
      weigh: returns what an item weighs.
      heaviest: what the buffer may weigh; a single item may weigh more.
      tell: called with the number of items in a buffer that is full by its weight.
    """
    if buffer_size <= 1:
        yield from items
        return
    buffer: list[T] = []
    weight, was_full = 0, False
    for item in items:
        added = weigh(item)
        if len(buffer) < buffer_size and (weight + added <= heaviest or not buffer):
            buffer.append(item)
            weight += added
            continue
        if watch and not was_full:
            watch(buffer)
        was_full = True
        if len(buffer) < buffer_size:
            tell(len(buffer))
        place = rng.randrange(len(buffer))
        chosen, buffer[place] = buffer[place], item
        weight += added - weigh(chosen)
        del item
        yield chosen
        while weight > heaviest and len(buffer) > 1:
            place = rng.randrange(len(buffer))
            buffer[place], buffer[-1] = buffer[-1], buffer[place]
            chosen = buffer.pop()
            weight -= weigh(chosen)
            yield chosen
        del chosen  # before the next item is read
    if watch and not was_full:
        watch(buffer)
    rng.shuffle(buffer)
    buffer.reverse()
    while buffer:
        yield buffer.pop()


def generator(seed: int, epoch: int) -> random.Random:
    """Returns the random numbers of an epoch."""
    # A text is hashed by random.Random itself, the same way in every process; a tuple is not.
    return random.Random(f'seed {seed} epoch {epoch}')


def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """Returns [0, count) in the order of an epoch, all orders equally likely.

    NumPy promises the same stream of `RandomState` in all its versions, not that of newer generators.
    """
    digest = hashlib.sha256(f'seed {seed} epoch {epoch}'.encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, '<u4')).permutation(count)


def effective_classes(counts: Mapping[str, int]) -> float:
    """Returns how many equally frequent classes would collide as often (the inverse Simpson index).

    Two images drawn at random share their class with probability 1 / effective_classes.
    """
    total = sum(counts.values())
    return total**2 / sum(count**2 for count in counts.values()) if total else 0.0


class LabelOrderWatch:
    """Looks at a shuffle buffer before it is shuffled, and warns, once, if few classes fill it in runs.

    Args:
      counts: images of each label in the whole stream; equal ones where nobody knows.
      say: shows one line to the user.
    """

    def __init__(self, counts: Mapping[str, int], say: Callable[[str], None]) -> None:
        self._whole = effective_classes(counts)
        self._classes = len(counts)
        self._say = say
        self._said = False

    def __call__(self, members: Sequence[Member]) -> None:
        """Takes the members of the first full buffer in their stored order."""
        labels = [member.label for member in members]
        if self._said or len(labels) < 2:
            return
        counts = Counter(labels)
        runs = sum(a == b for a, b in pairwise(labels)) / (len(labels) - 1)
        # In a well-mixed stream, neighbours share their class as often as any two images do.
        comes_in_runs = runs > (1 + 1 / self._whole) / 2
        if comes_in_runs and effective_classes(counts) * _MOST_OF_A_BUFFER < self._whole:
            self._said = True
            label, most = counts.most_common(1)[0]
            self._say(
                f'Warning: the archive is sorted by label. Its first {len(labels):,} images, which fill '
                f'--shuffle_buffer, hold {len(counts):,} of {self._classes:,} labels '
                f'({most / len(labels):.0%} are {label}), so that batches will be lopsided. Uncompressed '
                'archives on disk are shuffled as a whole; python -m estimator_lab.data.pack makes such.'
            )
