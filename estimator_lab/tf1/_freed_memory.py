"""Keeps the memory of a batch for the next one, where the system's C library would give it back each time."""

import ctypes
import os

# mallopt's numbers in glibc's malloc.h.
_TRIM_THRESHOLD, _MAPPING_THRESHOLD = -1, -3
# What glibc arrives at by itself in a process that frees large blocks (mallopt(3)).
_LARGEST_KEPT = 32 * 2**20
_KEPT = 2 * _LARGEST_KEPT
_USERS_OWN = ('MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_', 'GLIBC_TUNABLES')


def keep_freed_memory() -> bool:
    """Has glibc keep freed blocks of up to 32 MiB for further use, 64 MiB of them at the end of a heap.

    That is what it learns by itself to do. But the first `Dataset.from_generator` of TensorFlow 2.21 sets the
    second number to 128 KiB, with which glibc stops learning: each larger block, so each batch of images,
    is asked of the system anew, and its pages are cleared at their first use, which costs colour images a
    tenth of their time. To be called once such a Dataset is there.

    Returns:
      Whether it does: not with another C library, nor where the user has set such a limit in the
      environment.
    """
    if any(name in os.environ for name in _USERS_OWN):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(set_option(_MAPPING_THRESHOLD, _LARGEST_KEPT) and set_option(_TRIM_THRESHOLD, _KEPT))
