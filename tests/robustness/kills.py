"""Kills trainings by SIGKILL, as users run them, and compares them with uninterrupted ones.

    python -m tests.robustness.kills --kills=200
    python -m tests.robustness.kills --kills=6 --models=dbn --seed=2

The models have their default layers, dropout, optimizer and threads, and train with --deterministic; only the
images are few and small. Half of the kills interrupt training on a plain archive, half on a compressed one.
After each restart, whether it is killed again or finishes, all weights and slots of its newest checkpoint are
compared bit for bit with those of the uninterrupted training at that step. Exit status 1 if anything differs.
"""

import argparse
import gzip
import hashlib
import itertools
import multiprocessing
import multiprocessing.context
import os
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from estimator_lab.tf1 import tf
from estimator_lab.training.plan import make_plan
from estimator_lab.training.settings import Settings
from estimator_lab.training.train import train
from tests.robustness.driver import main
from tests.support.archive_files import encoded, write_tar

# Each training is forked from a process that has imported TensorFlow, which would take seconds.
FORKS = multiprocessing.get_context('forkserver')
FORKS.set_forkserver_preload(['estimator_lab.training.plan'])
Process = multiprocessing.context.ForkServerProcess

MODELS = ('cnn', 'dbn', 'autoencoder')
_LABELS = 4
_IMAGES_PER_LABEL = 17  # so that epochs end within batches
_SIDE = 16
_SHARE_OF_EARLY_KILLS = 0.2
_AT_ONCE = 2
_Saved = dict[tuple[str, int], str]


# A restart resumes what a killed process has left; it is compared if it has a checkpoint of its own.
_FAILURES = ('differ', 'unreadable checkpoints', 'failed')
_COUNTS = ('kills', 'kills before anything was saved', 'restarts', 'compared', *_FAILURES)


def run(model: str, archive: str, model_dir: Path, cache: Path, keep_all: bool) -> None:
    """Trains with a model's defaults and --deterministic, up to the last step.

    Args:
      model: value of --model.
      archive: to train on.
      model_dir: of the training; what is there is resumed.
      cache: the user's cache folder.
      keep_all: whether all checkpoints are kept, to compare others with them.
    """
    os.environ['XDG_CACHE_HOME'] = str(cache)
    sys.stdout = open(os.devnull, 'w', encoding='utf-8')  # noqa: PTH123, SIM115 - the steps of a slow training
    settings = Settings(
        model=model,
        data=[archive],
        model_dir=model_dir,
        image_size=_SIDE,
        deterministic=True,
        keep_checkpoints=10_000 if keep_all else 2,
    )
    train(make_plan(settings, say=lambda line: None))


def measure(given: argparse.Namespace) -> int:
    """Kills trainings, an equal share of each model on each archive; returns the failures."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_AT_ONCE) as pool:
        archives = _write_archives(Path(folder))
        lanes = [
            _Lane(model, archive, Path(folder) / f'{model}{n}', random.Random(f'{given.seed} {model} {n}'))
            for model in given.models.split(',')
            for n, archive in enumerate(archives)
        ]
        shares = [(given.kills + place) // len(lanes) for place in range(len(lanes))]
        total: Counter[str] = Counter()
        for lane, tally in zip(lanes, pool.map(_Lane.kill, lanes, shares), strict=True):
            uninterrupted = f'{lane.seconds:.0f} s for {lane.steps} steps uninterrupted'
            print(f'{lane.name}: {_shown(tally)}; {uninterrupted}', flush=True)
            total += tally
    print(f'in all: {_shown(total)}')
    return sum(total[name] for name in _FAILURES)


def _shown(tally: Counter[str]) -> str:
    return ', '.join(f'{tally[name]} {name}' for name in _COUNTS)


class _Lane:
    """Trainings of one model on one archive.

    Attributes:
      name: of both.
      seconds: of an uninterrupted training.
      steps: of a training.
    """

    def __init__(self, model: str, archive: Path, folder: Path, rng: random.Random) -> None:
        self.name = f'{model} on {archive.name}'
        self.seconds = 0.0
        self.steps = 0
        self._model = model
        self._archive = archive
        self._folder = folder
        self._rng = rng
        folder.mkdir()

    def kill(self, count: int) -> Counter[str]:
        """Trains once to the end, then again and again until `count` processes were killed."""
        process, started = self._start('whole', keep_all=True), time.monotonic()
        while process.is_alive() and not _saved(self._folder / 'whole'):
            time.sleep(0.01)
        self._start_up = time.monotonic() - started
        process.join()
        if process.exitcode:
            raise RuntimeError(f'{self.name}: the uninterrupted training failed')
        self.seconds = time.monotonic() - started
        self._expected = _saved(self._folder / 'whole', newest_only=False)
        self.steps = max(step for _, step in self._expected)
        tally: Counter[str] = Counter()
        for life in itertools.count():
            if tally['kills'] >= count:
                break
            tally += self._one_life(f'life{life}', count - tally['kills'])
        return tally

    def _one_life(self, name: str, most: int) -> Counter[str]:
        """Restarts a training, killing it at most `most` times, until it finishes."""
        tally: Counter[str] = Counter()
        seen: _Saved = {}
        while True:
            process, is_restart = self._start(name), tally['kills'] > 0
            if tally['kills'] < most:
                process.join(self._moment())
            was_killed = tally['kills'] < most and process.is_alive()
            if was_killed:
                process.kill()
            process.join()
            tally.update({'kills': was_killed, 'restarts': is_restart})
            try:
                saved = _saved(self._folder / name)
            except (tf.errors.OpError, RuntimeError, ValueError):
                tally['unreadable checkpoints'] += 1
                return tally
            new = saved.items() - seen.items()
            seen = saved
            tally.update(
                {
                    'kills before anything was saved': was_killed and not new,
                    'compared': is_restart and bool(new),
                    'differ': any(self._expected.get(place) != digest for place, digest in new),
                    'failed': not was_killed and process.exitcode != 0,
                }
            )
            if not was_killed:
                return tally

    def _moment(self) -> float:
        """Returns the seconds until a kill: during the start-up, or any time after it."""
        if self._rng.random() < _SHARE_OF_EARLY_KILLS:
            return self._rng.uniform(0, self._start_up)
        return self._rng.uniform(self._start_up, self.seconds)

    def _start(self, name: str, keep_all: bool = False) -> Process:
        arguments = self._model, str(self._archive), self._folder / name, self._folder / 'cache', keep_all
        process = FORKS.Process(target=run, args=arguments)
        process.start()
        return process


def _saved(model_dir: Path, newest_only: bool = True) -> _Saved:
    """Returns a digest of the newest checkpoint of each phase, or of all checkpoints, by phase and step."""
    found = {}
    for state in sorted(model_dir.glob('**/checkpoint')):
        if state.parent.name == 'eval':  # vectors of the projector
            continue
        listed = tf.train.get_checkpoint_state(str(state.parent))
        if listed is None:
            continue
        paths = [listed.model_checkpoint_path] if newest_only else listed.all_model_checkpoint_paths
        for path in paths:
            step, digest = _digest(path)
            found[str(state.parent.relative_to(model_dir)), step] = digest
    return found


def _digest(checkpoint: str) -> tuple[int, str]:
    """Returns the global step of a checkpoint, and a digest of its variables."""
    reader = tf.train.load_checkpoint(checkpoint)
    digest = hashlib.sha256()
    for name in sorted(reader.get_variable_to_shape_map()):
        value = reader.get_tensor(name)
        digest.update(f'{name} {value.dtype} {value.shape} '.encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return int(reader.get_tensor('global_step')), digest.hexdigest()


def _write_archives(folder: Path) -> tuple[Path, Path]:
    """Writes the same images, in label order, as a plain and as a compressed archive."""
    plain, compressed = folder / 'train.tar', folder / 'train.tar.gz'
    names = [f'n{label}/{n:02}.png' for label in range(_LABELS) for n in range(_IMAGES_PER_LABEL)]
    pixels = np.random.default_rng(1).integers(0, 256, (len(names), _SIDE, _SIDE), dtype=np.uint8)
    write_tar(plain, zip(names, (encoded(Image.fromarray(one)) for one in pixels), strict=True))
    compressed.write_bytes(gzip.compress(plain.read_bytes()))
    return plain, compressed


if __name__ == '__main__':
    main(__doc__, measure, kills=(200, 'in all'), models=(','.join(MODELS), 'some of these'))
