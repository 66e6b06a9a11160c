"""Prints lines and progress: a progress bar on a terminal, an occasional plain line elsewhere.

All text is made printable here. A line that can't be written does not end the work; `check_said` reports it
at the end.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

from estimator_lab.base.activity import CLEAR, fitted, set_status, shown, unwritten, write
from estimator_lab.base.errors import LabError

_QUICK_SECONDS = 2.0
_TERMINAL_SECONDS = 0.2
_PLAIN_SECONDS = 10.0
_BAR = 24
_TITLE = 16


class StatusLine:
    """A status line: rewritten in place on a terminal, printed occasionally elsewhere.

    Args:
      stream: to print to; None for standard output.
      first_seconds: before the first update; None for the same as between two.
      say: shows a line to the user; None or the function `say` of this module to print it to the stream.

    Attributes:
      is_live: whether it is on a terminal.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        first_seconds: float | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self._stream = stream or sys.stdout
        self._say = None if say is _print_line else say
        self.is_live = self._say is None and self._stream.isatty()
        self._seconds = _TERMINAL_SECONDS if self.is_live else _PLAIN_SECONDS
        self._due = time.monotonic() + (self._seconds if first_seconds is None else first_seconds)
        self._shown = False

    def is_due(self) -> bool:
        """Whether the next update is due."""
        return time.monotonic() >= self._due

    def show(self, line: str) -> None:
        """Shows a line."""
        self._due = time.monotonic() + self._seconds
        self._shown = True
        line = shown(line)
        set_status(line)
        if self._say:
            self._say(line)
        elif self.is_live:
            write(self._stream, f'{CLEAR}{fitted(line, shutil.get_terminal_size().columns)}')
        else:
            write(self._stream, f'{line}\n')

    def close(self) -> None:
        """Removes the line from the terminal."""
        if self._shown:
            set_status('')
        if self.is_live and self._shown:
            write(self._stream, CLEAR)


class Progress(StatusLine):
    """Shows the progress of a task, whose title is such as 'Indexing faces.tar'."""

    def __init__(
        self, title: str, stream: TextIO | None = None, say: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(stream, _QUICK_SECONDS, say)
        self._title = title
        self._started = time.monotonic()

    def __call__(self, done: str, share: float | None = None) -> None:
        """Shows the progress if an update is due.

        Args:
          done: what has been done, such as '12,000 images'.
          share: of all work, in [0, 1]; None if unknown.
        """
        if not self.is_due():
            return
        line = f'{self._title}: {done}'
        if share:
            left = (time.monotonic() - self._started) * (1 - share) / share
            bar = f'[{"#" * round(share * _BAR):<{_BAR}}] ' if self.is_live else ''
            line = f'{self._title}  {bar}{share:4.0%}  {done}  {clock(left)} left'
        self.show(line)


@contextmanager
def progress_of(
    title: str, noun: str, share: Callable[[int], float | None]
) -> Iterator[Callable[[int], None]]:
    """Yields a function that is called with the number of examples done, and shows it on standard error.

    Args:
      title: the task.
      noun: the plural for the examples.
      share: returns the share of all work, in [0, 1], that this number is; None if unknown.
    """
    begun: list[Progress] = []

    def show(done: int) -> None:
        if not begun:  # the start of TensorFlow does not count
            begun.append(Progress(title, sys.stderr))
        begun[0](f'{done:,} {noun}', share(done))

    try:
        yield show
    finally:
        for progress in begun:
            progress.close()


def open_closed_streams() -> None:
    """Replaces a standard stream that the shell has closed, as by `>&-`, by the null device."""
    for name in ('stdout', 'stderr'):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))  # noqa: PTH123, SIM115 - to the end


def say(line: str) -> None:
    """Prints a line; on a terminal, it replaces the progress bar."""
    line = shown(line)
    write(sys.stdout, f'{CLEAR}{line}\n' if sys.stdout.isatty() else f'{line}\n')


_print_line = say


def say_lines(text: str) -> None:
    """Prints a text of several lines."""
    for line in text.split('\n'):
        say(line)


def say_rows(rows: Iterable[tuple[str, str]]) -> None:
    """Prints titles, each followed by its text, as they arrive."""
    for title, text in rows:
        say(f'{title:<{_TITLE}} {text}')


def warn(line: str) -> None:
    """Prints a line to standard error, apart from results."""
    write(sys.stderr, f'{shown(line)}\n')


def check_said() -> None:
    """Checks that all lines were written.

    Raises:
      LabError: one was not, because the disk is full.
    """
    if error := unwritten():
        raise LabError(why_unwritten(error))


def why_unwritten(error: OSError) -> str:
    """Returns the sentence for an error of standard output."""
    return f'Standard output cannot be written: {error.strerror or error}.'


def clock(seconds: float) -> str:
    """Returns '1:02:03' for hours, '2:03' below an hour."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f'{hours}:{minute:02}:{second:02}' if hours else f'{minute}:{second:02}'
