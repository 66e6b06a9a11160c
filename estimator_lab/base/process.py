"""What a command may do to its own process, and importing a module may not.

Importing ``estimator_lab.tf1`` in a user's program leaves standard error alone. A command calls
`hide_import_messages` first, and the same import then hides what TensorFlow's native code prints. After
`hide_optional_packages`, it does not load packages that only users' programs need.
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
# Keras and Estimator import them if they are installed, for arguments that commands do not pass.
_OPTIONAL_PACKAGES = ('pandas', 'scipy')
_hides_import_messages = _hides_optional_packages = False
_announce: Callable[[], None] | None = None

# Prints a file and removes it, unless a line on standard input reports success. It is a separate process,
# because one that native code aborts runs no more Python.
_WATCHER = 'read -r success || { cat "$0" >&2 2>/dev/null; rm -f "$0"; }'


def hide_import_messages(announce: Callable[[], None] | None = None) -> None:
    """Makes a later import of TensorFlow by `estimator_lab.tf1` print nothing unless it fails.

    `announce` is called at the import, which takes seconds.
    """
    global _hides_import_messages, _announce
    _hides_import_messages, _announce = True, announce


def hide_optional_packages() -> None:
    """Makes a later import of TensorFlow, Keras and Estimator faster: pandas and SciPy seem not installed."""
    global _hides_optional_packages
    _hides_optional_packages = True


@contextlib.contextmanager
def without_optional_packages() -> Iterator[None]:
    """The context in which TensorFlow, Keras and Estimator are imported: see `hide_optional_packages`."""
    hidden = [name for name in _OPTIONAL_PACKAGES if _hides_optional_packages and name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment] # makes Python raise ImportError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def importing_tensorflow() -> Iterator[None]:
    """The context in which TensorFlow is imported: in a command, announced and `hushed`."""
    with without_optional_packages():
        if not _hides_import_messages:
            yield
            return
        if _announce:
            _announce()
        with hushed():
            yield


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
            screen = os.dup(2)
            stack.callback(os.close, screen)
            hidden = stack.enter_context(tempfile.NamedTemporaryFile())
        except (AttributeError, OSError):
            yield
            return
        watcher = _start_watcher(hidden.name, screen)
        os.dup2(hidden.fileno(), 2)
        try:
            yield
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):
                os.write(screen, Path(hidden.name).read_bytes())
            raise
        finally:
            os.dup2(screen, 2)
            if watcher:
                watcher.communicate(b'success\n')


def _start_watcher(path: str, screen: int) -> subprocess.Popen[bytes] | None:
    """Starts a process that prints the file if this one dies and the system closes its end of the pipe."""
    try:
        return subprocess.Popen(['/bin/sh', '-c', _WATCHER, path], stdin=subprocess.PIPE, stderr=screen)
    except OSError:  # no shell, or too many processes: the text of an abort is lost
        return None
