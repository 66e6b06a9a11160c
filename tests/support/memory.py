"""Memory of Python's objects."""

import tracemalloc
from collections.abc import Callable
from typing import TypeVar

T = TypeVar('T')


def peak_of(call: Callable[[], T]) -> tuple[T, int]:
    """Returns the result of a function, and the peak of the memory that it allocated, in bytes."""
    tracemalloc.start()
    try:
        result = call()
        return result, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
