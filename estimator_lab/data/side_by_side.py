"""Archives that are read side by side, each in a process: Python's lock keeps threads to one core."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import TypeVar

from estimator_lab.base.errors import LabError
from estimator_lab.base.interrupts import stop_signals
from estimator_lab.data.sources.source import Source

R = TypeVar('R')

_LEAST_BYTES = 2**28  # starting a process takes as long as reading the headers of some hundred megabytes
_MOST_PROCESSES = 8


def each(task: Callable[[Source], R], sources: Sequence[Source]) -> Generator[R, None, None]:
    """Yields what a task returns for each source, in order: of large archives on disk from several processes.

    These end with the generator, print nothing, and can't raise LabErrors, which the task therefore returns.

    Raises:
      LabError: the system has ended a process.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    count = min(cores, len(sources), _MOST_PROCESSES)
    is_apart = any(source.is_remote or source.is_pipe or source.table for source in sources)
    if count < 2 or is_apart or sum(s.stamp().size for s in sources if not s.is_folder) < _LEAST_BYTES:
        yield from map(task, sources)
        return
    others = set(multiprocessing.active_children())
    spawned = multiprocessing.get_context('spawn')  # a fork may find locks that other threads hold
    pool = ProcessPoolExecutor(count, spawned, _begin_process)
    try:
        # They inherit that signals are blocked: Ctrl-C reaches them, too, but only this process reports it.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals())
        try:
            results = pool.map(task, sources)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        yield from results
    except BrokenProcessPool as error:
        raise LabError('The system has ended a process that read archives: is memory short?') from error
    finally:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        pool.shutdown()


def _begin_process() -> None:
    """Makes this process print nothing, and end when its parent does, in whatever way."""
    sys.stdout = sys.stderr = open(os.devnull, 'w', encoding='utf-8')  # noqa: PTH123, SIM115 - to the end

    def end() -> None:
        if parent := multiprocessing.parent_process():
            connection.wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=end, daemon=True).start()
