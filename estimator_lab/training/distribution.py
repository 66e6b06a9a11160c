"""This process's part in a distributed run, by --distribution and TF_CONFIG.

`parameter_server` is Estimator's asynchronous training: the ps tasks hold the variables, and each worker
updates them at its own pace. `multi_worker` and `mirrored` are strategies whose replicas take each step
together.
"""

import contextlib
import functools
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from estimator_lab.base.errors import FlagError
from estimator_lab.base.json_input import parse_json, shown
from estimator_lab.data.order import ONLY_WORKER, WorkerShard
from estimator_lab.runs.model import without_cluster
from estimator_lab.tf1 import tf

NONE, MIRRORED, MULTI_WORKER, PARAMETER_SERVER = 'none', 'mirrored', 'multi_worker', 'parameter_server'
DISTRIBUTIONS = (NONE, MIRRORED, MULTI_WORKER, PARAMETER_SERVER)

CHIEF, WORKER, PS, EVALUATOR = 'chief', 'worker', 'ps', 'evaluator'
_JOBS = (CHIEF, WORKER, PS, EVALUATOR)
_LARGEST_PORT = 65_535
_MOST_DIGITS = 9
_FURTHER: Mapping[str, type] = {'service': dict, 'session_master': str, 'eval_session_master': str}


@dataclass(frozen=True)
class Task:
    """A process of a cluster.

    Attributes:
      job: 'chief', 'worker', 'ps' or 'evaluator'.
      index: its number within the job.
      address: its 'host:port'.
    """

    job: str
    index: int
    address: str

    def __str__(self) -> str:
        return f'{self.job} {self.index} ({self.address})' if self.address else f'{self.job} {self.index}'

    @property
    def host(self) -> str:
        """The host's name or address."""
        return self.address.rpartition(':')[0].strip('[]')

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self.address.rpartition(':')[2])


@dataclass(frozen=True)
class Role:
    """This process's part in a run.

    Attributes:
      distribution: one of DISTRIBUTIONS; PARAMETER_SERVER for a cluster in TF_CONFIG without a strategy.
      job: 'chief', 'worker', 'ps' or 'evaluator'; 'chief' without a cluster.
      index: number of the task within its job.
      cluster: 'host:port' of each task, by job; empty without a cluster.
      communication: how synchronous workers add gradients: 'auto', 'ring' (gRPC) or 'nccl' (GPUs).
    """

    distribution: str = NONE
    job: str = CHIEF
    index: int = 0
    cluster: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    communication: str = 'auto'

    def __str__(self) -> str:
        tasks = ', '.join(f'{len(self.cluster[job])} {job}' for job in _JOBS if self.cluster.get(job))
        return f'{self.job} {self.index} of {tasks}' if tasks else 'the only process'

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the checkpoints and messages of the run."""
        return self.job == CHIEF

    @property
    def trains(self) -> bool:
        """Whether this process takes training steps."""
        return self.job in (CHIEF, WORKER)

    @property
    def follows_chief(self) -> bool:
        """Whether the chief can't take a step without this process."""
        return self.distribution == MULTI_WORKER and self.job == WORKER

    @property
    def serves(self) -> bool:
        """Whether this process only holds variables for others."""
        return self.job == PS

    @property
    def evaluates(self) -> bool:
        """Whether this process evaluates: the evaluator of a cluster, or a process without one."""
        return self.job == EVALUATOR or not self.cluster

    @property
    def task(self) -> Task:
        """This process; the address of an evaluator that the cluster does not list is ''."""
        tasks = self.tasks_of(self.job)
        return tasks[self.index] if self.index < len(tasks) else Task(self.job, self.index, '')

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks of the cluster."""
        return tuple(task for job in _JOBS for task in self.tasks_of(job))

    @property
    def trainers(self) -> tuple[Task, ...]:
        """The chief, then all workers."""
        return (*self.tasks_of(CHIEF), *self.tasks_of(WORKER))

    def tasks_of(self, job: str) -> tuple[Task, ...]:
        """Returns the cluster's tasks of a job."""
        return tuple(Task(job, number, address) for number, address in enumerate(self.cluster.get(job, ())))

    @property
    def workers(self) -> int:
        """How many processes train."""
        return max(len(self.trainers), 1)

    @property
    def rank(self) -> int:
        """This process's number among those that train, from 0; 0 for those that do not."""
        return self.index + 1 if self.job == WORKER else 0

    @property
    def has_own_share(self) -> bool:
        """Whether this process goes through a share of the examples at its own pace."""
        return self.distribution == PARAMETER_SERVER and self.workers > 1

    def shard(self, global_batch: int) -> WorkerShard:
        """Returns this process's share of each global batch; that is all of it if it does not train."""
        return WorkerShard(self.rank, self.workers, global_batch) if self.trains else ONLY_WORKER

    @functools.cached_property
    def strategy(self) -> Any:
        """The tf.distribute.Strategy of this process; None for none."""
        # TensorFlow prints this warning; users cannot act on it.
        warnings.filterwarnings('ignore', 'To make it possible to preserve tf.data options')
        if self.distribution == MIRRORED:
            with self.scope():
                return tf.distribute.MirroredStrategy()
        # An evaluator is not among the workers that the strategy looks for.
        if self.distribution == MULTI_WORKER and self.trains:
            with self.scope():
                means = tf.distribute.experimental.CollectiveCommunication(self.communication.upper())
                return tf.distribute.experimental.MultiWorkerMirroredStrategy(means)
        return None

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Prepares the process for strategies, and hides a TF_CONFIG without a cluster.

        With eager execution, a MultiWorkerMirroredStrategy would start a server of its own, wait for all
        other workers without end, and handle SIGTERM.
        """
        with contextlib.ExitStack() as stack:
            if not self.cluster:
                stack.enter_context(without_cluster())
            if self.distribution == MULTI_WORKER:
                stack.enter_context(tf.Graph().as_default())
            yield

    @property
    def batches_a_step(self) -> int:
        """How many batches all processes together consume in one global step."""
        if self.strategy:
            return int(self.strategy.num_replicas_in_sync)
        return self.workers if self.distribution == MULTI_WORKER else 1

    def session_config(self, config: Any) -> Any:
        """Makes a worker depend on the parameter servers only, so that a lost worker stops no other.

        Estimator does the same in its default configuration.

        Args:
          config: a tf.ConfigProto, which is changed; None for that default.
        """
        if config is not None and self.cluster and self.trains and self.distribution == PARAMETER_SERVER:
            config.device_filters.extend(['/job:ps', f'/job:{self.job}/task:{self.index}'])
        return config


def read_role(distribution: str, tf_config: str) -> Role:
    """Returns this process's part.

    Args:
      distribution: value of --distribution, one of DISTRIBUTIONS.
      tf_config: value of the environment variable TF_CONFIG; '' if it is not set.

    Raises:
      FlagError: TF_CONFIG is wrong, or does not fit --distribution.
    """
    if distribution not in DISTRIBUTIONS:
        raise FlagError(f'--distribution={distribution} is not allowed: one of {", ".join(DISTRIBUTIONS)}.')
    given = _parsed(tf_config)
    cluster = _cluster_of(given)
    _check_fit(distribution, cluster)
    if not cluster:
        _check_alone(given)
        return Role(distribution)
    job, index = _task_of(given, cluster)
    return Role(PARAMETER_SERVER if distribution == NONE else distribution, job, index, cluster)


def _parsed(tf_config: str) -> dict[str, Any]:
    try:
        given = parse_json(tf_config or '{}')
    except ValueError as error:
        raise FlagError(f'TF_CONFIG is not JSON: {error}.') from error
    if not isinstance(given, dict):
        raise FlagError('TF_CONFIG must be an object with "cluster" and "task".')
    if 'model_dir' in given:
        raise FlagError('"model_dir" in TF_CONFIG has no use here: give --model_dir.')
    for name, kind in _FURTHER.items():  # TensorFlow reads these, too
        if not isinstance(given.get(name, kind()), kind):
            noun = 'text' if kind is str else 'an object'
            raise FlagError(f'{name!r} in TF_CONFIG must be {noun}, not {shown(given[name])}.')
    return given


def _cluster_of(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    cluster = given.get('cluster', {})
    if not isinstance(cluster, dict):
        raise FlagError('"cluster" in TF_CONFIG must be an object of jobs, each a list of "host:port".')
    addresses: list[str] = []
    for job, tasks in cluster.items():
        if job not in _JOBS:
            raise FlagError(f'TF_CONFIG names the job {shown(job)}; known are: {", ".join(_JOBS)}.')
        if not isinstance(tasks, list) or not tasks or not all(map(_is_address, tasks)):
            raise FlagError(
                f'The job {job!r} in TF_CONFIG must be a list of "host:port", with ports from 1 to '
                f'{_LARGEST_PORT}, not {shown(tasks)}.'
            )
        addresses += tasks
    twice = [address for address, count in Counter(addresses).items() if count > 1]
    if twice:
        raise FlagError(f'TF_CONFIG names {shown(twice[0])} twice: each task needs an address of its own.')
    if cluster and len(cluster.get(CHIEF, [])) != 1:
        raise FlagError(
            f'TF_CONFIG must name one chief, not {len(cluster.get(CHIEF, []))}: one of the workers is the '
            'chief, and listed as such instead.'
        )
    return {job: tuple(tasks) for job, tasks in cluster.items()}


def _is_address(task: object) -> bool:
    host, _, port = task.rpartition(':') if isinstance(task, str) else ('', '', '')
    if not host.isprintable() or set(host) & set(' /@,') or not _is_number(port):
        return False
    try:
        return bool(host.strip('[]').encode('idna')) and 1 <= int(port) <= _LARGEST_PORT
    except UnicodeError:  # a part is empty or too long
        return False


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


def _task_of(given: Mapping[str, Any], cluster: Mapping[str, tuple[str, ...]]) -> tuple[str, int]:
    task = given.get('task')
    if not isinstance(task, dict) or 'type' not in task or 'index' not in task:
        raise FlagError('TF_CONFIG must say which task this process is: "task": {"type": ..., "index": ...}.')
    job, index = task['type'], task['index']
    if not isinstance(job, str) or (job not in cluster and job != EVALUATOR):
        raise FlagError(f'This process is {shown(job)} in TF_CONFIG, which its cluster does not have.')
    tasks = cluster.get(job, ['the evaluator need not be listed'])
    number = str(index) if type(index) in (int, str) else ''
    if not _is_number(number) or int(number) >= len(tasks):
        raise FlagError(f'The task index {shown(index)} in TF_CONFIG is not one of its {job} tasks.')
    return job, int(number)


def _check_alone(given: Mapping[str, Any]) -> None:
    """Checks that a process without a cluster is not a task of one; TensorFlow calls it worker 0."""
    task = given.get('task', {})
    if not isinstance(task, dict) or (task.get('type', WORKER), task.get('index', 0)) != (WORKER, 0):
        raise FlagError('TF_CONFIG says which task this process is, but not of which "cluster".')


def _check_fit(distribution: str, cluster: Mapping[str, tuple[str, ...]]) -> None:
    """Checks that --distribution and TF_CONFIG agree."""
    if distribution in (MULTI_WORKER, PARAMETER_SERVER) and not cluster:
        raise FlagError(
            f'--distribution={distribution} needs TF_CONFIG, which names the cluster and the task of this '
            'process (see docs/distributed.md).'
        )
    if distribution == MIRRORED and cluster:
        raise FlagError(
            '--distribution=mirrored trains in one process, but TF_CONFIG names a cluster: unset it, or use '
            '--distribution=multi_worker.'
        )
    if distribution == MULTI_WORKER and PS in cluster:
        raise FlagError(
            'TF_CONFIG names ps tasks, which --distribution=multi_worker does not use: leave them out, or '
            'use --distribution=parameter_server.'
        )
    if distribution == PARAMETER_SERVER and PS not in cluster:
        raise FlagError('--distribution=parameter_server needs at least one ps task in TF_CONFIG.')
    if distribution == NONE and WORKER in cluster and PS not in cluster:
        raise FlagError(
            'TF_CONFIG names workers but no ps task: add one, or use --distribution=multi_worker.'
        )
