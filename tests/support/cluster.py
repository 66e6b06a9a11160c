"""A cluster of real processes on this machine, for tests."""

import contextlib
import json
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.forks import Process

_PROGRAM = Path(__file__).with_name('cluster_process.py')
_PORTS = range(20_000, 32_000)  # below those that the system gives to clients


def free_ports(count: int) -> list[int]:
    """Returns different ports that were free a moment ago."""
    found: set[int] = set()
    while len(found) < count:
        port = secrets.choice(_PORTS)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(('127.0.0.1', port))
            found.add(port)
    return list(found)


def _job_and_index(task: str) -> tuple[str, int]:
    job = task.rstrip('0123456789')
    return job, int(task[len(job) :] or 0)


class Cluster:
    """Tasks with one model_dir and one command.

    Args:
      folder: for the model_dir, logs and output.
      tasks: such as 'chief', 'worker0', 'ps0', 'evaluator'; without any, one process runs without TF_CONFIG.
      flags: of the command.
    """

    def __init__(self, folder: Path, tasks: Sequence[str], flags: Sequence[str]) -> None:
        self.model_dir = folder / 'model'
        self._folder = folder
        self._flags = [*flags, f'--model_dir={self.model_dir}']
        self._cluster: dict[str, list[str]] = {}
        for task, port in zip(tasks, free_ports(len(tasks)), strict=True):
            if task != 'evaluator':
                self._cluster.setdefault(_job_and_index(task)[0], []).append(f'127.0.0.1:{port}')
        self._processes: dict[str, Process] = {}
        self._ended: list[Process] = []

    def start(self, *tasks: str, pace: float = 0.0) -> None:
        """Starts tasks; their training input yields at most one batch every `pace` seconds."""
        for task in tasks:
            job, index = _job_and_index(task)
            tf_config = {'cluster': self._cluster, 'task': {'type': job, 'index': index}}
            words = [str(_PROGRAM), str(self._log(task)), str(pace), *self._flags]
            environment = {'TF_CONFIG': json.dumps(tf_config) if self._cluster else ''}
            self._processes[task] = Process(words, self._out(task), environment=environment)

    def kill(self, task: str) -> None:
        """Kills a task, as a failing machine would."""
        self._processes[task].kill()

    def signal(self, task: str, number: int) -> None:
        """Sends a signal to a task."""
        self._processes[task].send_signal(number)

    def wait_for(self, what: Callable[[], object], seconds: float = 600) -> None:
        """Waits until `what` is true; fails after `seconds`, or if a process fails."""
        until = time.monotonic() + seconds
        while not what():
            failed = [
                task
                for task, process in self._processes.items()
                if process.poll() and process not in self._ended
            ]
            assert not failed and time.monotonic() < until, f'{failed} {self.outputs()}'
            time.sleep(0.1)

    def statuses(self, seconds: float = 600) -> dict[str, int]:
        """Waits until all processes have ended; returns their exit statuses."""
        until = time.monotonic() + seconds
        for process in self._processes.values():
            try:
                process.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                raise AssertionError(f'still running: {self.running()} {self.outputs()}') from None
        self._ended = list(self._processes.values())
        return {task: process.returncode for task, process in self._processes.items()}

    def close(self) -> None:
        """Kills all processes that are running."""
        for task in self.running():
            self.kill(task)

    def saved_step(self) -> int:
        """Returns the newest checkpoint's step; -1 before the first."""
        try:
            return int(re.search(r'model\.ckpt-(\d+)', (self.model_dir / 'checkpoint').read_text())[1])
        except FileNotFoundError:
            return -1

    def keys(self, task: str) -> list[str]:
        """Returns the images that a task has handed to TensorFlow, in order."""
        return self._log(task).read_text().splitlines() if self._log(task).exists() else []

    def output(self, task: str) -> str:
        """Returns the output of a task, '' if it has not begun to run."""
        return self._out(task).read_text(errors='replace') if self._out(task).exists() else ''

    def outputs(self) -> str:
        """Returns the outputs of all tasks, for the message of a failed test."""
        return '\n'.join(f'--- {task}\n{self.output(task)[-3000:]}' for task in self._processes)

    def status(self, task: str) -> int | None:
        """Returns the exit status of a task, None while it runs."""
        return self._processes[task].poll()

    def running(self) -> list[str]:
        """Returns the tasks whose processes are running."""
        return [task for task in self._processes if self.status(task) is None]

    def _log(self, task: str) -> Path:
        return self._folder / f'{task}.keys'

    def _out(self, task: str) -> Path:
        return self._folder / f'{task}.out'
