"""``tensorflow.python.eager.profiler`` and ``profiler_client``, which TensorFlow 2.16 deleted.

``tf.profiler.experimental`` replaces both.
"""

import contextlib
import datetime
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorflow.python.client import _pywrap_events_writer
from tensorflow.python.framework import errors
from tensorflow.python.profiler import profiler_client
from tensorflow.python.profiler.internal import _pywrap_profiler

_EVENT_FILE_SUFFIX = '.profile-empty'  # tells TensorBoard that a folder contains profiles
_lock = threading.Lock()
_session: Any = None


class ProfilerAlreadyRunningError(Exception):
    """A profile is already running."""


class ProfilerNotRunningError(Exception):
    """No profile is running."""


def start(options: dict[str, Any] | None = None) -> None:
    """Starts a profile.

    Raises:
      ProfilerAlreadyRunningError: if one is running.
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
    """Ends the profile and returns it, in the form that `save` accepts.

    Raises:
      ProfilerNotRunningError: if none is running.
    """
    global _session
    with _lock:
        if _session is None:
            raise ProfilerNotRunningError('Cannot stop profiling. No profiler is running.')
        result, _session = _session.stop(), None
    return result


def maybe_create_event_file(logdir: str) -> None:
    """Marks `logdir` as a folder of profiles, unless it is marked already."""
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
    """Lets TensorBoard request profiles from this process at `port`."""
    _pywrap_profiler.start_server(port)


class Profiler:
    """A context that saves its profile below `logdir` at its end."""

    def __init__(self, logdir: str) -> None:
        self._logdir = logdir

    def __enter__(self) -> None:
        start()

    def __exit__(self, *error: object) -> None:
        save(self._logdir, stop())


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    """Raises what 2.15 raises if nothing answers; later versions raise a plain RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        raise errors.UnavailableError(None, None, str(error)) from None


def start_tracing(
    service_addr: str,
    logdir: str,
    duration_ms: int,
    worker_list: str = '',
    include_dataset_ops: bool = True,
    num_tracing_attempts: int = 3,
) -> None:
    """Takes a profile of another process and writes it to `logdir`.

    Args:
      service_addr: address of that process's profiler server, such as 'localhost:6009'.
      logdir: TensorBoard's folder.
      duration_ms: duration in milliseconds.
      worker_list: more addresses, separated by commas.
      include_dataset_ops: ignored; operations of datasets are always included.
      num_tracing_attempts: maximum number of attempts until there is something to write.

    Raises:
      tf.errors.UnavailableError: if nothing answers.
    """
    names = [service_addr, *filter(None, worker_list.split(','))]
    addresses = ','.join(f'grpc://{name}' for name in names)
    with _unavailable():
        profiler_client.trace(addresses, logdir, duration_ms, '', num_tracing_attempts)


def monitor(
    service_addr: str, duration_ms: int, monitoring_level: int = 1, display_timestamp: bool = False
) -> str:
    """Observes a process's devices and returns a report of their use as text.

    Args:
      service_addr: address of the process's profiler server.
      duration_ms: duration in milliseconds.
      monitoring_level: 1, or 2 for more figures.
      display_timestamp: ignored.

    Raises:
      tf.errors.UnavailableError: if nothing answers.
    """
    with _unavailable():
        return profiler_client.monitor(f'grpc://{service_addr}', duration_ms, monitoring_level)
