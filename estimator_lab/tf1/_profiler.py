"""``tensorflow.python.eager.profiler``, which TensorFlow 2.16 deleted: one profile at a time, kept as bytes.

``tf.profiler.experimental`` is what replaces it.
"""

import datetime
import threading
from pathlib import Path
from typing import Any

from tensorflow.python.client import _pywrap_events_writer
from tensorflow.python.framework import errors
from tensorflow.python.profiler.internal import _pywrap_profiler

_EVENT_FILE_SUFFIX = '.profile-empty'  # by which TensorBoard knows that a folder holds profiles
_lock = threading.Lock()
_session: Any = None


class ProfilerAlreadyRunningError(Exception):
    """A profile is being taken already."""


class ProfilerNotRunningError(Exception):
    """No profile is being taken."""


def start(options: dict[str, Any] | None = None) -> None:
    """Begins to take a profile.

    Raises:
      ProfilerAlreadyRunningError: if one is being taken.
    """
    global _session
    with _lock:
        if _session is not None:
            raise ProfilerAlreadyRunningError('Another profiler is running.')
        session = _pywrap_profiler.ProfilerSession()
        try:
            session.start('', options or {})
        except errors.AlreadyExistsError:
            raise ProfilerAlreadyRunningError('Another profiler is running.') from None
        _session = session


def stop() -> bytes:
    """Ends the profile and returns it, as `save` takes it.

    Raises:
      ProfilerNotRunningError: if none is being taken.
    """
    global _session
    with _lock:
        if _session is None:
            raise ProfilerNotRunningError('Cannot stop profiling. No profiler is running.')
        result, _session = _session.stop(), None
    return result


def maybe_create_event_file(logdir: str) -> None:
    """Marks `logdir` as a folder of profiles, unless it is."""
    if not any(path.name.endswith(_EVENT_FILE_SUFFIX) for path in Path(logdir).iterdir()):
        writer = _pywrap_events_writer.EventsWriter(str(Path(logdir, 'events')).encode())
        writer.InitWithSuffix(_EVENT_FILE_SUFFIX.encode())


def save(logdir: str, result: bytes) -> None:
    """Writes a profile where TensorBoard looks for it, below `logdir`."""
    moment = datetime.datetime.now().strftime('%Y-%m-%d_%H-%M-%S')
    folder = Path(logdir, 'plugins', 'profile', moment)
    folder.mkdir(parents=True, exist_ok=True)
    maybe_create_event_file(logdir)
    (folder / 'local.trace').write_bytes(result)


def start_profiler_server(port: int) -> None:
    """Lets TensorBoard ask this process for profiles at `port`."""
    _pywrap_profiler.start_server(port)


class Profiler:
    """A context whose profile is saved below `logdir` when it is left."""

    def __init__(self, logdir: str) -> None:
        self._logdir = logdir

    def __enter__(self) -> None:
        start()

    def __exit__(self, *error: object) -> None:
        save(self._logdir, stop())
