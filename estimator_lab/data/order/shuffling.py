"""Random orders that a seed and an epoch decide, the same in every process and on every machine."""

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar('T')


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
