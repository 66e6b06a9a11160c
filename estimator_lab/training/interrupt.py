"""Stops a run on a signal, with a checkpoint saved."""

import contextlib
from collections.abc import Iterator

from estimator_lab.base.interrupts import handled, saves, stop_requested


class Interrupted(Exception):  # noqa: N818 - a request of the user, not an error
    """The user asked the run to stop; what was learned has been saved."""


class StopSwitch:
    """Turned on by the first SIGINT, SIGTERM or SIGHUP; the second raises KeyboardInterrupt.

    Attributes:
      on: whether it is.
      may_leave: whether the first signal may raise Interrupted at once, as nothing unsaved was learned.
    """

    def __init__(self) -> None:
        self.on = False
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

        with saves(), handled(turn_on, hear):
            self.on = self.on or stop_requested()
            yield self

    def check(self) -> None:
        """Raises Interrupted if the switch is on."""
        if self.on:
            raise Interrupted
