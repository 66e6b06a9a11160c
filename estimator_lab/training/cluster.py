"""A cluster while it runs: which tasks answer, what this process waits for, and how it ends.

A TensorFlow server never returns and hears no signals; neither does a session that waits for a server, or a
synchronous step whose partner is gone. So a task's work runs in a thread, which the main thread watches.
"""

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from estimator_lab.base.errors import FlagError, LabError
from estimator_lab.data.archives import Say
from estimator_lab.runs.record import Record
from estimator_lab.training.distribution import CHIEF, MULTI_WORKER, PS, WORKER, Role, Task
from estimator_lab.training.hooks import StopTrainingHook
from estimator_lab.training.interrupt import StopSwitch

T = TypeVar('T')

_POLL_SECONDS = 1.0
_CONNECT_SECONDS = 1.0
_QUIET_SECONDS = 3.0  # less than a restarted process needs to import TensorFlow
_GONE_SECONDS = 10.0  # more than the tasks of a cluster take to end one after the other
_SAID_AFTER_SECONDS, _SAID_EVERY_SECONDS = 5.0, 60.0
# After a signal, for the step to end; a ps and a synchronous worker go on meanwhile, for the chief to save.
_STEP_SECONDS = 6.0
_SAVE_SECONDS = 25.0  # after a signal, for the chief to save: Kubernetes kills after 30 s
_LONGEST_SHOWN = 200  # characters
_MOST_PROBES = 32  # at the same time


@dataclass
class ClusterWatch:
    """Runs this process's part of a cluster, and ends it if it would wait without end.

    Attributes:
      role: of this process.
      say: shows one line to the user.
      switch: asks to stop.
      timeout: seconds to wait for tasks that do not answer.
      stop: the hook that knows whether this process has taken steps.
      finished: returns whether training has reached its last step, by the checkpoints.
      check_agreement: raises FlagError if this process was started with other settings than the chief;
        called once the chief answers, after it has written experiment.json.
    """

    role: Role
    say: Say
    switch: StopSwitch
    timeout: float
    stop: StopTrainingHook
    finished: Callable[[], bool]
    check_agreement: Callable[[], None] = lambda: None
    _heard: set[Task] = field(default_factory=set)
    _silent_since: dict[Task, float] = field(default_factory=dict)
    _absent: dict[Task, str] = field(default_factory=dict)
    _said: tuple[float, str] = (-_SAID_EVERY_SECONDS, '')
    _agreed: bool = False
    _stopped: float | None = None

    def run(self, work: Callable[[], object]) -> None:
        """Runs the work in a thread, which may still be running when this function returns.

        Raises:
          Interrupted: the switch is on, and the work does not end by itself in time.
          FlagError: two tasks have one address, or this process disagrees with the chief.
          LabError: this task's port is in use; or tasks without which it can't go on have not answered for
            `timeout` seconds, or have gone in synchronous training.
          Exception: whatever `work` raised.
        """
        _check_addresses(self.role)
        errors: list[BaseException] = []

        def run() -> None:
            try:
                with self.role.scope():
                    work()
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        all_others = [task for task in self.role.tasks if task != self.role.task]
        watched = all_others if self.role.trains else self.role.trainers
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            if thread.is_alive() and self._is_over(of_each(watched, why_silent)):
                return
        self._say_absent()
        if errors:
            raise errors[0]

    def wait_until_the_chief_is_gone(self) -> None:
        """Waits, within the work, until the chief has not answered for a few seconds."""
        while self._silence(self._chief[0], time.monotonic()) <= _QUIET_SECONDS:
            time.sleep(_POLL_SECONDS)

    def _is_over(self, silent: dict[Task, str]) -> bool:
        """Whether this process need not wait for its work.

        Args:
          silent: why each task does not answer, '' if it does.
        """
        now = time.monotonic()
        self._heard.update(task for task, why in silent.items() if not why)
        # Not since a task was last heard: this process may have been stopped meanwhile.
        self._silent_since = {task: self._silent_since.get(task, now) for task, why in silent.items() if why}
        self._check_stop(now, any(not why for why in silent.values()))
        self._check_agreed()
        if not self.role.trains and self.finished():
            return self.role.serves and all(
                self._silence(task, now) > _QUIET_SECONDS for task in self.role.trainers
            )
        if self._was_left_behind(now):
            return True
        if self.role.distribution == MULTI_WORKER and self.role.trains and self._has_lost_partner(now):
            return False
        self._wait(now, silent)
        if self.role.is_chief and self.role.distribution != MULTI_WORKER and not self.stop.over:
            self._watch_workers(now)
        return False

    def _check_stop(self, now: float, others_answer: bool) -> None:
        """Raises Interrupted if the switch has been on for longer than this process may take to end."""
        if not self.switch.on:
            return
        self._stopped = self._stopped or now
        patience = 0.0
        if self.role.serves:
            patience = _STEP_SECONDS if others_answer else 0.0
        elif self.stop.over:
            patience = _SAVE_SECONDS
        elif self.stop.begun:
            patience = _STEP_SECONDS
        if now - self._stopped >= patience:
            self.switch.check()

    def _silence(self, task: Task, now: float) -> float:
        """Returns for how many seconds a task has not answered."""
        return now - self._silent_since.get(task, now)

    @property
    def _chief(self) -> Sequence[Task]:
        return self.role.tasks_of(CHIEF)

    def _check_agreed(self) -> None:
        if not self._agreed and not self.role.is_chief and self._chief[0] in self._heard:
            self._agreed = True
            self.check_agreement()

    def _was_left_behind(self, now: float) -> bool:
        """Whether training has ended without this worker, as it was stopped, or came back late."""
        if self.role.job != WORKER or self.stop.over:
            return False
        others = self.role.tasks_of(PS) or self._chief
        return any(self._silence(task, now) > _QUIET_SECONDS for task in others) and self.finished()

    def _has_lost_partner(self, now: float) -> bool:
        """Whether this worker has taken its last step; raises LabError if a partner of its steps is gone.

        The chief watches all workers, and a worker the chief, so a lost process ends all of them.
        """
        partners = self.role.tasks_of(WORKER) if self.role.is_chief else self._chief
        gone = [
            task for task in partners if task in self._heard and self._silence(task, now) > _QUIET_SECONDS
        ]
        if gone and not self.stop.over:
            self.switch.check()
            raise LabError(
                f'{gone[0]} of TF_CONFIG is gone, and without it no step is possible: if it has printed an '
                'error, remove the cause. Then start all processes again: training goes on from the newest '
                'checkpoint.'
            )
        return self.stop.over

    def _needed(self) -> tuple[Sequence[Task], bool]:
        """Returns the tasks without which this one can't go on, and whether one of them is enough."""
        if not self.role.trains:
            return self.role.trainers, True
        if self.role.distribution == MULTI_WORKER:
            return [task for task in self.role.trainers if task != self.role.task], False
        # The chief initializes the variables, and saves the last ones; in between, workers go on without it.
        chief = () if self.role.is_chief or (self.stop.begun and not self.stop.waits) else self._chief
        return [*self.role.tasks_of(PS), *chief], False

    def _wait(self, now: float, silent: dict[Task, str]) -> None:
        """Reports the tasks that this one waits for; raises LabError once that takes too long."""
        needed, one_is_enough = self._needed()
        missing = [task for task in needed if silent[task]]
        if not missing or (one_is_enough and len(missing) < len(needed)):
            return
        seconds = (min if one_is_enough else max)(self._silence(task, now) for task in missing)
        if seconds > self.timeout:
            raise LabError(
                f'{_listed(missing)} of TF_CONFIG {_have(missing)} not answered for {seconds:.0f} seconds: '
                f'this {self.role.job} ends.',
                cluster_timeout='Start what is missing, or give a larger --cluster_timeout.',
            )
        line = f'Waiting for      {", ".join(f"{task}: {silent[task]}" for task in missing)}'
        said_at, said = self._said
        unresolved = _UNKNOWN_HOST in silent.values()
        is_due = now - said_at > _SAID_EVERY_SECONDS
        if (unresolved and line != said) or (seconds > _SAID_AFTER_SECONDS and (line != said or is_due)):
            self._said = (now, line)
            self.say(line)

    def _watch_workers(self, now: float) -> None:
        """Reports workers that take no part in asynchronous training, which goes on without them."""
        for task in self.role.tasks_of(WORKER):
            state, found = self._absent.get(task, ''), ''
            if self._silence(task, now) > _GONE_SECONDS:
                if task in self._heard:
                    found = 'has ended or was killed'
                elif self.stop.begun:
                    found = 'has not answered so far'
            if found and found != state:
                self.say(f'{task} {found}: training goes on without it.')
            elif state and not found:
                self.say(f'{task} takes part in training.')
            self._absent[task] = found

    def _say_absent(self) -> None:
        for task, state in self._absent.items():
            if state:
                self.say(f'{task} {state}: not all images of its share were used.')


def check_agreement(task: Task, ours: Record, chiefs: Record) -> None:
    """Checks that a process was started like the chief.

    Args:
      task: this process.
      ours: what it would record.
      chiefs: what the chief has recorded.

    Raises:
      FlagError: they differ in what all processes must share, or, for a worker, in what decides its steps.
    """
    is_trainer = task.job == WORKER
    own, chief = _shared_settings(ours, is_trainer), _shared_settings(chiefs, is_trainer)
    for name in own:
        if own[name] != chief.get(name):
            shown = [str(value)[:_LONGEST_SHOWN] for value in (own[name], chief.get(name))]
            raise FlagError(
                f'{task} has {name} {shown[0]}, but the chief {shown[1]}: start all processes alike.'
            )


_OTHER_WORDS = {
    'train_steps': 'number of steps',
    'accumulate': '--accumulate',
    'loss_scaling': '--precision=float16',
    'frozen': '--freeze',
}
"""For what a record keeps among the hyper-parameters, although other flags decide it."""


def _shared_settings(record: Record, is_trainer: bool) -> dict[str, Any]:
    """Returns what the processes of a cluster must share, by the words for messages."""
    hparams = {
        # In the chief's record, which was a file, tuples are lists.
        _OTHER_WORDS.get(name, f'--hparams={name}'): list(value) if isinstance(value, tuple) else value
        for name, value in record.hparams.items()
    }
    shared = {'--model': record.model, 'image shape': record.image_shape, **hparams}
    shared |= {f'version of {name}': value for name, value in record.versions.items()}
    if is_trainer:
        shared |= {f'--{name}': value for name, value in record.input.settings.items()}
        for name, sources in (
            ('--data', record.input.archives),
            ('--eval_data', record.input.evaluation),
        ):
            shared[name] = sorted((source.name, source.images, source.fingerprint) for source in sources)
    return shared


def of_each(tasks: Iterable[Task], function: Callable[[Task], T]) -> dict[Task, T]:
    """Returns the results of a function, which may wait for an answer, for each task; calls it in threads."""
    tasks = list(tasks)
    with ThreadPoolExecutor(_MOST_PROBES) as pool:
        return dict(zip(tasks, pool.map(function, tasks), strict=True))


_UNKNOWN_HOST = 'its host is unknown'


def why_silent(task: Task) -> str:
    """Returns why a task does not accept connections, '' if it does."""
    try:
        with socket.create_connection((task.host, task.port), _CONNECT_SECONDS):
            return ''
    except socket.gaierror:
        return _UNKNOWN_HOST
    except OSError:
        return 'it does not answer'


def _check_addresses(role: Role) -> None:
    """Raises FlagError if two tasks have one address, LabError if this task's port is in use."""
    known: dict[object, Task] = {}
    for task, places in of_each(role.tasks, _resolved).items():
        for place in places:
            other = known.setdefault(place, task)
            if other != task:
                raise FlagError(
                    f'{other} and {task} of TF_CONFIG are the same address: each task needs its own.'
                )
    own = role.task
    if own not in role.tasks or len(role.tasks) < 2:
        return  # an evaluator or a chief alone has no server
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(('', own.port))  # as TensorFlow's server does, on all interfaces
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                return
            why = 'is used by another program' if error.errno == errno.EADDRINUSE else 'needs more rights'
            raise LabError(f'The port of this process, {own} of TF_CONFIG, {why}.') from error


def _resolved(task: Task) -> set[object]:
    try:
        found = socket.getaddrinfo(task.host, task.port, type=socket.SOCK_STREAM)
    except OSError:  # it may be known later
        return set()
    return {place[:2] for *_, place in found}


def _listed(tasks: Iterable[Task]) -> str:
    return ', '.join(map(str, tasks))


def _have(tasks: Sequence[Task]) -> str:
    return 'has' if len(tasks) == 1 else 'have'
