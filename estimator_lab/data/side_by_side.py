"""Archives that are read side by side, each in a process: Python's lock keeps threads to one core."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import TypeVar

from estimator_lab.base.errors import LabError
from estimator_lab.base.interrupts import stop_signals
from estimator_lab.base.progress import Progress
from estimator_lab.data.sources.source import Source

R = TypeVar('R')

_LEAST_BYTES = 2**28  # starting a process takes as long as reading the headers of some hundred megabytes
_MOST_PROCESSES = 8


def pays(sources: Sequence[Source]) -> bool:
    """Whether several processes read the headers of some sources faster: of large archives on disk."""
    if _processes(sources) < 2 or any(one.is_remote or one.is_pipe or one.table for one in sources):
        return False
    return sum(one.stamp().size for one in sources if not one.is_folder) >= _LEAST_BYTES


def in_processes(
    task: Callable[[Source], R], sources: Sequence[Source], progress: Progress
) -> Generator[R, None, None]:
    """Yields what a task returns for each source, in order. The processes end with the generator.

    Args:
      task: a function of a module, which prints nothing; it returns errors that users see, and raises none.
      sources: the sources.
      progress: shows how many are done.

    Raises:
      LabError: the system has ended a process.
    """
    others = set(multiprocessing.active_children())
    spawned = multiprocessing.get_context('spawn')  # a fork may find locks that other threads hold
    pool = ProcessPoolExecutor(_processes(sources), spawned, _end_with_parent)
    try:
        # They inherit that signals are blocked: Ctrl-C reaches them, too, but only this process reports it.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals())
        try:
            results = pool.map(task, sources)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        for done, result in enumerate(results, 1):
            progress(f'{done:,} of {len(sources):,} archives', done / len(sources))
            yield result
    except BrokenProcessPool as error:
        raise LabError('The system has ended a process that read archives: is memory short?') from error
    finally:
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        pool.shutdown()


def _processes(sources: Sequence[Source]) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    return min(cores, len(sources), _MOST_PROCESSES)


def _end_with_parent() -> None:
    """Makes this process end when its parent does, in whatever way."""

    def end() -> None:
        if parent := multiprocessing.parent_process():
            connection.wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=end, daemon=True).start()
