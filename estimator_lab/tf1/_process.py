"""What a command changes in its process: full disks, the first session's messages, glibc's malloc.

TensorFlow reports a file that may not grow any further (EFBIG, as with `ulimit -f`) as OUT_OF_RANGE, which
ends training as the end of the data does, and drops events that it cannot write without an error. Once
`prepare_process` has run, both raise ResourceExhaustedError, as writing a checkpoint to a full disk always
does.
"""

import contextlib
import ctypes
import errno
import functools
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import config_pb2
from tensorflow.python.client import session
from tensorflow.python.framework import errors, ops, versions
from tensorflow.python.ops import control_flow_ops
from tensorflow.python.summary.writer import event_file_writer
from tensorflow.python.training import saver

from estimator_lab.base.process import hushed, wants_messages
from estimator_lab.tf1._checkpoints import protect_checkpoints
from estimator_lab.tf1._environment import major_minor

_TOO_LARGE = os.strerror(errno.EFBIG)
_NO_SPACE = os.strerror(errno.ENOSPC)
_RECORD_BYTES = 16  # length and checksums around each event
# mallopt's numbers in glibc's malloc.h.
_TRIM_THRESHOLD, _MAPPING_THRESHOLD = -1, -3
# The thresholds that glibc arrives at by itself in a process that frees large blocks (mallopt(3)).
_LARGEST_KEPT = 32 * 2**20
_KEPT = 2 * _LARGEST_KEPT
USERS_MALLOC_VARIABLES = ('MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_', 'GLIBC_TUNABLES')


@functools.cache
def prepare_process() -> None:
    """Changes TensorFlow for the whole process, once, as the commands and `Experiment.train` do.

    - A full disk raises ResourceExhaustedError, whether a checkpoint or an event meets it, and whether
      the disk or the process has reached its limit.
    - Checkpoints survive a power loss, and a file `checkpoint` that cannot be read raises OSError.
    - On TensorFlow 2.18 to 2.20, the two lines that native code prints at the first session are hidden.
    - `keep_freed_memory` takes effect.

    A user's program may call it too; importing `estimator_lab.tf1` does not.
    """
    saver.Saver.save = _raising_when_full(saver.Saver.save)
    protect_checkpoints()
    writer, thread = event_file_writer.EventFileWriter, event_file_writer._EventLoggerThread
    writer._initialize = _with_checked_events(writer._initialize)
    thread.run = _without_repeated_error(thread.run)
    logging.getLogger('tensorflow').addFilter(_is_no_writer_error)
    if (2, 18) <= major_minor(versions.VERSION) <= (2, 20) and not wants_messages():
        _hush_first_session()


def keep_freed_memory() -> bool:
    """Makes glibc keep freed blocks of up to 32 MiB for reuse, and 64 MiB of them at the end of a heap.

    glibc arrives at these thresholds by itself. But the first `Dataset.from_generator` of TensorFlow 2.21
    sets the second one to 128 KiB, after which glibc adapts no more: each larger block, and so each batch of
    images, is requested from the system, which clears its pages. That costs colour images a tenth of their
    time. Call it once such a Dataset runs. Without effect before `prepare_process`, with another C library,
    and where the user's environment sets such a limit.

    Returns:
      Whether it took effect.
    """
    if not prepare_process.cache_info().currsize or any(n in os.environ for n in USERS_MALLOC_VARIABLES):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(set_option(_MAPPING_THRESHOLD, _LARGEST_KEPT) and set_option(_TRIM_THRESHOLD, _KEPT))


def _raising_when_full(save: Any) -> Any:
    @functools.wraps(save)
    def save_or_raise(*args: Any, **kwargs: Any) -> Any:
        try:
            return save(*args, **kwargs)
        except errors.OutOfRangeError as error:
            if _TOO_LARGE not in str(error.message):
                raise
            raise errors.ResourceExhaustedError(error.node_def, error.op, error.message) from error

    return save_or_raise


def _with_checked_events(initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_checked(self: Any) -> None:
        if not isinstance(self._ev_writer, _CheckedEvents):
            self._ev_writer = _CheckedEvents(self._ev_writer)
        initialize(self)

    return initialize_checked


def _without_repeated_error(run: Any) -> Any:
    @functools.wraps(run)
    def run_thread(self: Any) -> None:
        try:
            run(self)
        except Exception:
            if not self.failure_exc_info:  # else it is raised where the next event is added
                raise

    return run_thread


def _is_no_writer_error(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith('EventFileWriter writer thread error')


class _CheckedEvents:
    """A writer of events that checks at each flush that the file has grown by all of them.

    Args:
      writer: TensorFlow's own.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def WriteEvent(self, event: Any) -> None:  # noqa: N802 - TensorFlow's name
        with _errors_of_tensorflow():
            self._writer.WriteEvent(event)
        self._bytes += event.ByteSize() + _RECORD_BYTES

    def Flush(self) -> None:  # noqa: N802
        with _errors_of_tensorflow():
            self._writer.Flush()
        if self._bytes:
            self._check()

    def Close(self) -> None:  # noqa: N802
        with _errors_of_tensorflow():
            self._writer.Close()
        self._bytes = 0  # the next event starts another file

    def _check(self) -> None:
        path = os.fsdecode(self._writer.FileName())
        if '://' in path:
            return
        try:
            found = Path(path).stat().st_size
        except OSError:  # the file was removed, which is not a full disk
            return
        if found < self._bytes:
            raise errors.ResourceExhaustedError(None, None, f'{path}; {_reason(path)}')


@contextlib.contextmanager
def _errors_of_tensorflow() -> Iterator[None]:
    """Turns the exceptions of the native writer, such as IndexError for OUT_OF_RANGE, into an OpError."""
    try:
        yield
    except Exception as error:
        is_full = _TOO_LARGE in str(error) or _NO_SPACE in str(error)
        kind = errors.ResourceExhaustedError if is_full else errors.UnknownError
        raise kind(None, None, str(error)) from error


def _reason(path: str) -> str:
    try:
        disk = os.statvfs(Path(path).parent)
    except OSError as error:
        return error.strerror or str(error)
    return _TOO_LARGE if disk.f_bavail and disk.f_favail else _NO_SPACE


def _hush_first_session() -> None:
    """Hides two native lines that TensorFlow 2.18 to 2.20 print at the first session's run.

    They come from a copy of absl's logger that no log level reaches. So a session that does nothing runs
    before the first one. It has the settings of the first, some of which apply to the whole process from then
    on, but no GPU, whose memory it must not take.
    """
    original = session.BaseSession.__init__

    @functools.wraps(original)
    def first(self: Any, target: str = '', graph: Any = None, config: Any = None) -> None:
        session.BaseSession.__init__ = original
        settings = config_pb2.ConfigProto()
        if isinstance(config, config_pb2.ConfigProto):
            settings.CopyFrom(config)
        settings.device_count['GPU'] = 0
        with ops.Graph().as_default() as graph_of_nothing:
            operation = control_flow_ops.no_op()
        with hushed(), session.Session(graph=graph_of_nothing, config=settings) as before:
            before.run(operation)
        original(self, target, graph, config)

    session.BaseSession.__init__ = first
