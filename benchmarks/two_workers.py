"""Examples per second of two workers on two cores against one worker on one core, same total batch.

    python benchmarks/two_workers.py                     all variants; under 4 minutes
    python benchmarks/two_workers.py --only=multi_worker one of them beside the single worker
    python benchmarks/two_workers.py --total_batch=256   with less to send for each image

The document's CNN at 128x128x1, plain gradient descent, random images in memory, so that only training is
measured. Every process computes in one thread and is bound to one core: the single worker and the first of
two to core 0, the second to core 1. The total batch is 64 unless said otherwise: 64 images a step in the
single worker, 32 in each of two. At each step of `multi_worker` a worker sends 134 MB of gradients and gets
as much back, whatever its batch; with `parameter_server` the largest layer computes in the server, which has
no core of its own and shares both. The rate is that of the global step, as the chief sees it from when all
workers take part. Needs a quiet machine with two cores.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_GOAL = 1.6
_VARIANTS = ('parameter_server', 'multi_worker')
_SECONDS = 100  # after which a run that hangs is given up


def measure(distribution: str, tasks: Sequence[str], total_batch: int, steps: int) -> float:
    """Runs one variant in fresh processes; returns its examples per second.

    Args:
      distribution: 'none' or one of _VARIANTS.
      tasks: the job of each process, the chief first; one alone gets no TF_CONFIG.
      total_batch: images of all workers together in a step.
      steps: global steps to time.

    Raises:
      RuntimeError: a process fails, or does not end in time.
    """
    cluster: dict[str, list[str]] = {}
    for job in tasks:
        cluster.setdefault(job, []).append(f'127.0.0.1:{_free_port()}')
    trainers = sum(job != 'ps' for job in tasks)
    with tempfile.TemporaryDirectory() as folder:
        processes: list[subprocess.Popen[str]] = []
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
                    _wait_for_variables(Path(folder), processes)
                processes.append(_start(options, job, cluster if len(tasks) > 1 else {}))
            return _rate_of(processes[0], processes[1:])
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _wait_for_variables(folder: Path, processes: Sequence['subprocess.Popen[str]']) -> None:
    """Waits for the chief to begin: a worker that looks before that would look again after 30 s only."""
    deadline = time.monotonic() + _SECONDS
    while not (folder / 'joined0').exists():
        if time.monotonic() > deadline or any(process.poll() for process in processes):
            raise RuntimeError('the chief does not begin; its error stands above')
        time.sleep(0.2)


def _rate_of(chief: 'subprocess.Popen[str]', others: Sequence['subprocess.Popen[str]']) -> float:
    deadline = time.monotonic() + _SECONDS
    while chief.poll() is None:
        if time.monotonic() > deadline or any(process.poll() for process in others):
            raise RuntimeError('a process failed or hangs; its error stands above')
        time.sleep(0.2)
    out = chief.stdout.read() if chief.stdout else ''
    if chief.returncode or not out.strip():
        raise RuntimeError('the chief failed; its error stands above')
    return float(json.loads(out.splitlines()[-1])['examples_per_second'])


def _start(options: dict[str, Any], job: str, cluster: dict[str, list[str]]) -> 'subprocess.Popen[str]':
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

    folder = Path(options['folder'])
    role = read_role(options['distribution'], os.environ.get('TF_CONFIG', ''))

    class Stopwatch(tf.train.SessionRunHook):
        """Times the global steps from when all workers take part; then ends the chief's training."""

        def __init__(self) -> None:
            self.began: tuple[int, float] | None = None
            self.rate = 0.0

        def before_run(self, run_context: Any) -> Any:
            return tf.train.SessionRunArgs(tf.train.get_global_step())

        def after_run(self, run_context: Any, run_values: Any) -> None:
            step, now = int(run_values.results), time.perf_counter()
            if self.began is None:
                (folder / f'joined{role.shard.number}').touch()
                if len(list(folder.glob('joined*'))) == role.shard.count:
                    self.began = step, now
            elif step - self.began[0] >= options['steps'] and role.is_chief:
                self.rate = (step - self.began[0]) / (now - self.began[1])
                run_context.request_stop()

    def input_fn() -> Any:
        rng = np.random.RandomState(role.shard.number)
        images = rng.rand(options['batch_size'], 128, 128, 1).astype(np.float32)
        labels = rng.randint(0, 10, options['batch_size'])
        return tf.data.Dataset.from_tensors(({'image': images}, labels)).repeat()

    strategy = role.strategy()
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
    with role.scope():
        estimator = tf.estimator.Estimator(cnn.model_fn, params=params, config=config)
    watch = Stopwatch()
    if not role.cluster:
        estimator.train(input_fn, hooks=[watch])
    else:
        with role.scope():
            train_spec = tf.estimator.TrainSpec(input_fn, hooks=[watch])
            tf.estimator.train_and_evaluate(estimator, train_spec, tf.estimator.EvalSpec(input_fn, 1))
    if role.is_chief:
        examples = options['batch_size'] * role.batches_a_step(strategy)
        print(json.dumps({'examples_per_second': watch.rate * examples}), flush=True)


def main() -> int:
    """Runs the variants and prints their ratios; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--only', choices=_VARIANTS, help='this variant alone')
    parser.add_argument('--steps', type=int, default=20, help='timed steps of the total batch')
    parser.add_argument('--total_batch', type=int, default=64, help='images in a step, an even number')
    parser.add_argument('--task', type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        run_task(given.task)
        return 0
    if len(os.sched_getaffinity(0)) < 2:
        print('error: this needs two cores.', file=sys.stderr)
        return 1
    print(f'load {os.getloadavg()[0]:.1f} before the start', flush=True)
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
            f'{ratio:.2f}x (to reach: {_GOAL}x, {"reached" if ratio >= _GOAL else "missed"})',
            flush=True,
        )
    return 0


if __name__ == '__main__':
    sys.exit(main())
