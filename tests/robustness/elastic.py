"""Kills workers by SIGKILL and goes on with another number of them: 1, 4, 3, 1, and so on.

    python -m tests.robustness.elastic --kills=100
    python -m tests.robustness.elastic --kills=0 --trainings=1

Kills are of processes that read the data of a global batch without TensorFlow, each its own part, half of
them from plain archives of different sizes, half from compressed ones. What all have read up to a random
earlier step counts as saved, and the next processes go on from there: in the end, every image must have been
read exactly once in each epoch. Trainings are runs of `train --distribution=multi_worker`: all processes are
killed before the number of workers changes, and the last weights are compared with those of an undisturbed
training in one process. Exit status 1 if an image is lost or repeated, or a weight differs by more than 1e-6.
"""

import argparse
import gzip
import itertools
import json
import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from estimator_lab.base.shares import Slice
from estimator_lab.data.archives.opened import open_archives
from estimator_lab.data.archives.order import Order
from estimator_lab.data.images.reader import IMAGES
from tests.robustness.driver import main
from tests.support.archive_files import encoded, picture, write_tar
from tests.support.cluster import Cluster

WORLDS = (1, 4, 3, 1)
_SIZES = 150, 10, 37  # images of the archives
_GLOBAL_BATCHES = 12, 17, 26
_MOST_SECONDS = 0.3  # until a kill
_TOLERANCE = 1e-6
_STEPS_A_LIFE = 20
_FLAGS = {
    'image_size': 8,
    'hparams': 'filters=2,dense_units=8,dropout_rate=0,optimizer=momentum,learning_rate=0.02',
    'save_checkpoints_steps': 5,
}
_FORKS = multiprocessing.get_context('forkserver')
_FORKS.set_forkserver_preload(['estimator_lab.data.archives.opened'])


def measure(given: argparse.Namespace) -> int:
    """Kills readers and trainings; returns the failures."""
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ['XDG_CACHE_HOME'] = f'{folder}/cache'
        for number, paths in enumerate(archives(Path(folder))):
            kills = (given.kills + number) // 2
            lost, repeated, epochs = kill_readers(paths, Path(folder), kills, random.Random(given.seed))
            what = 'compressed' if number else 'plain'
            print(f'{what}: {kills} kills, {epochs} epochs, {lost} lost, {repeated} repeated', flush=True)
            failures += lost + repeated
        for number in range(given.trainings):
            place = Path(folder, f'training{number}')
            place.mkdir()
            difference = trained_difference(place, WORLDS)
            print(f'training {number}: largest difference of a weight {difference:.1e}', flush=True)
            failures += difference > _TOLERANCE
    return failures


def kill_readers(paths: Sequence[str], folder: Path, kills: int, rng: random.Random) -> tuple[int, int, int]:
    """Reads with changing numbers of workers that are killed.

    Args:
      paths: of the archives.
      folder: for logs.
      kills: how many processes are killed.
      rng: decides when, and which steps are saved.

    Returns:
      How many images were lost, how many were read again, and in how many epochs.
    """
    order, seen, consumed = open_archives(paths, IMAGES).order(60, seed=1), Counter[str](), 0
    for world_size in itertools.cycle(WORLDS):
        if kills <= 0:
            break
        global_batch = rng.choice(_GLOBAL_BATCHES)
        batches = _one_life(paths, folder, consumed, world_size, global_batch, rng)
        seen.update(itertools.chain.from_iterable(batches))
        consumed += len(batches) * global_batch
        kills -= world_size
    epoch = sum(_SIZES)
    rest = -consumed % epoch
    seen.update(_keys(order, consumed, Slice(), rest))
    epochs = (consumed + rest) // epoch
    lost = epochs * epoch - len(seen)
    return lost, seen.total() - len(seen), epochs


def _one_life(
    paths: Sequence[str], folder: Path, consumed: int, world_size: int, global_batch: int, rng: random.Random
) -> list[list[str]]:
    """Starts workers and kills them; returns the keys of the batches that a checkpoint would cover."""
    logs = [folder / f'{rank}.log' for rank in range(world_size)]
    shards = [Slice(rank, world_size, global_batch) for rank in range(world_size)]
    processes = [
        _FORKS.Process(target=read, args=(paths, log, consumed, shard))
        for log, shard in zip(logs, shards, strict=True)
    ]
    for log, process in zip(logs, processes, strict=True):
        log.write_bytes(b'')
        process.start()
    while not logs[0].stat().st_size and processes[0].is_alive():
        time.sleep(0.01)
    time.sleep(rng.uniform(0, _MOST_SECONDS))
    for process in processes:
        process.kill()
        process.join()
    whole = [log.read_bytes().rpartition(b'\n')[0].splitlines() for log in logs]
    steps = min(map(len, whole))
    saved = rng.randint(max(steps - 5, 0), steps)
    return [
        list(itertools.chain.from_iterable(json.loads(lines[step]) for lines in whole))
        for step in range(saved)
    ]


def read(paths: Sequence[str], log: Path, consumed: int, shard: Slice) -> None:
    """Reads the part of a worker, and logs the keys of each batch as a line of JSON."""
    order = open_archives(paths, IMAGES, say=lambda line: None).order(60, seed=1)
    keys = _keys(order, consumed, shard)
    with log.open('ab', buffering=0) as file:
        while batch := list(itertools.islice(keys, len(shard.places))):
            file.write(f'{json.dumps(batch)}\n'.encode())


def _keys(order: Order, consumed: int, shard: Slice, most: int | None = None) -> Iterator[str]:
    for member in itertools.islice(order.onwards(consumed, shard), most):
        assert member.read().data
        yield f'{member.epoch} {member.key}'


def trained_difference(folder: Path, worlds: Sequence[int]) -> float:
    """Trains with changing numbers of workers, all of which are killed before each change.

    Args:
      folder: an empty one.
      worlds: numbers of workers, one after the other.

    Returns:
      The largest absolute difference of a weight or slot from those of an undisturbed training.
    """
    from tests.support.small_runs import values_in  # imports TensorFlow, which readers do without

    files = [(f'{n % 3}/{n}.png', encoded(picture(n))) for n in range(50)]
    data = write_tar(folder / 'train.tar', files)
    flags = {'data': data, 'eval_data': data, 'max_steps': _STEPS_A_LIFE * len(worlds), **_FLAGS}
    for number, count in enumerate(worlds, 1):
        is_last = number == len(worlds)
        _train(folder / 'changing', count, flags, None if is_last else number * _STEPS_A_LIFE)
    _train(folder / 'undisturbed', 1, flags, None)
    changing, undisturbed = (values_in(folder / name / 'model') for name in ('changing', 'undisturbed'))
    assert changing.keys() == undisturbed.keys()
    assert changing['global_step'] == undisturbed['global_step']
    return max(float(np.abs(changing[name] - undisturbed[name]).max()) for name in changing)


def _train(folder: Path, workers: int, flags: dict[str, object], kill_at: int | None) -> None:
    """Trains to the end, or kills all processes once a checkpoint of a step is saved."""
    folder.mkdir(exist_ok=True)
    tasks = ['chief', *(f'worker{n}' for n in range(workers - 1))]
    given = {**flags, 'distribution': 'multi_worker'} if workers > 1 else flags
    given = {**given, 'batch_size': 12 // workers}  # the same of all workers together
    every = [f'--{name}={value}' for name, value in given.items()]
    cluster = Cluster(folder, tasks if workers > 1 else [], every)
    try:
        cluster.start(*tasks, pace=0.0 if kill_at is None else 0.1)
        if kill_at is None:
            assert set(cluster.statuses().values()) == {0}, cluster.outputs()
        else:
            cluster.wait_for(lambda: cluster.saved_step() >= kill_at)
    finally:
        cluster.close()


def archives(folder: Path) -> Iterator[list[str]]:
    """Yields the paths of plain archives, then of compressed ones."""
    data = encoded(picture(1))
    plain = [
        write_tar(folder / f'{number}.tar', [(f'a/{number}_{n}.png', data) for n in range(size)])
        for number, size in enumerate(_SIZES)
    ]
    compressed = [path.with_suffix('.tar.gz') for path in plain]
    for path, packed in zip(plain, compressed, strict=True):
        packed.write_bytes(gzip.compress(path.read_bytes()))
    yield [*map(str, plain)]
    yield [*map(str, compressed)]


if __name__ == '__main__':
    main(__doc__, measure, kills=(20, 'of readers'), trainings=(0, 'with four changes each'))
