"""Keeps TensorFlow's start-up and deprecation notes off the screen, unless the user asks for them.

``TF_CPP_MIN_LOG_LEVEL`` is how TensorFlow's users ask for its notes: where it is set to less than 3,
nothing is hushed here. Unset, it becomes 3, which processes started from this one inherit.
"""

import contextlib
import importlib
import os
import sys
import tempfile
import types
import warnings
from collections.abc import Iterator

LOG_LEVEL_VARIABLE = 'TF_CPP_MIN_LOG_LEVEL'
_FATAL_ONLY = '3'
# Regular expressions: what Keras 2 says when tf.layers, cells, feature columns and model_to_estimator use it.
_NOTES_OF_KERAS = (
    r'`tf\.layers\.',
    r'`tf\.nn\.rnn_cell\.',
    r'`layer\.add_variable` is deprecated',
    r'`tf\.keras\.backend\.set_learning_phase` is deprecated',
    r'`Model\.state_updates` will be removed',
)
_asked_for_notes = os.environ.get(LOG_LEVEL_VARIABLE, _FATAL_ONLY) != _FATAL_ONLY


@contextlib.contextmanager
def _stderr_set_aside() -> Iterator[None]:
    """Holds back what native code writes to file descriptor 2; gives it out after all on an exception.

    TensorFlow 2.21 logs before its log levels are read, so that no variable can hush those lines.
    """
    try:
        sys.stderr.flush()
        screen = os.dup(2)
    except (AttributeError, OSError):  # no standard error: nothing can appear on it
        yield
        return
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            os.write(screen, aside.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keeps what the block writes to standard error off the screen; an exception shows it."""
    if _asked_for_notes:
        yield
        return
    with _stderr_set_aside():
        yield


def hushed_import(name: str) -> types.ModuleType:
    """Imports module `name` without its start-up notes; an import that fails shows them."""
    if not _asked_for_notes:
        os.environ[LOG_LEVEL_VARIABLE] = _FATAL_ONLY
    with hushed():
        return importlib.import_module(name)


def hush_notes() -> None:
    """Turns off deprecation notes about the very functions that a TF1 program is made of."""
    if _asked_for_notes:
        return
    from tensorflow.python.util import deprecation, module_wrapper

    deprecation._PRINT_DEPRECATION_WARNINGS = False
    module_wrapper._PER_MODULE_WARNING_LIMIT = 0  # 'The name tf.x is deprecated. Please use ...'
    for beginning in _NOTES_OF_KERAS:
        warnings.filterwarnings('ignore', message=beginning, category=UserWarning)
    # TensorFlow 2.20 writes its graph through it.
    warnings.filterwarnings('ignore', message='float_format is deprecated', category=UserWarning)
