"""How long a painting takes, whoever paints it."""

import time
from collections.abc import Callable

import numpy as np

SIDES = (512, 1024)
_ROUNDS = 20


def random_photo(side: int, channels: int = 3) -> np.ndarray:
    """Returns uint8 [side, side, channels]."""
    return np.random.default_rng(0).integers(0, 256, (side, side, channels), np.uint8)


def print_times(painter: str, paint: Callable[[np.ndarray], np.ndarray], photo: np.ndarray) -> None:
    """Prints the best and the median of some rounds, from pixels to pixels.

    Args:
      painter: its name.
      paint: uint8 [height, width, channels] to the same.
      photo: what it paints.
    """
    assert paint(photo).shape == photo.shape
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        paint(photo)
        seconds.append(time.perf_counter() - started)
    best, median = (1000 * value for value in (min(seconds), np.median(seconds)))
    size = f'{photo.shape[0]}x{photo.shape[1]}'
    print(f'{size}, {painter}: best {best:.0f} ms, median {median:.0f} ms', flush=True)
