"""Random orders: permutations of numbers, and a buffer through which a stream is shuffled."""

import hashlib
import random
from collections.abc import Iterable, Iterator

import numpy as np

from estimator_lab.data.examples.member import Member

SHUFFLED_BYTES = 192 * 2**20
"""Limit for the members in a shuffle buffer. The order depends on this number."""


def shuffled(
    members: Iterable[Member], buffer_size: int, rng: random.Random, most_bytes: int
) -> Iterator[Member]:
    """Yields all members, each drawn at random from a buffer of the next `buffer_size` of them.

    Args:
      members: any finite stream.
      buffer_size: members held at once; 1 or less keeps the order.
      rng: the source of randomness.
      most_bytes: of the data in the buffer; a single member may have more.
    """
    if buffer_size <= 1:
        yield from members
        return
    buffer: list[Member] = []
    held = 0
    for member in members:
        held += member.bytes_held
        if len(buffer) < buffer_size and (held <= most_bytes or not buffer):
            buffer.append(member)
            continue
        place = rng.randrange(len(buffer))
        chosen, buffer[place] = buffer[place], member
        held -= chosen.bytes_held
        del member
        yield chosen
        while held > most_bytes and len(buffer) > 1:
            place = rng.randrange(len(buffer))
            buffer[place], buffer[-1] = buffer[-1], buffer[place]
            chosen = buffer.pop()
            held -= chosen.bytes_held
            yield chosen
        del chosen
    rng.shuffle(buffer)
    buffer.reverse()
    while buffer:
        yield buffer.pop()


def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """Returns [0, count) in the order of an epoch, all orders equally likely.

    NumPy guarantees the stream of `RandomState` across versions, but not the streams of newer generators.
    """
    digest = hashlib.sha256(f'seed {seed} epoch {epoch}'.encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, '<u4')).permutation(count)
