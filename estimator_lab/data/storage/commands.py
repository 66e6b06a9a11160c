"""Sources that are the output of a shell command, as in WebDataset: 'pipe:curl -s https://example.com/a.tar'.

A command runs only if the environment variable ESTIMATOR_LAB_PIPES is 1, as a list of archives may come from
elsewhere.
"""

import contextlib
import io
import os
import signal
from typing import Any

from estimator_lab.data.storage.failures import RemoteError
from estimator_lab.data.storage.names import PIPE, private_name, shown_name
from estimator_lab.errors import DataError

OPT_IN = 'ESTIMATOR_LAB_PIPES'
_SECONDS_TO_END = 1.0


def check_allowed(source: str) -> None:
    """Checks that commands may run.

    Raises:
      DataError: they may not, or there is none.
    """
    if os.environ.get(OPT_IN) != '1':
        raise DataError(
            f'{shown_name(source)!r} would run a command of the shell: set {OPT_IN}=1 in the environment '
            'if you trust it.'
        )
    if not source.removeprefix(PIPE).strip():
        raise DataError(f"{source!r} names no command: give one such as 'pipe:curl -s URL'.")


class CommandFile(io.RawIOBase):
    """The output of a command as a raw binary file.

    Args:
      name: public name of the source.

    Raises:
      OSError: it can't be started.
    """

    _process: Any = None

    def __init__(self, name: str) -> None:
        source = private_name(name)
        check_allowed(source)
        import subprocess  # few need it

        command = ['/bin/sh', '-c', source.removeprefix(PIPE)]
        # In a session of its own, so that all of its processes can be ended, and Ctrl-C reaches it only then.
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the beginning of a buffer; returns 0 at the end.

        Raises:
          OSError: the command failed.
        """
        assert self._process.stdout
        data = os.read(self._process.stdout.fileno(), len(buffer))
        buffer[: len(data)] = data
        if not data and (status := self._process.wait()):
            raise RemoteError(f'its command ended with status {status}')
        return len(data)

    def close(self) -> None:
        """Ends the command."""
        import subprocess

        process = self._process
        if process and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process and process.stdout:
            process.stdout.close()
        super().close()
