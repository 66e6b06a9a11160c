"""``tensorflow.python.eager.profiler_client``, which TensorFlow 2.16 deleted.

``tf.profiler.experimental.client`` is what replaces it.
"""

import contextlib
from collections.abc import Iterator

from tensorflow.python.framework import errors
from tensorflow.python.profiler import profiler_client


@contextlib.contextmanager
def _unavailable() -> Iterator[None]:
    """Raises as 2.15 does where nobody answers; later versions raise a plain RuntimeError."""
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
      service_addr: of that process's profiler server, such as 'localhost:6009'.
      logdir: TensorBoard's folder.
      duration_ms: how long, in milliseconds.
      worker_list: more addresses, parted by commas.
      include_dataset_ops: kept for its place; operations of datasets are always included.
      num_tracing_attempts: how often to try until there is something to write.

    Raises:
      tf.errors.UnavailableError: if there is nothing.
    """
    addresses = ','.join(f'grpc://{name}' for name in (service_addr, *filter(None, worker_list.split(','))))
    with _unavailable():
        profiler_client.trace(addresses, logdir, duration_ms, '', num_tracing_attempts)


def monitor(
    service_addr: str, duration_ms: int, monitoring_level: int = 1, display_timestamp: bool = False
) -> str:
    """Returns what a process's devices do, as text, after `duration_ms` milliseconds of looking on.

    Args:
      service_addr: of the process's profiler server.
      duration_ms: how long.
      monitoring_level: 1, or 2 for more figures.
      display_timestamp: kept for its place.

    Raises:
      tf.errors.UnavailableError: if nobody answers.
    """
    with _unavailable():
        return profiler_client.monitor(f'grpc://{service_addr}', duration_ms, monitoring_level)
