"""Stopping on a signal: what was learned by then is saved, and half an evaluation is not written down."""

import contextlib
import signal
import threading
import types
from collections.abc import Iterator
from typing import Any

from estimator_lab.tf1 import tf


class Interrupted(Exception):  # noqa: N818 - a request of the user, not an error
    """The user asked the run to stop; what was learned has been saved."""


class StopSwitch:
    """Turned on by the first SIGINT, SIGTERM or SIGHUP; a second one does what it would do without us."""

    def __init__(self) -> None:
        self.on = False

    @contextlib.contextmanager
    def listening(self) -> Iterator['StopSwitch']:
        """Listens while the block runs; does nothing outside the main thread, where Python can't."""
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
    """Returns those that ask to stop; a closed terminal does not where the user said so (nohup)."""
    asking = [signal.SIGINT, signal.SIGTERM]
    hang_up = getattr(signal, 'SIGHUP', None)  # Windows has none
    if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:
        asking.append(hang_up)
    return asking


class StopTrainingHook(tf.train.SessionRunHook):
    """Ends training behind the current step once the switch is on, so that a checkpoint is saved.

    Attributes:
      over: whether the last step has been taken; saving may still go on.
    """

    def __init__(self, switch: StopSwitch) -> None:
        self._switch = switch
        self.over = False

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if self._switch.on:
            run_context.request_stop()

    def end(self, session: Any) -> None:
        self.over = True


class StopEvaluationHook(tf.train.SessionRunHook):
    """Leaves an evaluation once the switch is on: half an evaluation must not be written down as one."""

    def __init__(self, switch: StopSwitch) -> None:
        self._switch = switch

    def begin(self) -> None:
        self._switch.check()

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._switch.check()
