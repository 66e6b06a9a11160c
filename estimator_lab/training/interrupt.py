"""Stops a run on a signal, with a checkpoint saved."""

import contextlib
import signal
import threading
import types
from collections.abc import Iterator


class Interrupted(Exception):  # noqa: N818 - a request of the user, not an error
    """The user asked the run to stop; what was learned has been saved."""


class StopSwitch:
    """Turned on by the first SIGINT, SIGTERM or SIGHUP; a second signal has its usual effect."""

    def __init__(self) -> None:
        self.on = False

    @contextlib.contextmanager
    def listening(self) -> Iterator['StopSwitch']:
        """Handles the signals while the block runs; outside the main thread, Python can't."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        previous = {number: signal.getsignal(number) for number in _signals()}

        def turn_on(number: int, frame: types.FrameType | None) -> None:
            self.on = True
            signal.signal(number, previous[signal.Signals(number)])

        for number in previous:
            signal.signal(number, turn_on)
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def check(self) -> None:
        """Raises Interrupted if the switch is on."""
        if self.on:
            raise Interrupted


def _signals() -> list[signal.Signals]:
    """Returns the signals that ask to stop; without SIGHUP if the user ignores it (nohup)."""
    asking = [signal.SIGINT, signal.SIGTERM]
    hang_up = getattr(signal, 'SIGHUP', None)  # Windows has none
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:
        asking.append(hang_up)
    return asking
