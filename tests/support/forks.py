"""Python processes for tests, forked from one that has imported TensorFlow, which takes seconds.

Each equals a process whose first import was `estimator_lab.tf1`, as that of a command, with an environment,
output and signals of its own. Only the variables that TensorFlow reads as it is imported have no effect.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.places import ROOT

_lock = threading.Lock()  # of the pipe to the server


class Process:
    """A process of Python, with the methods of `subprocess.Popen` that tests need.

    Args:
      words: arguments of Python: '-m' and a module, '-c' and a program, or the path of a script, and more.
      out: the file to which its standard output is appended.
      err: the file of its standard error; None for that of `out`.
      environment: changed environment variables.
      stdin: the file or named pipe of its standard input.
    """

    def __init__(
        self,
        words: Sequence[str],
        out: Path,
        err: Path | None = None,
        environment: Any = None,
        stdin: Path = Path(os.devnull),
    ) -> None:
        self._out, self._err = out, err or out
        self.returncode: int | None = None
        chosen = {**os.environ, 'PYTHONPATH': str(ROOT), **(environment or {})}
        files = [str(path) for path in (stdin, self._out, self._err)]
        self.pid: int = _ask('start', list(words), files, chosen, str(Path.cwd()))

    def poll(self) -> int | None:
        """Returns the exit status, or None while the process runs."""
        if self.returncode is None:
            self.returncode = _ask('poll', self.pid)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Waits for the end; returns the exit status."""
        end, pause = time.monotonic() + timeout, 0.01
        while (status := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(pause)
            pause = min(2 * pause, 0.3)
        return status

    def communicate(self, timeout: float) -> tuple[str, str]:
        """Waits for the end; returns what is in the files of both outputs."""
        self.wait(timeout)
        return self._out.read_text(errors='replace'), self._err.read_text(errors='replace')

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills the process and waits for its end."""
        self.send_signal(signal.SIGKILL)
        self.wait(600)


@functools.cache
def _server() -> subprocess.Popen[str]:
    words, pipe = [sys.executable, '-m', __spec__.name], subprocess.PIPE
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    server = subprocess.Popen(words, stdin=pipe, stdout=pipe, env=environment, text=True, cwd=ROOT)
    atexit.register(server.kill)
    return server


def _ask(*request: Any) -> Any:
    with _lock:
        server = _server()
        assert server.stdin and server.stdout
        server.stdin.write(json.dumps(request) + '\n')
        server.stdin.flush()
        return json.loads(server.stdout.readline())


def _serve() -> list[Any]:
    """Forks and polls at each line of standard input; returns the request in the forks alone."""
    importlib.import_module('estimator_lab.tf1')
    gc.freeze()  # so that forks share its pages
    while line := sys.stdin.readline():
        what, *request = json.loads(line)
        if what == 'start':
            answer: Any = os.fork()
            if not answer:
                return request
        else:
            pid, status = os.waitpid(*request, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        print(json.dumps(answer), flush=True)
    sys.exit()


def _run(words: list[str], files: list[str], environment: dict[str, str], folder: str) -> None:
    stdin, *outputs = files
    os.dup2(os.open(stdin, os.O_RDONLY), 0)
    for number, path in enumerate(outputs, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.update(environment)
    if words[0] == '-m':
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name='__main__', alter_sys=True)
    elif words[0] == '-c':
        sys.argv = ['-c', *words[2:]]
        exec(compile(words[1], '<string>', 'exec'), {'__name__': '__main__'})
    else:
        sys.argv = words
        sys.path[0] = str(Path(words[0]).parent)
        runpy.run_path(words[0], run_name='__main__')


if __name__ == '__main__':
    _run(*_serve())
