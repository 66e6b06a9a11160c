"""Random orders: a formula for the numbers of an epoch, and a buffer through which a stream is shuffled."""

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from estimator_lab.data.examples.member import Member

SHUFFLED_BYTES = 192 * 2**20
"""Limit for the members in a shuffle buffer. The order depends on this number."""

_ROUNDS = 20  # an even number, after which both digits have their sizes again
_MULTIPLIER, _HALF = np.uint64(0xD6E8FEB86659FD93), np.uint64(32)
_ONE = np.uint64(1)


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


def permuted(positions: np.ndarray, count: int, seed: int | str, epoch: int) -> np.ndarray:
    """Returns the numbers in [0, count) at some positions of an epoch's random order, int64.

    Args:
      positions: in [0, count).
      count: number of examples.
      seed: of the order, together with the epoch.
      epoch: which order.
    """
    return permuted_each(positions, np.array([count]), keys_of([f'seed {seed} epoch {epoch}']))


def keys_of(names: Sequence[str]) -> np.ndarray:
    """Returns the keys of random orders by their names, uint64 [rounds, names]."""
    digests = b''.join(hashlib.shake_256(name.encode()).digest(8 * _ROUNDS) for name in names)
    return np.frombuffer(digests, '<u8').astype(np.uint64).reshape(len(names), _ROUNDS).T


def permuted_each(positions: np.ndarray, counts: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Returns the number in [0, count) at each position of a random order of its own, int64.

    A keyed bijection of [0, count): a Feistel network on pairs of digits, whose results of `count` or more
    go through it again. So any position costs the same, and no order is held in memory. Source: Black and
    Rogaway, Ciphers with Arbitrary Finite Domains, 2002. With fewer than 16 rounds, counting distinguishes
    it from a true shuffle of six examples.

    Args:
      positions: in [0, count).
      counts: numbers of examples, [positions], or [1] for all.
      keys: of the orders, from `keys_of`, [rounds, positions] or [rounds, 1].
    """
    counts = counts.astype(np.uint64)
    right_size = np.sqrt(counts).astype(np.uint64) + _ONE  # of two examples, too, both digits vary
    left_size = (counts + right_size - _ONE) // right_size
    size, other = left_size, right_size
    left, right = np.divmod(positions.astype(np.uint64), right_size)
    for key in keys:
        mixed = (right + key) * _MULTIPLIER
        mixed = (mixed ^ (mixed >> _HALF)) * _MULTIPLIER
        moved = left + ((mixed >> _HALF) * size >> _HALF)  # by a number in [0, size)
        left, right = right, np.minimum(moved, moved - size)  # modulo size, as unsigned numbers wrap
        size, other = other, size
    numbers: np.ndarray = (left * right_size + right).astype(np.int64)
    outside = np.flatnonzero(numbers >= counts)
    if len(outside):
        counts, keys = (each[..., outside] if each.shape[-1] > 1 else each for each in (counts, keys))
        numbers[outside] = permuted_each(numbers[outside], counts, keys)
    return numbers
