"""Random histories of data sets in PyTorch's loaders, some of them under torchrun, that are killed and go on.

    python -m tests.robustness.loaders --histories=20 --kills=10

A history is a few lives of a program, each with a number of ranks, a batch size, workers of a kind, and a
DataLoader or a StatefulDataLoader. The lives of half of the histories are processes that `torchrun` starts,
which are killed at a random moment by SIGKILL; the others end where they are left. Each life goes on from the
last state that was saved. Every image must be read exactly once an epoch. Exit status 1 if one is not. It
needs PyTorch and torchdata.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from estimator_lab.api import dataset
from tests.robustness.driver import Tally, main
from tests.support.archive_files import tar_bytes
from tests.support.places import ROOT

_EPOCHS = 3
_METHODS = 'fork', 'spawn', 'forkserver'


class Life(NamedTuple):
    """How a program reads.

    Attributes:
      ranks: processes that share the data.
      batch_size: of each.
      workers: of each rank's loader.
      method: how they are started.
      persistent: whether they stay for the next epoch.
      is_stateful: whether the loader is torchdata's.
    """

    ranks: int
    batch_size: int
    workers: int
    method: str
    persistent: bool
    is_stateful: bool


def read(paths: Sequence[str], life: Life, rank: int, consumed: int) -> Iterator[tuple[int, list[str]]]:
    """Yields the keys of each batch of a rank up to the end, and the place in the order after it."""
    from torch.utils.data import DataLoader
    from torchdata.stateful_dataloader import StatefulDataLoader

    images = dataset(paths)
    order = images.order(life.batch_size, rank=rank, world_size=life.ranks)
    order.load_state_dict(order.state_at(consumed))
    workers = {'multiprocessing_context': life.method, 'persistent_workers': life.persistent}
    loader = (StatefulDataLoader if life.is_stateful else DataLoader)(
        images,
        batch_sampler=order,
        collate_fn=images.collate,
        num_workers=life.workers,
        **(workers if life.workers else {}),
    )
    while consumed < _EPOCHS * len(images):
        end = (consumed // len(images) + 1) * len(images)
        for batch in loader:
            consumed = min(consumed + life.ranks * life.batch_size, end)
            yield consumed, batch.keys
        assert consumed == end


def run_rank(paths: Sequence[str], life: Life, folder: Path) -> None:
    """Reads as a rank under torchrun; saves the state of a step once all ranks have logged their batches."""
    import torch.distributed as cluster

    cluster.init_process_group('gloo')
    rank, state = cluster.get_rank(), folder / 'state.json'
    consumed = json.loads(state.read_text()) if state.exists() else 0
    with (folder / f'{time.time_ns()}-{rank}.log').open('a') as log:
        for place, keys in read(paths, life, rank, consumed):
            log.write(f'{json.dumps([place, keys])}\n')
            log.flush()
            cluster.barrier()
            if rank == 0:
                state.with_suffix('.partial').write_text(json.dumps(place))
                state.with_suffix('.partial').replace(state)
            cluster.barrier()
    cluster.destroy_process_group()


def torchrun(paths: Sequence[str], life: Life, folder: Path, seconds: float | None) -> bool:
    """Starts the ranks of a life, and kills them after some seconds; returns whether they were killed."""
    words = json.dumps([list(paths), life, str(folder)])
    command = [
        sys.executable,
        '-m',
        'torch.distributed.run',
        '--standalone',
        f'--nproc-per-node={life.ranks}',
    ]
    process = subprocess.Popen(
        [*command, '-m', 'tests.robustness.loaders', '--life', words],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    until, begun = time.monotonic() + 300, set(folder.glob('*.log'))
    while process.poll() is None and set(folder.glob('*.log')) == begun and time.monotonic() < until:
        time.sleep(0.01)
    with contextlib.suppress(subprocess.TimeoutExpired):
        if process.wait(seconds or 300):
            raise AssertionError(f'torchrun ended with status {process.returncode}')
        return False
    for path in Path('/proc').glob('[0-9]*'):  # all ranks and workers: each has a session of torchrun's
        with contextlib.suppress(OSError):
            if f'{folder}' in (path / 'cmdline').read_text():
                os.kill(int(path.name), signal.SIGKILL)
    process.wait()
    return True


def committed(folder: Path, before: int) -> tuple[Counter[str], int]:
    """Returns the keys of the batches since a place that the saved state covers, and that state."""
    state = folder / 'state.json'
    place = json.loads(state.read_text()) if state.exists() else 0
    seen = Counter[str]()
    for log in folder.glob('*.log'):
        lines = [json.loads(line) for line in log.read_text().split('\n')[:-1]]
        seen.update(key for after, keys in lines if before < after <= place for key in keys)
        log.unlink()
    return seen, place


def history(folder: Path, rng: random.Random, kills: int) -> int:
    """Runs a history, and returns its kills; raises AssertionError if an image is lost or repeated."""
    paths, total = [], 0
    for number in range(rng.randrange(1, 4)):
        size = rng.randrange(5, 60)
        files = {f'{n % 3}/{number}_{n:02}.jpg': b'%d' % n for n in range(size)}
        (folder / f'{number}.tar').write_bytes(tar_bytes(files))
        paths.append(str(folder / f'{number}.tar'))
        total += size
    seen, place, killed = Counter[str](), 0, 0
    while place < _EPOCHS * total:
        life = Life(
            rng.randrange(2, 5) if kills else rng.randrange(1, 5),
            rng.choice([1, 2, 3, 5]),
            rng.randrange(0, 3),
            rng.choice(_METHODS),
            rng.random() < 0.5,
            rng.random() < 0.5,
        )
        if kills:
            is_last = killed == kills
            killed += torchrun(paths, life, folder, None if is_last else rng.uniform(0, 0.5))
            found, place = committed(folder, place)
            seen += found
        else:
            seen_here, place = _left(paths, life, place, rng.randrange(0, 20))
            seen += seen_here
    assert set(seen.values()) == {_EPOCHS}, f'images by how often they were read: {Counter(seen.values())}'
    assert len(seen) == total
    return killed


def _left(paths: Sequence[str], life: Life, place: int, steps: int) -> tuple[Counter[str], int]:
    """Reads some steps of each rank; returns the keys, and the place after them."""
    seen, after = Counter[str](), place
    for rank in range(life.ranks):
        after = place
        reader = read(paths, life, rank, place)
        for _, (at, keys) in zip(range(steps), reader, strict=False):
            after = at
            seen.update(keys)
        reader.close()
    return seen, after


def measure(given: argparse.Namespace) -> int:
    """Runs the histories; returns 1 if one fails."""
    if given.life:
        paths, life, folder = json.loads(given.life)
        run_rank(paths, Life(*life), Path(folder))
        return 0
    tally, rng = Tally(), random.Random(given.seed)
    for number in range(given.histories):
        kills = 2 if tally.counts['kills'] < given.kills and number % 2 == 0 else 0
        with tempfile.TemporaryDirectory() as folder:
            try:
                tally.counts['kills'] += history(Path(folder), rng, kills)
            except AssertionError as error:
                tally.problems.append(f'history {number}: {error}')
        tally.counts['histories'] += 1
        print(f'history {number}: {dict(tally.counts)}', flush=True)
    return tally.report('in all')


if __name__ == '__main__':
    main(
        __doc__,
        measure,
        histories=(20, 'how many there are'),
        kills=(10, 'of programs under torchrun, at least'),
        life=('', 'of a rank, as JSON'),
    )
