"""How a process of a cluster waits for the others, and when it ends without them.

A TensorFlow server never returns and hears no signals, and neither does a session that waits for one. So the
work of a task runs in a thread, which the main thread watches.
"""

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from estimator_lab.base.errors import LabError
from estimator_lab.base.interrupts import StopSwitch
from estimator_lab.data.archives.opened import Say
from estimator_lab.training.cluster import CHIEF, EVALUATOR, MULTI_WORKER, PS, WORKER, Cluster

_CHIEF = f'{CHIEF} 0'
_POLL_SECONDS, _CONNECT_SECONDS = 1.0, 1.0
_QUIET_SECONDS = 3.0  # of a task that is gone; less than a restarted one needs to import TensorFlow
_SAID_EVERY_SECONDS = 60.0
_STEP_SECONDS = 4.0  # after a signal, for the step to end; others go on meanwhile, for the chief to save
_SAVE_SECONDS = 25.0  # after a signal, for the chief to save: Kubernetes kills after 30 s


class Partners:
    """The tasks without which this one can't go on.

    Attributes:
      addresses: 'host:port' by task, such as 'ps 0'.
    """

    def __init__(self, cluster: Cluster) -> None:
        types = [CHIEF]
        if cluster.trains:
            types.append(WORKER if cluster.distribution == MULTI_WORKER else PS)
        self.addresses = {
            f'{job} {number}': address
            for job in types
            for number, address in enumerate(cluster.tasks.get(job, ()))
            if f'{job} {number}' != cluster.name
        }
        self._silent_since: dict[str, float] = {}

    def poll(self) -> None:
        """Asks each task whether it answers."""
        silent = [name for name, address in self.addresses.items() if not _answers(address)]
        # Not since a task was last heard: this process may have been stopped meanwhile.
        self._silent_since = {name: self._silent_since.get(name, time.monotonic()) for name in silent}

    def answers(self, name: str) -> bool:
        """Whether a task answered the last poll."""
        return name in self.addresses and name not in self._silent_since

    @property
    def gone(self) -> list[str]:
        """The tasks that have been silent for some seconds."""
        now = time.monotonic()
        return [name for name, since in self._silent_since.items() if now - since > _QUIET_SECONDS]

    def named(self, names: Iterable[str]) -> str:
        """Returns tasks with their addresses, for a message."""
        return ', '.join(f'{name} ({self.addresses[name]})' for name in names)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(':')
    try:
        with socket.create_connection((host.strip('[]'), int(port)), _CONNECT_SECONDS):
            return True
    except OSError:
        return False


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
        partners = Partners(self.cluster)
        errors: list[BaseException] = []

        def run() -> None:
            try:
                with self.cluster.scope():
                    work()
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            if not thread.is_alive():
                break
            partners.poll()
            self._check_stop(partners)
            if partners.answers(_CHIEF) and not self._is_checked:
                self._is_checked = True
                self.check()
            gone = [] if self.is_over else partners.gone
            if _CHIEF in gone and self.cluster.task_type != EVALUATOR and self.is_finished():
                return  # training has ended without this process
            if self.has_begun:
                gone = self._needed(gone, partners)
            if gone:
                self._say_waiting(partners.named(gone))
        if errors:
            raise errors[0]

    def _check_stop(self, partners: Partners) -> None:
        """Raises Interrupted if the switch has been on for longer than the work may take to end by itself."""
        if not self.switch.on:
            return
        now = time.monotonic()
        self._stopped = self._stopped or now
        patience = 0.0
        if self.is_over:
            patience = _SAVE_SECONDS
        elif self.has_begun or (
            self.cluster.task_type == PS and any(map(partners.answers, partners.addresses))
        ):
            patience = _STEP_SECONDS
        if now - self._stopped >= patience:
            self.switch.check()

    def _needed(self, gone: Sequence[str], partners: Partners) -> list[str]:
        """Returns the tasks for which this one waits; raises LabError if no step is possible any more."""
        if gone and self.cluster.distribution == MULTI_WORKER:
            self.switch.check()
            raise LabError(
                f'{partners.named(gone)} is gone, and without it no step is possible. Start all processes '
                'again: training goes on from the newest checkpoint.'
            )
        return [name for name in gone if name != _CHIEF]  # workers at their own pace go on without it

    def _say_waiting(self, names: str) -> None:
        now = time.monotonic()
        if now - self._said > _SAID_EVERY_SECONDS:
            self._said = now
            self.say(f'Waiting for      {names}')


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
