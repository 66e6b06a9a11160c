"""Examples per second of two workers on two cores against one worker on one core, same total batch.

    python benchmarks/two_workers.py                     all variants; under 4 minutes
    python benchmarks/two_workers.py --only=multi_worker one of them, and the single worker
    python benchmarks/two_workers.py --total_batch=256   with less communication for each image

The notes' CNN at 128x128x1, plain gradient descent, random images in memory, so that only training is
measured. Every process computes in one thread and is bound to one core: the single worker and the first of
two to core 0, the second to core 1. The total batch is 64 by default: 64 images a step in the single worker,
32 in each of two. In each step of `multi_worker` a worker sends 134 MB of gradients and receives as many,
whatever its batch; with `parameter_server` the largest layer computes in the server, which shares both cores.
The rate is that of the global step in the chief, from when all workers take part. Needs an idle machine with
two cores.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runner import command_line, machine

_GOAL = 1.6
_VARIANTS = ('parameter_server', 'multi_worker')
_SECONDS = 100  # until a run counts as hanging
Process = subprocess.Popen[str]


def measure(distribution: str, tasks: Sequence[str], total_batch: int, steps: int) -> float:
    """Runs one variant in fresh processes; returns its examples per second.

    Args:
      distribution: 'none' or one of _VARIANTS.
      tasks: the job of each process, the chief first; one alone gets no TF_CONFIG.
      total_batch: images of all workers together in a step.
      steps: global steps to time.

    Raises:
      RuntimeError: if a process fails or hangs.
    """
    cluster: dict[str, list[str]] = {}
    for job in tasks:
        cluster.setdefault(job, []).append(f'127.0.0.1:{_free_port()}')
    trainers = sum(job != 'ps' for job in tasks)
    with tempfile.TemporaryDirectory() as folder:
        processes: list[Process] = []
        try:
            for job in tasks:
                options = {
                    'distribution': distribution,
                    'folder': folder,
                    'batch_size': total_batch // trainers,
                    'core': {'chief': 0, 'worker': 1}.get(job),
                    'steps': steps,
                }
                if job == 'worker' and distribution == 'parameter_server':
                    # Before the chief has begun, a worker would find no variables and wait for 30 s.
                    _wait(processes, (Path(folder) / 'joined0').exists)
                processes.append(_start(options, job, cluster if len(tasks) > 1 else {}))
            chief = processes[0]
            _wait(processes, lambda: chief.poll() is not None)
            out = chief.stdout.read() if chief.stdout else ''
            return float(json.loads(out.splitlines()[-1]))
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _wait(processes: Sequence[Process], done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not done():
        if time.monotonic() > deadline or any(process.poll() for process in processes):
            raise RuntimeError('a process failed or hangs; its error is above')
        time.sleep(0.2)
    if processes[0].poll():
        raise RuntimeError('the chief failed; its error is above')


def _start(options: dict[str, Any], job: str, cluster: dict[str, list[str]]) -> Process:
    environment = {**os.environ, 'TF_NUM_INTRAOP_THREADS': '1', 'TF_NUM_INTEROP_THREADS': '1'}
    environment.pop('TF_CONFIG', None)
    if cluster:
        environment['TF_CONFIG'] = json.dumps({'cluster': cluster, 'task': {'type': job, 'index': 0}})
    return subprocess.Popen(
        [sys.executable, __file__, f'--task={json.dumps(options)}'],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return int(server.getsockname()[1])


def run_task(options: dict[str, Any]) -> None:
    """Trains in this process; the chief prints its examples per second as JSON."""
    if options['core'] is not None:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[options['core']]})
    import numpy as np

    from estimator_lab.models import cnn
    from estimator_lab.tf1 import tf
    from estimator_lab.training.distribution import read_role

    role = read_role(options['distribution'], os.environ.get('TF_CONFIG', ''))

    def input_fn() -> Any:
        rng = np.random.RandomState(role.rank)
        images = rng.rand(options['batch_size'], 128, 128, 1).astype(np.float32)
        labels = rng.randint(0, 10, options['batch_size'])
        return tf.data.Dataset.from_tensors(({'image': images}, labels)).repeat()

    strategy = role.strategy
    config = tf.estimator.RunConfig(
        model_dir=options['folder'],
        save_summary_steps=None,
        save_checkpoints_steps=None,
        save_checkpoints_secs=None,
        log_step_count_steps=None,
        train_distribute=strategy,
        experimental_max_worker_delay_secs=0,
    )
    params = {'optimizer': 'sgd', 'learning_rate_schedule': 'constant'}
    watch = _stopwatch(role, Path(options['folder']), options['steps'])
    with role.scope():
        estimator = tf.estimator.Estimator(cnn.model_fn, params=params, config=config)
        if role.cluster:
            train_spec = tf.estimator.TrainSpec(input_fn, hooks=[watch])
            tf.estimator.train_and_evaluate(estimator, train_spec, tf.estimator.EvalSpec(input_fn, 1))
        else:
            estimator.train(input_fn, hooks=[watch])
    if role.is_chief:
        print(watch.rate * options['batch_size'] * role.batches_a_step, flush=True)


def _stopwatch(role: Any, folder: Path, steps: int) -> Any:
    """Returns a hook that times the global steps once all workers take part; then it stops the chief."""
    from estimator_lab.tf1 import tf

    class Stopwatch(tf.train.SessionRunHook):
        def __init__(self) -> None:
            self.began: tuple[int, float] | None = None
            self.rate = 0.0

        def before_run(self, run_context: Any) -> Any:
            return tf.train.SessionRunArgs(tf.train.get_global_step())

        def after_run(self, run_context: Any, run_values: Any) -> None:
            step, now = int(run_values.results), time.perf_counter()
            if self.began is None:
                (folder / f'joined{role.rank}').touch()
                if len(list(folder.glob('joined*'))) == role.workers:
                    self.began = step, now
            elif step - self.began[0] >= steps and role.is_chief:
                self.rate = (step - self.began[0]) / (now - self.began[1])
                run_context.request_stop()

    return Stopwatch()


def main() -> int:
    """Runs the variants and prints their ratios; returns the exit status."""
    parser = command_line(
        __doc__,
        only=('', 'this variant alone', _VARIANTS),
        steps=(20, 'timed steps of the total batch'),
        total_batch=(64, 'images in a step, an even number'),
    )
    parser.add_argument('--task', type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        run_task(given.task)
        return 0
    if len(os.sched_getaffinity(0)) < 2:
        print('error: this needs two cores.', file=sys.stderr)
        return 1
    print(machine(), flush=True)
    batch = given.total_batch
    one = measure('none', ['chief'], batch, given.steps)
    print(f'{one:7.1f} examples/s  one worker on one core, batch {batch}', flush=True)
    for variant in [given.only] if given.only else _VARIANTS:
        # An asynchronous step is half the total batch.
        asynchronous = variant == 'parameter_server'
        tasks = ['chief', 'ps', 'worker'] if asynchronous else ['chief', 'worker']
        two = measure(variant, tasks, batch, given.steps * (1 + asynchronous))
        ratio = two / one
        print(
            f'{two:7.1f} examples/s  two workers on two cores, {variant}, batch 2 x {batch // 2}: '
            f'{ratio:.2f}x (goal {_GOAL}: {"reached" if ratio >= _GOAL else "missed"})',
            flush=True,
        )
    return 0


if __name__ == '__main__':
    sys.exit(main())
