"""Makes TensorFlow tell of a full disk where it hides it.

A file that may not grow any further (EFBIG), as with `ulimit -f`, is OUT_OF_RANGE to it, which ends a
training as the end of its data does. Events that can't be written are dropped without a word. Here both raise
ResourceExhaustedError, as the file of a checkpoint does on a disk without space.
"""

import errno
import functools
import logging
import os
from pathlib import Path
from typing import Any

_TOO_LARGE = os.strerror(errno.EFBIG)
_NO_SPACE = os.strerror(errno.ENOSPC)
_RECORD_BYTES = 16  # length and checksums around each event


def reveal_full_disks() -> None:
    """Installs it, for the whole process."""
    from tensorflow.python.summary.writer import event_file_writer
    from tensorflow.python.training import saver

    saver.Saver.save = _telling(saver.Saver.save)
    writer, thread = event_file_writer.EventFileWriter, event_file_writer._EventLoggerThread
    writer._initialize = _checked(writer._initialize)
    thread.run = _quiet(thread.run)
    logging.getLogger('tensorflow').addFilter(_tells_more)


def _telling(save: Any) -> Any:
    from tensorflow.python.framework import errors

    @functools.wraps(save)
    def save_or_tell(*args: Any, **kwargs: Any) -> Any:
        try:
            return save(*args, **kwargs)
        except errors.OutOfRangeError as error:
            if _TOO_LARGE not in str(error.message):
                raise
            raise errors.ResourceExhaustedError(error.node_def, error.op, error.message) from error

    return save_or_tell


def _checked(initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_checked(self: Any) -> None:
        if not isinstance(self._ev_writer, _CheckedEvents):
            self._ev_writer = _CheckedEvents(self._ev_writer)
        initialize(self)

    return initialize_checked


def _quiet(run: Any) -> Any:
    @functools.wraps(run)
    def run_quietly(self: Any) -> None:
        try:
            run(self)
        except Exception:
            if not self.failure_exc_info:  # what is there is raised where the next event is added
                raise

    return run_quietly


def _tells_more(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith('EventFileWriter writer thread error')


class _CheckedEvents:
    """A writer of events that looks, whenever it is flushed, whether all of them are there.

    Args:
      writer: TensorFlow's own.
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._bytes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def WriteEvent(self, event: Any) -> None:  # noqa: N802 - TensorFlow's name
        self._writer.WriteEvent(event)
        self._bytes += event.ByteSize() + _RECORD_BYTES

    def Flush(self) -> None:  # noqa: N802
        from tensorflow.python.framework import errors

        try:
            self._writer.Flush()
        except Exception as error:  # one of Python's own: IndexError for OUT_OF_RANGE, and so on
            if _TOO_LARGE in str(error) or _NO_SPACE in str(error):
                raise errors.ResourceExhaustedError(None, None, str(error)) from error
            raise
        if self._bytes:
            self._check()

    def Close(self) -> None:  # noqa: N802
        self._writer.Close()
        self._bytes = 0  # another file begins

    def _check(self) -> None:
        from tensorflow.python.framework import errors

        path = os.fsdecode(self._writer.FileName())
        if '://' in path:
            return
        try:
            found = Path(path).stat().st_size
        except OSError:  # somebody has removed it, which is no full disk
            return
        if found < self._bytes:
            raise errors.ResourceExhaustedError(None, None, f'{path}; {_reason(path)}')


def _reason(path: str) -> str:
    try:
        disk = os.statvfs(Path(path).parent)
    except OSError as error:
        return error.strerror or str(error)
    return _TOO_LARGE if disk.f_bavail and disk.f_favail else _NO_SPACE
