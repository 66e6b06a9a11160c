"""Memory of Python's objects."""

import tracemalloc
from collections.abc import Callable
from typing import TypeVar

T = TypeVar('T')


def peak_of(call: Callable[[], T]) -> tuple[T, int]:
    """Returns what a function returns, and how many bytes it took at most, with these."""
    tracemalloc.start()
    try:
        result = call()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
