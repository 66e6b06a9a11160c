"""Faults in a cluster of real processes: each role killed, stopped, cut off, on a full disk, or terminated.

Each fault is injected before the session, in training, in an evaluation, and at the end.

    python -m tests.robustness.cluster_faults                      all 80 cases; about 2 minutes each
    python -m tests.robustness.cluster_faults --count=8 --seed=3   some of them, chosen at random
    python -m tests.robustness.cluster_faults --distribution=multi_worker

Processes that fail are started again, as Kubernetes does it. A case fails if training does not reach its
last step then, with status 0 of all processes and an evaluation of that step; if a process takes more than
10 s to end after a SIGTERM; if one ends with status 0 long before the last step; or if the newest checkpoint
is older than before the fault. 'cut off' puts a proxy in front of a task's port, which drops everything for
30 s. Clocks are not moved: that needs a virtual machine per process, and estimator_lab waits by the monotonic
clock, which a moved clock leaves alone.
"""

import argparse
import itertools
import random
import re
import resource
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.archive_files import small_archive
from tests.cluster import Cluster
from tests.robustness.driver import main
from tests.robustness.partition import Proxy

TASKS = {
    'parameter_server': ('chief', 'worker0', 'ps0', 'evaluator'),
    'multi_worker': ('chief', 'worker0', 'evaluator'),
}
FAULTS = ('killed', 'stopped', 'cut off', 'full disk', 'terminated')
MOMENTS = ('before the session', 'in training', 'in an evaluation', 'at the end')
_STEPS, _EVERY, _PACE = 120, 40, 0.1
_FAULT_SECONDS = 30
# On a quiet machine; --patience multiplies them.
_BEGIN_SECONDS, _FINISH_SECONDS, _TERM_SECONDS = 100, 200, 10
_RESTART_SECONDS = 5  # as long as a process takes to import TensorFlow, which those of `Cluster` have done
_MOST_RESTARTS = 5  # of a task
_FULL = 4096  # bytes that a file may have on a full disk


class Failure(Exception):  # noqa: N818
    """What is wrong in a case."""


@dataclass
class Case:
    """A cluster with one fault.

    Attributes:
      folder: an empty folder.
      patience: factor of all times that a process may take.
      restarts: of tasks that failed, by task.
    """

    folder: Path
    distribution: str
    task: str
    fault: str
    moment: str
    patience: float
    restarts: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Runs the cluster; raises Failure if something is wrong."""
        archive = small_archive(self.folder)
        flags = [
            *(f'--data={archive}', f'--eval_data={archive}', '--image_size=8', '--batch_size=4'),
            # With hyper-parameters, each process would build its network twice, to estimate its memory.
            *('--model=mlp', f'--max_steps={_STEPS}', f'--save_checkpoints_steps={_EVERY}'),
            f'--distribution={self.distribution}',
        ]
        tasks = TASKS[self.distribution]
        self._cluster = cluster = Cluster(self.folder, tasks, flags)
        parted = cluster.part(self.task) if self.fault == 'cut off' else []
        proxies = [Proxy(*ports) for ports in parted]
        self._due: dict[str, float] = {}
        try:
            cluster.start(*tasks, pace=_PACE)
            self._wait('reach the moment', self._is_reached, _BEGIN_SECONDS)
            saved = cluster.saved_step()
            if self.task not in cluster.running():
                raise Failure('it ended before the fault')
            self._inject(proxies)
            self._wait('end', self._has_ended, _FINISH_SECONDS)
            if cluster.saved_step() < max(saved, _STEPS):
                raise Failure(f'step {saved} was saved, and {cluster.saved_step()} is the last')
            step = cluster.saved_step()
            if not re.search(rf'evaluated at step {step}:|after {step} steps', cluster.output('evaluator')):
                raise Failure(f'step {step} was not evaluated')
        except Failure as error:
            raise Failure(f'{error}: {cluster.outputs()}') from None
        finally:
            cluster.close()
            for proxy in proxies:
                proxy.close()

    def _wait(self, what: str, is_true: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds * self.patience
        while not is_true():
            if time.monotonic() > end:
                self._terminate(*self._cluster.running())
                raise Failure(f'it does not {what}')
            time.sleep(0.1)

    def _is_reached(self) -> bool:
        cluster = self._cluster
        if self.moment == 'before the session':
            return 'Task ' in cluster.output(self.task)
        if self.moment == 'in training':
            return cluster.saved_step() >= _EVERY
        if self.moment == 'in an evaluation':
            return bool(cluster.keys('evaluator'))
        return cluster.saved_step() >= _STEPS - _EVERY

    def _inject(self, proxies: list[Proxy]) -> None:
        cluster, task = self._cluster, self.task
        if self.fault == 'killed':
            cluster.kill(task)
        elif self.fault == 'terminated':
            self._terminate(task)
        elif self.fault == 'stopped':
            cluster.signal(task, signal.SIGSTOP)
            time.sleep(_FAULT_SECONDS)
            cluster.signal(task, signal.SIGCONT)
        elif self.fault == 'full disk':
            cluster.limit_files(task, _FULL)
            end = time.monotonic() + _FAULT_SECONDS
            while cluster.status(task) is None and time.monotonic() < end:
                time.sleep(0.1)
            if cluster.status(task) is None:
                cluster.limit_files(task, resource.RLIM_INFINITY)
        else:
            for proxy in proxies:
                proxy.is_cut = True
            time.sleep(_FAULT_SECONDS)
            for proxy in proxies:
                proxy.is_cut = False

    def _terminate(self, *tasks: str) -> None:
        """Sends a SIGTERM to tasks; raises Failure if they take too long to end."""
        for task in tasks:
            self._cluster.signal(task, signal.SIGTERM)
        end = time.monotonic() + _TERM_SECONDS * self.patience
        while left := set(tasks) & set(self._cluster.running()):
            if time.monotonic() > end:
                raise Failure(f'after a SIGTERM, {left} do not end')
            time.sleep(0.1)

    def _has_ended(self) -> bool:
        """Starts tasks again that have failed; returns whether all have ended with status 0."""
        statuses = {task: self._cluster.status(task) for task in TASKS[self.distribution]}
        now = time.monotonic()
        for task, status in statuses.items():
            if status is None:
                continue
            if status == 2:
                raise Failure(f'{task} ends with status 2')
            if status == 0:
                if task != 'evaluator' and self._cluster.saved_step() < _STEPS - _EVERY:
                    raise Failure(f'{task} ends with status 0 at step {self._cluster.saved_step()}')
            elif now > self._due.setdefault(task, now + _RESTART_SECONDS):
                del self._due[task]
                self.restarts[task] += 1
                if self.restarts[task] > _MOST_RESTARTS:
                    raise Failure(f'{task} ends with status {status} again and again')
                self._cluster.start(task, pace=_PACE)
        return set(statuses.values()) == {0}


def measure(given: argparse.Namespace) -> int:
    """Runs the cases; returns how many fail."""
    cases = list(itertools.product(TASKS[given.distribution], given.faults.split(','), MOMENTS))
    random.Random(given.seed).shuffle(cases)
    cases = cases[: given.count]

    def run(names: tuple[str, str, str]) -> bool:
        begun, wrong = time.monotonic(), ''
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            case = Case(Path(folder), given.distribution, *names, given.patience)
            try:
                case.run()
            except Failure as error:
                wrong = str(error)
        again = ', '.join(f'{task} {count} times' for task, count in case.restarts.items())
        outcome = f'FAILS: {wrong}' if wrong else 'ok'
        print(
            f'{", ".join(names)}: {outcome} ({time.monotonic() - begun:.0f} s; started again: '
            f'{again or "none"})',
            flush=True,
        )
        return bool(wrong)

    with ThreadPoolExecutor(given.at_once) as pool:
        failed = sum(pool.map(run, cases))
    print(f'{len(cases)} cases: {failed} failures')
    return failed


if __name__ == '__main__':
    main(
        __doc__,
        measure,
        count=(80, 'cases'),
        faults=(','.join(FAULTS), 'that are injected'),
        distribution=('parameter_server', 'of the cluster', tuple(TASKS)),
        patience=(1.0, 'factor of the times that processes may take, for a busy machine'),
        at_once=(1, 'cases at the same time'),
    )
