"""How a process of a cluster waits for the others, and when it ends without them.

A TensorFlow server never returns and hears no signals, and neither does a session that waits for one. So the
work of a task runs in a thread, which the main thread watches.
"""

import errno
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from estimator_lab.base.errors import LabError
from estimator_lab.base.interrupts import StopSwitch
from estimator_lab.data.archives import Say
from estimator_lab.training.cluster import CHIEF, EVALUATOR, MULTI_WORKER, PS, WORKER, Cluster

_POLL_SECONDS, _CONNECT_SECONDS = 1.0, 1.0
_QUIET_SECONDS = 3.0  # of a task that is gone; less than a restarted one needs to import TensorFlow
_SAID_EVERY_SECONDS = 60.0
_STEP_SECONDS = 4.0  # after a signal, for the step to end; others go on meanwhile, for the chief to save
_SAVE_SECONDS = 25.0  # after a signal, for the chief to save: Kubernetes kills after 30 s


@dataclass
class Watch:
    """Runs the work of a task in a thread, and knows how far it is.

    Attributes:
      is_finished: returns whether there is a checkpoint of the last step.
      check: raises FlagError if this process was started with other settings than the chief; called once
        the chief answers, after it has written experiment.json.
      has_begun: whether a training step has begun.
      is_over: whether the last step has been taken; the checkpoint may still be being written.
    """

    cluster: Cluster
    switch: StopSwitch
    is_finished: Callable[[], bool]
    check: Callable[[], None]
    say: Say
    has_begun: bool = False
    is_over: bool = False
    _is_checked: bool = False
    _said: float = -_SAID_EVERY_SECONDS
    _stopped: float = 0.0

    def run(self, work: Callable[[], object]) -> None:
        """Runs this process's work in a thread, which may still be running when this function returns.

        Raises:
          Interrupted: the switch is on, and the work does not end by itself in time.
          FlagError: this process disagrees with the chief.
          LabError: this task's port is in use; or a partner of synchronous steps is gone.
          Exception: whatever `work` raised.
        """
        _check_port(self.cluster)
        errors: list[BaseException] = []

        def run() -> None:
            try:
                with self.cluster.scope():
                    work()
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        partners = _partners(self.cluster)
        silent_since: dict[str, float] = {}
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            silent = [name for name, address in partners.items() if not _answers(address)]
            # Not since a task was last heard: this process may have been stopped meanwhile.
            silent_since = {name: silent_since.get(name, time.monotonic()) for name in silent}
            if thread.is_alive() and self._is_over(partners, silent_since):
                return
        if errors:
            raise errors[0]

    def _is_over(self, partners: Mapping[str, str], silent_since: Mapping[str, float]) -> bool:
        """Whether this process need not wait for its work.

        `partners` are the addresses of the tasks without which it can't go on.
        """
        now, chief = time.monotonic(), f'{CHIEF} 0'
        gone = [name for name, since in silent_since.items() if now - since > _QUIET_SECONDS]
        self._check_stop(now, is_alone=len(silent_since) == len(partners))
        if not (self._is_checked or self.cluster.is_chief or chief in silent_since):
            self._is_checked = True
            self.check()
        if self.is_over or not gone:
            return False
        if chief in gone and self.cluster.task_type != EVALUATOR and self.is_finished():
            return True  # training has ended without this process
        names = ', '.join(f'{name} ({partners[name]})' for name in gone)
        if self.has_begun and self.cluster.distribution == MULTI_WORKER:
            self.switch.check()
            raise LabError(
                f'{names} is gone, and without it no step is possible. Start all processes again: training '
                'goes on from the newest checkpoint.'
            )
        if not self.has_begun and now - self._said > _SAID_EVERY_SECONDS:
            self._said = now
            self.say(f'Waiting for      {names}')
        return False

    def _check_stop(self, now: float, is_alone: bool) -> None:
        """Raises Interrupted if the switch has been on for longer than the work may take to end by itself."""
        if not self.switch.on:
            return
        self._stopped = self._stopped or now
        patience = 0.0
        if self.is_over:
            patience = _SAVE_SECONDS
        elif self.has_begun or (self.cluster.task_type == PS and not is_alone):
            patience = _STEP_SECONDS
        if now - self._stopped >= patience:
            self.switch.check()


def _partners(cluster: Cluster) -> dict[str, str]:
    """Returns the tasks, with their addresses, without which this one can't go on."""
    others = WORKER if cluster.distribution == MULTI_WORKER else PS
    types = [CHIEF, others] if cluster.trains else [CHIEF]
    every = {f'{one} {n}': address for one in types for n, address in enumerate(cluster.tasks.get(one, ()))}
    every.pop(cluster.name, None)
    return every


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(':')
    try:
        with socket.create_connection((host.strip('[]'), int(port)), _CONNECT_SECONDS):
            return True
    except OSError:
        return False


def _check_port(cluster: Cluster) -> None:
    """Raises LabError if another program uses the port of this process."""
    own = cluster.tasks.get(cluster.task_type, [])[cluster.task_id : cluster.task_id + 1]
    if not own or sum(map(len, cluster.tasks.values())) < 2:
        return  # an evaluator, or a chief alone, has no server
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(('', int(own[0].rpartition(':')[2])))  # as TensorFlow's server does
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                why = 'is used by another program' if error.errno == errno.EADDRINUSE else 'needs more rights'
                raise LabError(f'The port of this process, {cluster.name} at {own[0]}, {why}.') from error
