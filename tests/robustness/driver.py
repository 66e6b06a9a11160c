"""What fuzzers and fault injectors share: a deadline for each case, a tally of failures, the report."""

import contextlib
import signal
import sys
import time
import traceback
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from benchmarks.runner import command_line, machine

_SECONDS = 10  # of the processor, as other programs may use the machine
_SECONDS_BLOCKED = 60  # by the clock
_SHOWN = 5


class Hang(BaseException):
    """A case exceeded its deadline. Not an Exception, as readers turn those into DataErrors."""


def _give_up(number: int, frame: object) -> None:
    raise Hang


@contextlib.contextmanager
def _deadline() -> Iterator[None]:
    """Raises Hang within the block when its time is over."""
    timers = {signal.ITIMER_PROF: _SECONDS, signal.ITIMER_REAL: _SECONDS_BLOCKED}
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, _give_up)
    for timer, seconds in timers.items():
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)


class Tally:
    """What became of the cases.

    Attributes:
      counts: of anything, by name.
      problems: tracebacks and complaints.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []

    @contextlib.contextmanager
    def case(self, name: str) -> Iterator[None]:
        """Runs a block as a case: a hang or an exception is a failure, and stays within the block."""
        try:
            with _deadline():
                yield
        except Hang:
            self.problems.append(f'{name}: hangs')
        except Exception:  # noqa: BLE001 - the fuzzers look for those that are not expected
            self.problems.append(f'{name}:\n{traceback.format_exc()}')

    def report(self, title: str) -> int:
        """Prints the counts and the first problems; returns the number of problems."""
        counts = ', '.join(f'{count:,} {name}' for name, count in self.counts.items())
        print(f'{title}: {counts}; {len(self.problems)} failures')
        print(*self.problems[:_SHOWN], sep='\n', end='\n' if self.problems else '', flush=True)
        return len(self.problems)


def main(header: str | None, measure: Callable[[Namespace], int], **flags: tuple[Any, ...]) -> NoReturn:
    """Runs a program of this folder; its exit status is 1 if `measure` returns failures.

    Args:
      header: the program's docstring.
      measure: prints what it finds; returns the number of failures.
      flags: as of `command_line`, besides --seed.
    """
    given = command_line(header, seed=(1, 'of the random numbers'), **flags).parse_args()
    print(machine('pillow'), flush=True)
    started = time.monotonic()
    failures = measure(given)
    print(f'{failures} failures in all; {time.monotonic() - started:.0f} s')
    sys.exit(1 if failures else 0)
