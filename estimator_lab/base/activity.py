"""Writes to the screen, and shows what a command is doing while it prints nothing else.

On a terminal, a line such as 'building the graph  (3 s)' is rewritten each second and goes away with the next
output. Elsewhere nothing is repeated.
"""

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

from estimator_lab.base.printable import printable
from estimator_lab.base.urls import hide_secrets

CLEAR = '\r\033[K'
"""Moves to the beginning of the terminal's line and clears it."""

_LOOK_SECONDS = 0.25
_TERMINAL_SECONDS = 1.0

_unwritten: list[OSError] = []
_lock = threading.RLock()


class _Activity:
    """What is under way.

    Attributes:
      stream: that shows it; None to show nothing.
      task: in words; '' for none.
      status: the status line that is shown; '' for none.
      since: when the task or the status line last changed.
      printed: when something was last printed.
      is_shown: whether the terminal's last line is ours.
    """

    def __init__(self) -> None:
        self.stream: TextIO | None = None
        self.task = self.status = ''
        self.since = self.printed = 0.0
        self.is_shown = False


_activity = _Activity()


@contextlib.contextmanager
def shown_activity(rows_on_stdout: bool) -> Iterator[None]:
    """Shows what the command is doing while the block runs.

    Args:
      rows_on_stdout: whether standard output is for data, and shows other lines only if it is a terminal.
    """
    terminals = [stream for stream in (sys.stdout, sys.stderr) if stream.isatty()]
    _activity.stream = terminals[0] if terminals else None if rows_on_stdout else sys.stdout
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_LOOK_SECONDS):
            with _lock:
                if not ended.is_set():
                    _show_if_quiet(time.monotonic())

    thread = threading.Thread(target=beat, daemon=True, name='activity')
    thread.start()
    try:
        yield
    finally:
        ended.set()
        with _lock:
            clear_activity()
            _activity.stream, _activity.task, _activity.status = None, '', ''


def doing(task: str, *, plain: bool = False) -> None:
    """Says what the command does from now on, as in 'building the graph'.

    Args:
      task: in words; '' for nothing worth showing.
      plain: whether it is shown at once even if the stream is no terminal.
    """
    with _lock:
        _activity.task, _activity.since = task, time.monotonic()
        stream = _activity.stream
        if stream and task and (stream.isatty() or plain):
            _show(stream, task)


def clear_activity() -> None:
    """Removes the line from the terminal, before other code prints there."""
    with _lock:
        if _activity.is_shown and _activity.stream:
            _write(_activity.stream, CLEAR)
        _activity.is_shown = False
        _activity.printed = time.monotonic()


def set_status(line: str) -> None:
    """Notes the status line that another part shows; '' when it goes away."""
    with _lock:
        _activity.status, _activity.since = line, time.monotonic()


def write(stream: TextIO, text: str) -> None:
    """Writes text, and notes a failure for `unwritten`."""
    with _lock:
        if _activity.is_shown and text.startswith(CLEAR) and stream is _activity.stream:
            _activity.is_shown = False
        clear_activity()
        _write(stream, text)


def unwritten() -> OSError | None:
    """Returns the error of a write that failed, each once; None if there is none."""
    return _unwritten.pop() if _unwritten else None


def silence(stream: TextIO) -> None:
    """Discards what a stream has buffered, and what is written to it from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def shown(line: str) -> str:
    """Returns a line as it is printed: without control characters, and URLs without credentials."""
    return hide_secrets(printable(line))


def fitted(line: str, columns: int) -> str:
    """Returns a line shortened to a terminal's width by whole parts, from the end.

    Args:
      line: parts separated by two spaces, the most important first.
      columns: of the terminal; the last one stays empty.
    """
    while len(line) >= columns and '  ' in line:
        line = line.rpartition('  ')[0].rstrip()
    return line[: max(columns - 1, 0)]


def _show_if_quiet(now: float) -> None:
    stream, text = _activity.stream, _activity.status or _activity.task
    if not stream or not text or not stream.isatty():
        return
    elapsed = now - _activity.since
    if now - max(_activity.printed, _activity.since) >= _TERMINAL_SECONDS:
        _show(stream, f'{text}  ({elapsed:.0f} s)')


def _show(stream: TextIO, line: str) -> None:
    line = shown(line)
    if stream.isatty():
        _write(stream, f'{CLEAR}{fitted(line, shutil.get_terminal_size().columns)}')
        _activity.is_shown = True
    else:
        _write(stream, f'{line}\n')
    _activity.printed = time.monotonic()


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:  # the reader has closed the pipe
        silence(stream)
    except OSError as error:
        silence(stream)
        _unwritten.append(error)
