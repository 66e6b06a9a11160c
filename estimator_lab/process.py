"""What a command may do to its own process, and importing a module may not.

Importing ``estimator_lab.tf1`` in a user's program leaves standard error alone. A command calls
`hide_import_messages` first, and the same import then hides what TensorFlow's native code prints.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

LOG_LEVEL_VARIABLE = 'TF_CPP_MIN_LOG_LEVEL'
FATAL_ONLY = '3'
_hides_import_messages = False

# Copies descriptor 2 to descriptor 1 unless a line on descriptor 0 reports success. It is a process because
# one that native code aborts runs no more Python.
_WATCHER = 'read -r success || cat <&2'


def hide_import_messages() -> None:
    """Makes a later import of TensorFlow by `estimator_lab.tf1` print nothing unless it fails."""
    global _hides_import_messages
    _hides_import_messages = True


def importing_tensorflow() -> contextlib.AbstractContextManager[None]:
    """Returns the context in which TensorFlow is imported: `hushed` in a command, else one without effect."""
    return hushed() if _hides_import_messages else contextlib.nullcontext()


def wants_messages() -> bool:
    """Returns whether the user requests TensorFlow's messages by a TF_CPP_MIN_LOG_LEVEL below 3."""
    return os.environ.get(LOG_LEVEL_VARIABLE, FATAL_ONLY) != FATAL_ONLY


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hides what the block writes to file descriptor 2, native code included.

    TensorFlow 2.21 logs before it reads its log level, so no variable hides those lines. An exception or a
    native abort prints the hidden text after all; Ctrl-C does not. Without effect where the user requests
    TensorFlow's messages, or where there is no standard error or no temporary file.
    """
    if wants_messages():
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            sys.stderr.flush()
            screen = _closing(stack, os.dup(2))
            writing, reading = (_closing(stack, descriptor) for descriptor in _scratch_file())
            os.dup2(writing, 2)
        except (AttributeError, OSError):
            yield
            return
        report_success = stack.enter_context(_watched(reading, screen))
        try:
            yield
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):
                os.write(screen, os.pread(reading, os.fstat(reading).st_size, 0))
            raise
        finally:
            os.dup2(screen, 2)
            report_success()


def _closing(stack: contextlib.ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _scratch_file() -> tuple[int, int]:
    """Returns two descriptors of an unnamed file, one to write it and one to read it from its start."""
    if hasattr(os, 'memfd_create'):
        writing = os.memfd_create('stderr')
        with contextlib.suppress(OSError):
            return writing, os.open(f'/proc/self/fd/{writing}', os.O_RDONLY)
        os.close(writing)
    writing, path = tempfile.mkstemp()
    try:
        return writing, os.open(path, os.O_RDONLY)
    finally:
        Path(path).unlink()


@contextlib.contextmanager
def _watched(reading: int, screen: int) -> Iterator[Callable[[], None]]:
    """Starts a process that prints the contents of `reading` if this one dies; yields how to end it."""
    alive, ours = os.pipe()  # the system closes our end when this process ends, for any reason
    try:
        watcher = subprocess.Popen(['/bin/sh', '-c', _WATCHER], stdin=alive, stdout=screen, stderr=reading)
    except OSError:  # no shell, or too many processes: the text of an abort is lost
        os.close(alive)
        os.close(ours)
        yield lambda: None
        return
    os.close(alive)

    def report_success() -> None:
        with contextlib.suppress(BrokenPipeError):  # the watcher was killed
            os.write(ours, b'success\n')
        os.close(ours)
        watcher.wait()

    yield report_success
