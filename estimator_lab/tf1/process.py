"""What a command changes in its process: glibc's malloc."""

import ctypes
import os
import threading

# mallopt's numbers in glibc's malloc.h.
_TRIM_THRESHOLD, _MAPPING_THRESHOLD = -1, -3
# The thresholds that glibc arrives at by itself in a process that frees large blocks (mallopt(3)).
_LARGEST_KEPT = 32 * 2**20
_KEPT = 2 * _LARGEST_KEPT
USERS_MALLOC_VARIABLES = ('MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_', 'GLIBC_TUNABLES')


_PREPARED = threading.Event()


def prepare_process() -> None:
    """Lets `keep_freed_memory` take effect in this process, as the commands and `api.fit` do.

    A user's program may call it too; importing `estimator_lab.tf1` does not.
    """
    _PREPARED.set()


def keep_freed_memory() -> bool:
    """Makes glibc keep freed blocks of up to 32 MiB for reuse, and 64 MiB of them at the end of a heap.

    glibc arrives at these thresholds by itself. But the first `Dataset.from_generator` of TensorFlow 2.21
    sets the second one to 128 KiB, after which glibc adapts no more: each larger block, and so each batch of
    images, is requested from the system, which clears its pages. That costs colour images a tenth of their
    time. Call it once such a Dataset runs. Without effect before `prepare_process`, with another C library,
    and where the user's environment sets such a limit.

    Returns:
      Whether it took effect.
    """
    if not _PREPARED.is_set() or any(n in os.environ for n in USERS_MALLOC_VARIABLES):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(set_option(_MAPPING_THRESHOLD, _LARGEST_KEPT) and set_option(_TRIM_THRESHOLD, _KEPT))
