"""Random orders determined by a seed and an epoch, the same in every process and on every machine."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np

from estimator_lab.data.member import Member

T = TypeVar('T')
_MOST_OF_A_BUFFER = 2  # the buffer has fewer effective classes than the whole divided by this


def shuffled(
    items: Iterable[T],
    buffer_size: int,
    rng: random.Random,
    watch: Callable[[Sequence[T]], None] | None = None,
    weigh: Callable[[T], int] = lambda item: 0,
    heaviest: int = 0,
    tell: Callable[[int], None] = lambda held: None,
) -> Iterator[T]:
    """Yields all `items`, each drawn at random from a buffer of the next `buffer_size` of them.

    Args:
      items: any finite stream.
      buffer_size: items held at once; 1 or less keeps the order, the length of the stream shuffles it fully.
      rng: the source of randomness.
      watch: called once with the buffer when it is full, or holds all items.
      weigh: returns the weight of an item.
      heaviest: the allowed weight of the buffer; a single item may weigh more.
      tell: called with the number of items in a buffer that is full by weight.
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
    """Returns the random number generator of an epoch."""
    # random.Random hashes a string the same way in every process; a tuple it does not.
    return random.Random(f'seed {seed} epoch {epoch}')


def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """Returns [0, count) in the order of an epoch, all orders equally likely.

    NumPy guarantees the stream of `RandomState` across versions, but not that of newer generators.
    """
    digest = hashlib.sha256(f'seed {seed} epoch {epoch}'.encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, '<u4')).permutation(count)


def effective_classes(counts: Mapping[str, int]) -> float:
    """Returns the number of equally frequent classes that would collide as often (inverse Simpson index).

    Two images drawn at random share their class with probability 1 / effective_classes.
    """
    total = sum(counts.values())
    return total**2 / sum(count**2 for count in counts.values()) if total else 0.0


class LabelOrderWatch:
    """Warns, once, if a stream is sorted by label, so that few classes fill its shuffle buffer in runs.

    Args:
      counts: examples of each label in the whole stream; equal numbers if unknown.
      say: shows one line to the user.
    """

    def __init__(self, counts: Mapping[str, int], say: Callable[[str], None]) -> None:
        self._whole = effective_classes(counts)
        self._classes = len(counts)
        self._say = say
        self._said = False

    def __call__(self, members: Sequence[Member]) -> None:
        """Checks the members of the first full buffer, in stored order."""
        labels = [member.label for member in members]
        if self._said or len(labels) < 2:
            return
        counts = Counter(labels)
        runs = sum(a == b for a, b in pairwise(labels)) / (len(labels) - 1)
        # In a well-mixed stream, neighbours share their class as often as any two images do.
        is_in_runs = runs > (1 + 1 / self._whole) / 2
        if is_in_runs and effective_classes(counts) * _MOST_OF_A_BUFFER < self._whole:
            self._said = True
            label, most = counts.most_common(1)[0]
            self._say(
                f'Warning: the archive is sorted by label. Its first {len(labels):,} images, which fill '
                f'--shuffle_buffer, hold {len(counts):,} of {self._classes:,} labels '
                f'({most / len(labels):.0%} are {label}), so that batches will be lopsided. Uncompressed '
                'archives on disk are shuffled as a whole: python -m estimator_lab.data.pack writes them.'
            )
