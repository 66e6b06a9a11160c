"""Faults in a cluster of real processes: each role killed, stopped, cut off or with a full disk.

Each fault is injected before the session, in training, in an evaluation, and at the end.

    python -m tests.robustness.cluster_faults                      all 64 cases; about 2 minutes each
    python -m tests.robustness.cluster_faults --count=8 --seed=3   some of them, chosen at random

A case fails if a process is still running 90 s after the fault and a SIGTERM to all; if a process ends with
status 0 although the last step was not reached; or if the newest checkpoint is older than before the fault.
Killed processes are started again. 'cut off' puts a proxy in front of a task's port, which drops everything
for 30 s. Clocks are not moved: that needs a virtual machine per process, and estimator_lab waits by the
monotonic clock, which a moved clock leaves alone.
"""

import argparse
import itertools
import random
import resource
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.archive_files import small_archive
from tests.cluster import Cluster
from tests.robustness.driver import main
from tests.small_runs import SMALL

TASKS = ('chief', 'worker0', 'ps0', 'evaluator')
FAULTS = ('killed', 'stopped', 'cut off', 'full disk')
MOMENTS = ('before the session', 'in training', 'in an evaluation', 'at the end')
_STEPS, _EVERY, _PACE = 120, 20, 0.05
_FAULT_SECONDS = 30
_END_SECONDS, _FINISH_SECONDS, _BEGIN_SECONDS = 90, 600, 300
_FULL = 4096  # bytes that a file may have on a full disk


class Proxy:
    """Passes the connections to a port on to another one, unless it is cut off.

    Args:
      port: on which it listens.
      target: port of the task.
    """

    def __init__(self, port: int, target: int) -> None:
        self.is_cut = False
        self._target = target
        self._server = socket.create_server(('127.0.0.1', port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accepts no more connections."""
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
                server = socket.create_connection(('127.0.0.1', self._target))
            except OSError:
                if self._server.fileno() < 0:
                    return
                client.close()
                continue
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                while self.is_cut:  # the sender sees no error, only silence
                    time.sleep(0.1)
                target.sendall(data)
        except OSError:
            pass
        finally:
            source.close()
            target.close()


def run_case(folder: Path, task: str, fault: str, moment: str) -> str:
    """Runs a cluster with one fault; returns what is wrong, '' for nothing."""
    archive = small_archive(folder)
    flags = [
        *(f'--data={archive}', f'--eval_data={archive}', '--image_size=8', '--batch_size=4'),
        *(f'--hparams={SMALL}', f'--max_steps={_STEPS}', f'--save_checkpoints_steps={_EVERY}'),
    ]
    cluster = Cluster(folder, TASKS, flags)
    proxy = None
    try:
        if fault == 'cut off' and task != 'evaluator':
            proxy = Proxy(*cluster.move(task))
        cluster.start(*TASKS, pace=_PACE)
        _until(_reached(cluster, moment), _BEGIN_SECONDS)
        saved = cluster.saved_step()
        _inject(cluster, proxy, task, fault)
        ended = _until(lambda: not cluster.running(), _FINISH_SECONDS)
        if not ended:
            for each in cluster.running():
                cluster.signal(each, signal.SIGTERM)
            if not _until(lambda: not cluster.running(), _END_SECONDS):
                return f'hangs: {cluster.running()} {cluster.outputs()}'
        return _judged(cluster, saved)
    finally:
        cluster.close()
        if proxy:
            proxy.close()


def _judged(cluster: Cluster, saved: int) -> str:
    statuses, step = cluster.statuses(), cluster.saved_step()
    if step < saved:
        return f'step {saved} was saved, but {step} is the newest: {cluster.outputs()}'
    silent = [name for name in ('chief', 'worker0') if statuses[name] == 0 and step < _STEPS]
    return f'{silent} end with status 0 at step {step}: {cluster.outputs()}' if silent else ''


def _reached(cluster: Cluster, moment: str) -> Callable[[], bool]:
    """Returns the test for the moment of a fault."""
    if moment == 'before the session':
        return lambda: 'Task' in cluster.output('chief')
    if moment == 'in training':
        return lambda: cluster.saved_step() >= _EVERY
    if moment == 'in an evaluation':
        return lambda: 'evaluating' in cluster.output('evaluator')
    return lambda: cluster.saved_step() >= _STEPS - _EVERY


def _inject(cluster: Cluster, proxy: Proxy | None, task: str, fault: str) -> None:
    if task not in cluster.running():
        return  # it has ended already
    if fault == 'killed':
        cluster.kill(task)
        cluster.start(task, pace=_PACE)
    elif fault == 'stopped':
        cluster.signal(task, signal.SIGSTOP)
        time.sleep(_FAULT_SECONDS)
        cluster.signal(task, signal.SIGCONT)
    elif fault == 'full disk':
        cluster.limit_files(task, _FULL)
        time.sleep(_FAULT_SECONDS)
        cluster.limit_files(task, resource.RLIM_INFINITY)
    elif proxy:
        proxy.is_cut = True
        time.sleep(_FAULT_SECONDS)
        proxy.is_cut = False


def _until(is_true: Callable[[], bool], seconds: float) -> bool:
    """Waits until something is true; returns whether it is after that many seconds."""
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def measure(given: argparse.Namespace) -> int:
    """Runs the cases; returns how many fail."""
    cases = list(itertools.product(TASKS, FAULTS, MOMENTS))
    random.Random(given.seed).shuffle(cases)
    failed = 0
    for case in cases[: given.count]:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            wrong = run_case(Path(folder), *case)
        failed += bool(wrong)
        print(f'{", ".join(case)}: {wrong or "ok"} ({time.monotonic() - begun:.0f} s)', flush=True)
    print(f'{min(given.count, len(cases))} of {len(cases)} cases: {failed} failures')
    return failed


if __name__ == '__main__':
    main(__doc__, measure, count=(64, 'cases'))
