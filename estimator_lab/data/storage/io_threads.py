"""Threads that wait for files: many, as they do nothing else, and none of them keeps a process alive."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar('T')
MOST = 64

_tasks: 'SimpleQueue[tuple[Future[Any], Callable[[], Any]]]' = SimpleQueue()
_lock = threading.Lock()
_started = 0
_pending = 0


def submit(task: Callable[[], T]) -> 'Future[T]':
    """Runs a task in one of up to MOST threads, in the order of calls; a task must not wait for others."""
    global _started, _pending
    from concurrent.futures import Future  # only files elsewhere need it

    future: Future[T] = Future()
    with _lock:
        _pending += 1
        if _started < min(_pending, MOST):
            _started += 1
            threading.Thread(target=_work, daemon=True, name='reading').start()
    _tasks.put((future, task))
    return future


def _work() -> None:
    global _pending
    while True:
        future, task = _tasks.get()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(task())
            except BaseException as error:  # noqa: BLE001 - raised again by `result`
                future.set_exception(error)
        del future, task
        with _lock:
            _pending -= 1
