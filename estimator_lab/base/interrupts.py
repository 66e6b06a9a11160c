"""Signals that ask to stop (SIGINT, SIGTERM, SIGHUP), heard at once and in every state.

Python runs signal handlers in the main thread, between two instructions of Python. While native code runs
there, such as a session that waits for input, no handler runs. So a thread hears each signal as well: it ends
inputs that are stuck, and ends the process of a command that does not end by itself.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import SimpleQueue
from typing import Any, NamedTuple, NoReturn, TypeVar

T = TypeVar('T')

_EXIT_SECONDS = 4.0  # from the first signal to the end of a command that has nothing to save
_SECOND_SIGNAL_SECONDS = 0.5  # for the main thread to end by itself


class _Arrival(NamedTuple):
    """What a reading thread hands over: an item, the error that ended the items, or neither at their end."""

    item: Any = None
    error: BaseException | None = None
    is_last: bool = True


_stop_requested = threading.Event()
_stop_signal = 0  # the first since the outermost block of `handled` began; 0 for none
_inputs: set['SimpleQueue[_Arrival]'] = set()
_handling = 0  # blocks of `handled`, one within the other
_saving = 0  # runs that a signal ends by themselves, because they have something to save


def stops_within(seconds: float) -> bool:
    """Waits; returns True at once when a signal that `handled` hears asks to stop, False after the time."""
    return _stop_requested.wait(seconds)


def stop_signal() -> int:
    """Returns the first signal that `handled` heard, even if its exception was swallowed; 0 for none."""
    return _stop_signal


def interrupted_status() -> int:
    """Returns the exit status of an interrupted command as a shell reports it: 128 + the signal's number."""
    return 128 + (_stop_signal or signal.SIGINT)


def stop_signals() -> list[signal.Signals]:
    """Returns the signals that ask to stop; without SIGHUP if the user ignores it (nohup)."""
    hang_ups = [signal.SIGHUP] if hasattr(signal, 'SIGHUP') else []  # Windows has none
    asking = [number for number in hang_ups if signal.getsignal(number) != signal.SIG_IGN]
    return [signal.SIGINT, signal.SIGTERM, *asking]


@contextlib.contextmanager
def handled(handler: Callable[[int, Any], None], hear: Callable[[], None]) -> Iterator[None]:
    """Handles the signals that ask to stop while the block runs; has no effect outside the main thread.

    At the first signal, inputs that `until_stopped` reads end, even if they are stuck.

    `handler` is called in the main thread, as for `signal.signal`; `hear` in another thread, at once.
    """
    global _handling, _stop_signal
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if not _handling:
        _stop_signal = 0
    _handling += 1
    before = {number: signal.getsignal(number) for number in stop_signals()}
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    outer = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)

    def listen() -> None:
        while heard := os.read(read_end, 1):
            if outer >= 0:
                with contextlib.suppress(OSError):  # it is full
                    os.write(outer, heard)
            _note(heard[0])
            _end_inputs()
            hear()

    def handle(number: int, frame: object) -> None:
        _note(number)  # the other thread may be late
        handler(number, frame)

    thread = threading.Thread(target=listen, daemon=True, name='signals')
    thread.start()
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
        signal.set_wakeup_fd(outer)
        os.close(write_end)
        thread.join()
        os.close(read_end)
        _handling -= 1
        if not _handling:
            _stop_requested.clear()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """Ends a command that a signal asks to stop: by a KeyboardInterrupt in the block, if that is possible.

    If not, as native code runs, the process exits after four seconds with `interrupted_status`, and soon
    after a second signal, which does not interrupt what saves results after the first. A run within `saves`
    may take its time at the first signal.

    Yields:
      An event that tells whether a signal was heard.
    """
    heard, timers, interrupted = threading.Event(), list[threading.Timer](), threading.Event()
    places = ((sys, 'excepthook'), (sys, 'unraisablehook'), (threading, 'excepthook'))
    hooks = {(module, name): getattr(module, name) for module, name in places}

    def interrupt(number: int, frame: object) -> None:
        heard.set()  # the other thread may be late
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt

    def hear() -> None:
        heard.set()
        # Native code that a KeyboardInterrupt leaves may print a traceback of its own.
        for module, name in hooks:
            setattr(module, name, lambda *arguments: None)
        seconds = _SECOND_SIGNAL_SECONDS if timers else _EXIT_SECONDS
        timers.append(_daemon_timer(seconds, _exit, bool(timers)))

    try:
        with handled(interrupt, hear):
            yield heard
    finally:
        for (module, name), hook in hooks.items():
            setattr(module, name, hook)
        for timer in timers:
            timer.cancel()


@contextlib.contextmanager
def saves() -> Iterator[None]:
    """While the block runs, a first signal does not end the process."""
    global _saving
    _saving += 1
    try:
        yield
    finally:
        _saving -= 1


def leave(status: int) -> NoReturn:
    """Ends the process with what was registered for its end, but without waiting for its threads.

    One of them may be stuck, and the end of TensorFlow takes seconds.
    """
    _daemon_timer(_EXIT_SECONDS, os._exit, status)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _exit(is_second: bool) -> None:
    if is_second or not _saving:
        with contextlib.suppress(OSError):
            os.write(2, b'error: Stopped.\n')
        os._exit(interrupted_status())


def _daemon_timer(seconds: float, function: Callable[..., object], argument: object) -> threading.Timer:
    timer = threading.Timer(seconds, function, [argument])
    timer.daemon = True
    timer.start()
    return timer


def _note(number: int) -> None:
    global _stop_signal
    _stop_signal = _stop_signal or number


def _end_inputs() -> None:
    _stop_requested.set()
    for arrivals in list(_inputs):
        arrivals.put(_Arrival())


def until_stopped(items: Iterable[T]) -> Generator[T]:
    """Yields the items up to the first signal that `handled` hears, even if the next one never arrives.

    A thread reads the items, each when it is requested. At a signal, it is left behind.
    """
    requests, arrivals = SimpleQueue[bool](), SimpleQueue[_Arrival]()

    def read() -> None:
        iterator = iter(items)
        try:
            while requests.get():
                arrivals.put(_Arrival(next(iterator), is_last=False))
        except StopIteration:
            arrivals.put(_Arrival())
        except BaseException as error:  # noqa: BLE001 - raised again where the items are used
            arrivals.put(_Arrival(error=error))
        finally:
            if isinstance(iterator, Generator):
                iterator.close()

    thread = threading.Thread(target=read, daemon=True, name='input')
    thread.start()
    _inputs.add(arrivals)
    try:
        while not _stop_requested.is_set():
            requests.put(True)
            arrival = arrivals.get()
            if arrival.error:
                raise arrival.error
            if arrival.is_last:
                break
            yield arrival.item
            del arrival
    finally:
        _inputs.discard(arrivals)
        requests.put(False)
        if not _stop_requested.is_set():
            thread.join()


class Interrupted(BaseException):
    """The user asked the run to stop; what was learned has been saved.

    It may be raised in the middle of foreign code, whose `except Exception` must not swallow it.
    """


class StopSwitch:
    """Turned on by the first SIGINT, SIGTERM or SIGHUP; the second raises KeyboardInterrupt.

    Attributes:
      on: whether it is.
      number: of the signal that turned it on; 0 before.
      may_leave: whether the first signal may raise Interrupted at once, as nothing unsaved was learned.
    """

    def __init__(self) -> None:
        self.on = False
        self.number = 0
        self.may_leave = False
        self._handled = 0

    @contextlib.contextmanager
    def listening(self) -> Iterator['StopSwitch']:
        """Handles the signals while the block runs; outside the main thread, Python can't.

        An earlier signal whose KeyboardInterrupt was swallowed, as in a callback of native code, counts: it
        has ended all inputs, so that training would end at its first step.
        """

        def turn_on(number: int, frame: object) -> None:
            self.on = True
            self._handled += 1
            if self._handled > 1:
                raise KeyboardInterrupt
            if self.may_leave:
                raise Interrupted

        def hear() -> None:
            self.on = True

        with saves(), _quiet_where_ignored(), handled(turn_on, hear):
            self.on = self.on or bool(stop_signal())
            try:
                yield self
            finally:
                self.number = stop_signal()

    def check(self) -> None:
        """Raises Interrupted if the switch is on."""
        if self.on:
            raise Interrupted


@contextlib.contextmanager
def _quiet_where_ignored() -> Iterator[None]:
    """Leaves out Python's message about an Interrupted that a destructor swallows: the switch is on."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda ignored: None if ignored.exc_type is Interrupted else hook(ignored)
    try:
        yield
    finally:
        sys.unraisablehook = hook
