"""Prints lines, progress and what a command is doing.

On a terminal, progress and tasks are a status line, which is rewritten in place and goes away with the next
output. Elsewhere, progress is an occasional plain line.

All text is made printable here. A line that can't be written does not end the work; `check_said` reports it
at the end.
"""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TextIO

from estimator_lab.base.errors import LabError, with_dashes
from estimator_lab.base.printable import printable
from estimator_lab.base.urls import hide_secrets

_CLEAR = '\r\033[K'  # moves to the beginning of the terminal's line and clears it
_TERMINAL_SECONDS = 0.2  # between two updates
_PLAIN_SECONDS = 10.0
_BAR = 24
_TITLE = 16


@dataclass
class _Screen:
    """What this process shows.

    Attributes:
      tasks: the stream that `doing` shows tasks on; None to show none.
      status: the terminal whose last line is a status line; None if there is none.
      unwritten: errors of lines that could not be written.
    """

    tasks: TextIO | None = None
    status: TextIO | None = None
    unwritten: list[OSError] = field(default_factory=list)


_screen = _Screen()


@contextlib.contextmanager
def showing_tasks(rows_on_stdout: bool) -> Iterator[None]:
    """Makes `doing` show tasks while the block runs: only a command does, not a program that uses the API."""
    terminals = [stream for stream in (sys.stdout, sys.stderr) if stream.isatty()]
    _screen.tasks = terminals[0] if terminals else None if rows_on_stdout else sys.stdout
    try:
        yield
    finally:
        clear_status()
        _screen.tasks = None


def doing(task: str, *, plain: bool = False) -> None:
    """Shows what the command does from now on, such as 'building the graph', on a terminal.

    Where there is no terminal, a `plain` task is shown as a line.
    """
    stream = _screen.tasks
    if stream and stream.isatty():
        _show_status(stream, task)
    elif stream and plain:
        _print(stream, task)


def clear_status() -> None:
    """Removes the status line, before other code prints to the terminal."""
    if _screen.status:
        _write(_screen.status, _CLEAR)
        _screen.status = None


def say(line: str) -> None:
    """Prints a line to standard output."""
    _print(sys.stdout, line)


def say_lines(text: str) -> None:
    """Prints a text of several lines."""
    for line in text.split('\n'):
        say(line)


def say_rows(rows: Iterable[tuple[str, str]]) -> None:
    """Prints titles, each followed by its text, as they arrive."""
    for row in rows:
        say(shown_row(row))


def shown_row(row: tuple[str, str]) -> str:
    """Returns a title, followed by its text."""
    title, text = row
    return f'{title:<{_TITLE}} {text}'


def warn(line: str) -> None:
    """Prints a line to standard error, apart from results."""
    _print(sys.stderr, line)


class Progress:
    """Shows the progress of a task: as the status line of a terminal, or in an occasional plain line.

    Args:
      title: of the task, such as 'Indexing faces.tar'; '' if only `show` is called, with whole lines.
      stream: to print to; None for standard output.
      show_line: called with each line if it is not `say`.
    """

    def __init__(
        self, title: str = '', stream: TextIO | None = None, show_line: Callable[[str], None] = say
    ) -> None:
        self._title = title
        self._stream = stream or sys.stdout
        self._show_line = None if show_line is say else show_line
        self._is_live = self._show_line is None and self._stream.isatty()
        self._seconds = _TERMINAL_SECONDS if self._is_live else _PLAIN_SECONDS
        self._started = time.monotonic()
        self._due = self._started + self._seconds

    def is_due(self) -> bool:
        """Whether the next update is due."""
        return time.monotonic() >= self._due

    def show(self, line: str) -> None:
        """Shows a line."""
        self._due = time.monotonic() + self._seconds
        if self._show_line:
            self._show_line(shown(line))
        elif self._is_live:
            _show_status(self._stream, line)
        else:
            _print(self._stream, line)

    def __call__(self, done: str, share: float | None = None) -> None:
        """Shows the title and what has been done, if an update is due.

        Args:
          done: such as '12,000 images'.
          share: of all work, in [0, 1]; None if unknown.
        """
        if not self.is_due():
            return
        line = f'{self._title}: {done}'
        if share:
            left = (time.monotonic() - self._started) * (1 - share) / share
            bar = f'[{"#" * round(share * _BAR):<{_BAR}}] ' if self._is_live else ''
            line = f'{self._title}  {bar}{share:4.0%}  {done}  {clock(left)} left'
        self.show(line)

    def close(self) -> None:
        """Removes the status line."""
        if self._is_live:
            clear_status()


@contextlib.contextmanager
def progress_of(
    title: str, noun: str, share: Callable[[int], float | None]
) -> Iterator[Callable[[int], None]]:
    """Yields a function that is called with the number of examples done, and shows it on standard error.

    `share` returns the share of all work, in [0, 1], that this number is; None if unknown.
    """
    # Made at the first call, so that the start of TensorFlow does not count.
    progress = cache(lambda: Progress(title, sys.stderr))
    try:
        yield lambda done: progress()(f'{done:,} {noun}', share(done))
    finally:
        clear_status()


def open_closed_streams() -> None:
    """Replaces a standard stream that the shell has closed, as by `>&-`, by the null device."""
    for name in ('stdout', 'stderr'):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))  # noqa: PTH123, SIM115 - to the end


def silence(stream: TextIO) -> None:
    """Discards what a stream has buffered, and what is written to it from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def check_said() -> None:
    """Checks that all lines were written.

    Raises:
      LabError: one was not, because the disk is full.
    """
    if _screen.unwritten:
        raise LabError(why_unwritten(_screen.unwritten.pop()))


def why_unwritten(error: OSError) -> str:
    """Returns the sentence for an error of standard output."""
    return f'Standard output cannot be written: {error.strerror or error}.'


def clock(seconds: float) -> str:
    """Returns '1:02:03' for hours, '2:03' below an hour."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f'{hours}:{minute:02}:{second:02}' if hours else f'{minute}:{second:02}'


def shown(line: str) -> str:
    """Returns a line as it is printed: without control characters, and URLs without credentials."""
    return hide_secrets(printable(line))


def _print(stream: TextIO, line: str) -> None:
    clear_status()
    _write(stream, f'{shown(with_dashes(line))}\n')


def _show_status(stream: TextIO, line: str) -> None:
    if _screen.status is not stream:
        clear_status()
    columns = shutil.get_terminal_size().columns - 1  # a full line would scroll
    _write(stream, f'{_CLEAR}{shown(with_dashes(line))[:columns]}')
    _screen.status = stream


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:  # the reader has closed the pipe
        silence(stream)
    except OSError as error:
        silence(stream)
        _screen.unwritten.append(error)
