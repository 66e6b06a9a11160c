"""The import of TensorFlow: what it prints, and what it loads.

`importing_tensorflow` hides the lines that TensorFlow's native code prints. A command calls `announce_import`
first, because the import takes seconds, and `hide_optional_packages`, so that packages which only users'
programs need are not loaded.
"""

import contextlib
import faulthandler
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator

LOG_LEVEL_VARIABLE = 'TF_CPP_MIN_LOG_LEVEL'
FATAL_ONLY = '3'
# Keras and Estimator import them if they are installed, for arguments that commands do not pass.
_OPTIONAL_PACKAGES = ('pandas', 'scipy')
# The lines of TensorFlow's and absl's native loggers, up to and since 2.19.
_NATIVE_LINE = re.compile(
    rb'(WARNING: All log messages before absl::|[IWE]\d{4} [\d:.]+ |\d{4}-\d\d-\d\d [\d:.]+: [IWE] ).*\n'
)
_hides_optional_packages = False
_announce: Callable[[], None] | None = None


def announce_import(announce: Callable[[], None]) -> None:
    """Calls `announce` when `estimator_lab.tf1` imports TensorFlow, which takes seconds."""
    global _announce
    _announce = announce


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
    """The context in which TensorFlow is imported: announced in a command, and `hushed`."""
    with without_optional_packages():
        if _announce:
            _announce()
        with hushed():
            yield


def wants_messages() -> bool:
    """Returns whether the user requests TensorFlow's messages: TF_CPP_MIN_LOG_LEVEL is 0 or 1.

    Many programs and containers set 2 in order to see less.
    """
    return os.environ.get(LOG_LEVEL_VARIABLE, FATAL_ONLY) in ('0', '1')


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Hides the lines that TensorFlow's native code logs while the block runs.

    TensorFlow 2.21 logs before it reads its log level, so no variable hides them. What is written to file
    descriptor 2 meanwhile is printed at the end without those lines, and with them after an exception. A
    native abort prints where it happened. Without effect where the user requests TensorFlow's messages, or
    where there is no standard error or no temporary file.
    """
    if wants_messages():
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            sys.stderr.flush()
            screen = os.dup(2)
            stack.callback(os.close, screen)
            hidden = stack.enter_context(tempfile.TemporaryFile())
        except (AttributeError, OSError):
            yield
            return
        os.dup2(hidden.fileno(), 2)
        if not faulthandler.is_enabled():
            faulthandler.enable(screen)
            stack.callback(faulthandler.disable)
        failed = False
        try:
            yield
        except Exception:
            failed = True
            raise
        finally:
            os.dup2(screen, 2)
            hidden.seek(0)
            text = hidden.read()
            with contextlib.suppress(OSError):
                os.write(screen, text if failed else _NATIVE_LINE.sub(b'', text))
