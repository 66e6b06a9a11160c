"""Opens and uses a model while a training saves, and deletes, its checkpoints as fast as it can.

    python -m tests.robustness.saving --times=20

First, a process replaces the only checkpoint of a folder by a copy with a later number, many times a second;
then, a real training saves after each step and keeps one checkpoint. Next to each, every verb runs that many
times, each time on a newly opened folder. Exit status 1 if one fails.
"""

import argparse
import contextlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from estimator_lab import api
from estimator_lab.runs.safe_paths import newest_checkpoint
from tests.robustness.driver import Tally, main
from tests.support.archive_files import small_archive
from tests.support.small_runs import cnn_settings, trained

_IMAGE = np.zeros((8, 8, 1), np.uint8)
_SPAWN = multiprocessing.get_context('spawn')
VERBS: dict[str, Callable[[api.Run, str], object]] = {
    'evaluate': lambda run, archive: run.evaluate(archive),
    'predict': lambda run, archive: list(run.predict(archive)),
    'inspect': lambda run, archive: run.inspect(_IMAGE),
    'export': lambda run, archive: run.export(Path(archive).parent / 'exported'),
    'report': lambda run, archive: run.report(Path(archive).parent / 'page.html', data=archive),
    'dream': lambda run, archive: run.dream(layer='conv1', steps=1),
}


def save_for_ever(folder: Path, number: int) -> None:
    """Does what a training does to its files: writes the next checkpoint, lists it, deletes the last one."""
    while True:
        last, number = f'model.ckpt-{number}', number + 1
        parts = [path for path in folder.glob(f'{last}.*') if path.suffix != '.meta']
        for path in parts:
            shutil.copyfile(path, path.with_name(path.name.replace(last, f'model.ckpt-{number}')))
        listed = folder / 'checkpoint.new'
        listed.write_text(f'model_checkpoint_path: "model.ckpt-{number}"\n')
        listed.replace(folder / 'checkpoint')
        for path in parts:
            path.unlink()


@contextlib.contextmanager
def copies(folder: Path) -> Iterator[Callable[[], int]]:
    """Replaces the newest checkpoint while the block runs; yields a function that returns its number."""
    writer = _SPAWN.Process(target=save_for_ever, args=(folder, _number(folder)), daemon=True)
    writer.start()
    try:
        yield lambda: _number(folder)
    finally:
        writer.kill()
        writer.join()


@contextlib.contextmanager
def training(folder: Path) -> Iterator[Callable[[], int]]:
    """Trains on while the block runs, saving after each step; yields as `copies` does."""
    words = (
        f'--model=cnn --data={folder.parent / "train.tar"} --model_dir={folder} --batch_size=6 '
        '--image_size=8 --hparams=filters=2,dense_units=8 --max_steps=1000000 --save_checkpoints_steps=1 '
        '--keep_checkpoints=1 --eval_steps=1 --resume_changed'
    )
    command = [sys.executable, '-m', 'estimator_lab.train', *words.split()]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield lambda: _number(folder)
        assert process.poll() is None, 'the training has ended'
    finally:
        process.kill()
        process.wait()


def _number(folder: Path) -> int:
    return int(newest_checkpoint(folder).rpartition('-')[2])


def walk(folder: Path, saver: Callable[..., contextlib.AbstractContextManager], times: int) -> Tally:
    """Runs every verb some times next to a saver; returns the tally of the failures."""
    tally = Tally()
    archive = small_archive(folder)
    model_dir = folder / 'model'
    trained(cnn_settings(archive, model_dir))
    with saver(model_dir) as number:
        first = number()
        while number() == first:  # a process takes seconds to start
            time.sleep(0.01)
        first = number()
        for verb, use in VERBS.items():
            for _ in range(times):
                with tally.case(verb):
                    use(api.load(model_dir), str(archive))
                    tally.counts[verb] += 1
        tally.counts['checkpoints meanwhile'] = number() - first
    return tally


def measure(given: argparse.Namespace) -> int:
    """Walks next to both savers; returns the failures."""
    failures = 0
    for saver in (copies, training):
        with tempfile.TemporaryDirectory() as folder:
            os.environ['XDG_CACHE_HOME'] = f'{folder}/cache'
            failures += walk(Path(folder), saver, given.times).report(f'next to {saver.__name__}')
    return failures


if __name__ == '__main__':
    main(__doc__, measure, times=(20, 'uses of each verb'))
