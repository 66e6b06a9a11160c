"""This process's part in a distributed run, as RunConfig reads it from TF_CONFIG.

`parameter_server` is Estimator's asynchronous training: the ps tasks hold the variables, and each worker
updates them at its own pace. `multi_worker` and `mirrored` are strategies whose replicas take each step
together.
"""

import contextlib
import functools
import itertools
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from estimator_lab.base.errors import FlagError, first_line, option
from estimator_lab.base.shares import EVERY, Slice
from estimator_lab.runs.record import Record
from estimator_lab.runs.trained import without_cluster
from estimator_lab.tf1 import tf
from estimator_lab.tf1.old_behaviour import first_worker_as_chief
from estimator_lab.training.slurm import tf_config_of_step

NONE, MIRRORED, MULTI_WORKER, PARAMETER_SERVER = 'none', 'mirrored', 'multi_worker', 'parameter_server'
CHIEF, WORKER, PS, EVALUATOR = 'chief', 'worker', 'ps', 'evaluator'

_ADDRESS = re.compile(r'[^\s/@,]+:\d{1,5}')
_LARGEST_PORT = 65_535
_LONGEST_SHOWN = 200  # characters
_ARCHIVES = {option.data: 'archives', option.eval_data: 'evaluation'}  # of a record's input, by setting


@dataclass(frozen=True)
class Cluster:
    """This process's part in a run.

    Attributes:
      distribution: NONE, MIRRORED, MULTI_WORKER or PARAMETER_SERVER.
      task_type: CHIEF, WORKER, PS or EVALUATOR; CHIEF without a cluster.
      task_id: its number within the tasks of that type.
      tasks: addresses 'host:port' by type; empty without a cluster.
    """

    distribution: str
    task_type: str
    task_id: int
    tasks: Mapping[str, list[str]]

    def __str__(self) -> str:
        counts = ', '.join(
            f'{len(self.tasks[job])} {job}' for job in (CHIEF, WORKER, PS) if job in self.tasks
        )
        return f'{self.name} of {counts}' if counts else 'the only process'

    @property
    def name(self) -> str:
        """The task of this process, such as 'worker 0'."""
        return f'{self.task_type} {self.task_id}'

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the checkpoints and messages of the run."""
        return self.task_type == CHIEF

    @property
    def trains(self) -> bool:
        """Whether this process takes training steps."""
        return self.task_type in (CHIEF, WORKER)

    @property
    def evaluates(self) -> bool:
        """Whether this process evaluates: the evaluator of a cluster, or a process without one."""
        return self.task_type == EVALUATOR or not self.tasks

    @property
    def is_synchronous_worker(self) -> bool:
        """Whether the chief can't take a step without this process, which is not the chief."""
        return self.distribution == MULTI_WORKER and self.task_type == WORKER

    @property
    def workers(self) -> int:
        """How many processes train."""
        return 1 + len(self.tasks.get(WORKER, ()))

    @property
    def rank(self) -> int:
        """This process's number among the processes that train, from 0; 0 if it does not."""
        return self.task_id + 1 if self.task_type == WORKER else 0

    @property
    def has_own_pace(self) -> bool:
        """Whether this process trains at its own pace, among others."""
        return self.distribution == PARAMETER_SERVER and self.trains and self.workers > 1

    @property
    def batches_a_step(self) -> int:
        """How many batches all processes together consume in one global step."""
        if self.strategy:
            return int(self.strategy.num_replicas_in_sync)
        return self.workers if self.distribution == MULTI_WORKER else 1

    def shard(self, global_batch: int) -> Slice:
        """Returns this process's slice of the order; all of it if it does not train."""
        if self.has_own_pace:
            return Slice(self.rank, self.workers, self.workers, turns=True)
        return Slice(self.rank, self.workers, global_batch) if self.trains else EVERY

    @functools.cached_property
    def strategy(self) -> Any:
        """The tf.distribute.Strategy of this process; None for none."""
        # TensorFlow prints this warning; users cannot act on it.
        warnings.filterwarnings('ignore', 'To make it possible to preserve tf.data options')
        with self.scope():
            if self.distribution == MIRRORED:
                return tf.distribute.MirroredStrategy()
            # An evaluator is not among the workers that the strategy looks for.
            if self.distribution == MULTI_WORKER and self.trains:
                return tf.distribute.experimental.MultiWorkerMirroredStrategy()
        return None

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Prepares the process for strategies, and hides a TF_CONFIG without a cluster.

        With eager execution, a MultiWorkerMirroredStrategy would start a server of its own, wait for all
        other workers without end, and handle SIGTERM.
        """
        with contextlib.ExitStack() as stack:
            if not self.tasks:
                stack.enter_context(without_cluster())
            if self.distribution == MULTI_WORKER:
                stack.enter_context(tf.Graph().as_default())
            yield


def read_cluster(distribution: str, say: Callable[[str], object] = print) -> Cluster:
    """Returns this process's part: from TF_CONFIG, or without it, for `multi_worker`, from Slurm's srun.

    Raises:
      FlagError: TF_CONFIG or what Slurm says is wrong, or does not fit --distribution.
    """
    text = os.environ.get('TF_CONFIG', '')
    if not text and distribution == MULTI_WORKER and (step := tf_config_of_step()):
        text, tasks, task = json.dumps(step), step['cluster'], step['task']
        where = tasks[task['type']][task['index']]
        count = sum(map(len, tasks.values()))
        say(f'Slurm            {task["type"]} {task["index"]} of {count} tasks, at {where}')
    try:
        given = _with_chief(_checked(json.loads(text or '{}')))
        tasks = _tasks_in(given)
        if tasks:
            os.environ['TF_CONFIG'] = json.dumps(given)
        with contextlib.nullcontext() if text else without_cluster():
            config = tf.estimator.RunConfig(model_dir='model_dir')
    except (ValueError, TypeError, AttributeError, LookupError, RuntimeError, OverflowError) as error:
        raise FlagError(f'TF_CONFIG: {first_line(error).rstrip(".:")}.') from error
    # RunConfig calls a process without a cluster worker 0.
    cluster = Cluster(
        PARAMETER_SERVER if PS in tasks and distribution == NONE else distribution,
        config.task_type if tasks else CHIEF,
        config.task_id,
        tasks,
    )
    _check_fit(cluster)
    if not cluster.trains:  # it would share the memory of a GPU with a process that does
        os.environ.setdefault('CUDA_VISIBLE_DEVICES', '-1')
    return cluster


def _checked(given: Any) -> dict[str, Any]:
    """Returns a TF_CONFIG that has the form of one; raises ValueError for another one."""
    if not isinstance(given, dict):
        raise ValueError(f'it is {_shown(given)}, not an object such as {{"cluster": ..., "task": ...}}')
    for name in ('cluster', 'task'):
        if not isinstance(given.get(name, {}), dict):
            raise ValueError(f'its {name} is {_shown(given[name])}, not an object')
    cluster, task = given.get('cluster', {}), given.get('task', {})
    job, index = task.get('type'), task.get('index', 0)
    if cluster and job in (CHIEF, 'master') and job not in cluster:
        raise ValueError(f'the task is the {job}, but the cluster has none')
    if job == EVALUATOR and str(index) != '0':
        raise ValueError(f'the task is evaluator {_shown(index)}, but a run has one evaluator, number 0')
    return given


def _shown(value: Any) -> str:
    return json.dumps(value)[:_LONGEST_SHOWN]


def _with_chief(given: dict[str, Any]) -> Any:
    """Returns a TF_CONFIG with a chief, also if it calls it master, as before TensorFlow 1.15, or worker."""
    if 'sparseCluster' in given:
        raise ValueError(
            'its sparseCluster, of a TFJob with enableDynamicWorker, has no addresses of the other workers: '
            'set enableDynamicWorker: false'
        )
    cluster, task = given.get('cluster', {}), given.get('task', {})
    if 'master' not in cluster or CHIEF in cluster:
        return first_worker_as_chief(given)
    renamed = {CHIEF if job == 'master' else job: addresses for job, addresses in cluster.items()}
    job = CHIEF if task.get('type') == 'master' else task.get('type')
    return {**given, 'cluster': renamed, 'task': {**task, 'type': job}}


def _tasks_in(given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns the addresses by task type; raises ValueError for unusable ones that RunConfig accepts."""
    tasks: dict[str, list[str]] = tf.train.ClusterSpec(given.get('cluster', {})).as_dict()
    addresses = list(itertools.chain(*tasks.values()))
    for name in tasks:
        if name not in (CHIEF, WORKER, PS, EVALUATOR):
            raise ValueError(f'the job {name!r} is unknown; known are chief, worker, ps and evaluator')
    for address in addresses:
        shown = repr(address[:_LONGEST_SHOWN])
        if not _ADDRESS.fullmatch(address) or addresses.count(address) > 1:
            raise ValueError(f'each task needs a "host:port" of its own, not {shown}')
        if not 1 <= int(address.rpartition(':')[2]) <= _LARGEST_PORT:
            raise ValueError(f'the port of {shown} is not a number from 1 to {_LARGEST_PORT}')
    index = given.get('task', {}).get('index', 0)
    if isinstance(index, bool) or not isinstance(index, int | str):
        raise ValueError(f'the index of the task is {str(index)[:_LONGEST_SHOWN]}, not a whole number')
    return tasks


def _check_fit(cluster: Cluster) -> None:
    """Raises FlagError unless --distribution and TF_CONFIG agree."""
    if not cluster.tasks:
        what, fitting = 'names no cluster', [NONE, MIRRORED]
    elif PS in cluster.tasks:
        what, fitting = 'names ps tasks', [PARAMETER_SERVER]
    elif set(cluster.tasks) <= {CHIEF, EVALUATOR}:
        what, fitting = 'names no workers', [NONE, MULTI_WORKER]
    else:
        what, fitting = 'names a cluster without ps tasks', [MULTI_WORKER]
    if cluster.distribution not in fitting:
        raise FlagError(
            f'{option.distribution}={cluster.distribution} does not fit TF_CONFIG, which {what}: give '
            f'{option.distribution}={" or ".join(fitting)}, or another TF_CONFIG (see docs/distributed.md).'
        )


def check_agreement(cluster: Cluster, ours: Record, chiefs: Record) -> None:
    """Raises FlagError if a process was started with other settings than the chief."""
    expected = _shared(cluster, chiefs)
    for name, value in _shared(cluster, ours).items():
        if value != (other := expected.get(name)):
            if name in _ARCHIVES:
                value, other = next(each for each in zip_longest(value, other or ()) if each[0] != each[1])
            here, there = str(value)[:_LONGEST_SHOWN], str(other)[:_LONGEST_SHOWN]
            raise FlagError(
                f'{cluster.name} has {name} {here}, but the chief {there}: start all processes alike.'
            )


def _shared(cluster: Cluster, record: Record) -> dict[str, Any]:
    """Returns what a process must share with the chief, by name; of a worker also its input."""
    fields, shared = asdict(record), {}
    # Data first, as they decide hyper-parameters; their order decides who reads what.
    if cluster.task_type == WORKER:
        for flag, name in _ARCHIVES.items():
            archives = fields['input'][name]
            shared[flag] = [[each['name'], each['images'], each['fingerprint']] for each in archives]
        shared |= fields['input']['settings']
    shared |= {'model': fields['model'], 'image_shape': fields['image_shape'], **fields['hparams']}
    shared |= {f'version of {name}': value for name, value in fields['versions'].items()}
    return dict(json.loads(json.dumps(shared)))  # tuples become lists, as in the chief's file
