"""A progress bar on a terminal, a plain line now and then elsewhere, nothing for what is quick."""

import os
import sys
import time
from typing import TextIO

_QUICK_SECONDS = 2.0
_TERMINAL_SECONDS = 0.2
_PLAIN_SECONDS = 10.0
_BAR = 24


class Progress:
    """Shows how far a task has come.

    Args:
      title: what is being done, such as 'Indexing faces.tar'.
      stream: where it is shown.
    """

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self._title = title
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._started = time.monotonic()
        self._due = self._started + _QUICK_SECONDS
        self._shown = False

    def __call__(self, done: str, share: float | None = None) -> None:
        """Shows the state if it is time to.

        Args:
          done: what has been done, such as '12,000 images'.
          share: how much of the whole that is, in [0, 1]; None where nobody knows.
        """
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + (_TERMINAL_SECONDS if self._live else _PLAIN_SECONDS)
        self._shown = True
        line = f'{self._title}: {done}'
        if share:
            left = (now - self._started) * (1 - share) / share
            bar = f'[{"#" * round(share * _BAR):<{_BAR}}] ' if self._live else ''
            line = f'{self._title}  {bar}{share:4.0%}  {done}  {clock(left)} left'
        _write(self._stream, f'\r\033[K{line}' if self._live else f'{line}\n')

    def close(self) -> None:
        """Takes the bar off the terminal."""
        if self._live and self._shown:
            _write(self._stream, '\r\033[K')


def say(line: str) -> None:
    """Prints a line; on a terminal, a progress bar may stand where it goes."""
    _write(sys.stdout, f'\r\033[K{line}\n' if sys.stdout.isatty() else f'{line}\n')


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:  # nobody reads on: no reason to end the work
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def clock(seconds: float) -> str:
    """Returns '1:02:03' for hours, '2:03' below an hour."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f'{hours}:{minute:02}:{second:02}' if hours else f'{minute}:{second:02}'
