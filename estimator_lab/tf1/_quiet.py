"""Keeps TensorFlow's start-up and deprecation notes off the screen, unless the user asks for them.

``TF_CPP_MIN_LOG_LEVEL`` is how TensorFlow's users ask for its notes: where it is set to less than 3,
nothing is hushed here. Unset, it becomes 3, which processes started from this one inherit.
"""

import contextlib
import functools
import importlib
import os
import subprocess
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from estimator_lab.tf1._environment import major_minor

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


# Copies descriptor 2 to descriptor 1, unless a line on descriptor 0 says that all is well. Only a process of
# its own can: one that native code aborts runs no Python any more.
_WATCHER = 'read -r well || cat <&2'


@contextlib.contextmanager
def _stderr_set_aside() -> Iterator[None]:
    """Holds back what native code writes to file descriptor 2; an exception or abort shows it after all,
    but for Ctrl-C, which is nobody's fault.

    TensorFlow 2.21 logs before its log levels are read, so that no variable can hush those lines. Where
    nothing can be held back, as there is no place for it or no standard error, nothing is.
    """
    with contextlib.ExitStack() as stack:
        try:
            sys.stderr.flush()
            screen = _kept(stack, os.dup(2))
            writing, reading = (_kept(stack, descriptor) for descriptor in _scratch())
            os.dup2(writing, 2)
        except (AttributeError, OSError):
            held_back = False
        else:
            held_back = True
            all_is_well = stack.enter_context(_watched(reading, screen))
        try:
            yield
        except BaseException as error:
            if held_back and not isinstance(error, KeyboardInterrupt):
                os.write(screen, os.pread(reading, os.fstat(reading).st_size, 0))
            raise
        finally:
            if held_back:
                os.dup2(screen, 2)
                all_is_well()


def _kept(stack: contextlib.ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _scratch() -> tuple[int, int]:
    """Returns two descriptors of a nameless file, to write it and to read it from its beginning."""
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
    """Starts the process that shows what `reading` holds if this one dies; yields how to call it off."""
    alive, ours = os.pipe()  # its end here is closed with this process, however that ends
    try:
        watcher = subprocess.Popen(['/bin/sh', '-c', _WATCHER], stdin=alive, stdout=screen, stderr=reading)
    except OSError:  # no shell, or no process more: an abort then says nothing
        os.close(alive)
        os.close(ours)
        yield lambda: None
        return
    os.close(alive)

    def call_off() -> None:
        with contextlib.suppress(BrokenPipeError):  # someone has ended the watcher
            os.write(ours, b'well\n')
        os.close(ours)
        watcher.wait()

    yield call_off


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
    from tensorflow.python.framework import versions
    from tensorflow.python.util import deprecation, module_wrapper

    if (2, 18) <= major_minor(versions.VERSION) <= (2, 20):
        _hush_first_session()
    deprecation._PRINT_DEPRECATION_WARNINGS = False
    module_wrapper._PER_MODULE_WARNING_LIMIT = 0  # 'The name tf.x is deprecated. Please use ...'
    for beginning in _NOTES_OF_KERAS:
        warnings.filterwarnings('ignore', message=beginning, category=UserWarning)
    # TensorFlow 2.20 writes its graph through it.
    warnings.filterwarnings('ignore', message='float_format is deprecated', category=UserWarning)


def _hush_first_session() -> None:
    """Keeps two native lines off the screen that TensorFlow 2.18 to 2.20 print at the first session's run.

    They come from a copy of absl's logger that no log level reaches. So a session that does nothing goes
    before the first one, with its settings, as some of them hold for the whole process from then on; and
    without a GPU, whose memory is the program's own affair.
    """
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.client import session
    from tensorflow.python.framework import ops
    from tensorflow.python.ops import control_flow_ops

    original = session.BaseSession.__init__

    @functools.wraps(original)
    def first(self: Any, target: str = '', graph: Any = None, config: Any = None) -> None:
        session.BaseSession.__init__ = original
        settings = config_pb2.ConfigProto()
        if isinstance(config, config_pb2.ConfigProto):
            settings.CopyFrom(config)
        settings.device_count['GPU'] = 0
        nothing = ops.Graph()
        with nothing.as_default():
            operation = control_flow_ops.no_op()
        with hushed(), session.Session(graph=nothing, config=settings) as before:
            before.run(operation)
        original(self, target, graph, config)

    session.BaseSession.__init__ = first
