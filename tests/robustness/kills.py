"""Prints what SIGKILLs do to trainings as users run them, beside trainings that nobody killed.

    python -m tests.robustness.kills --kills=200
    python -m tests.robustness.kills --kills=6 --models=dbn --seed=2

The models are trained with their default layers, dropout, optimizer and threads, and with --deterministic;
only the images are few and small. One half of the kills meets a plain archive, the other one that is
compressed. After each restart, whether it is killed again or comes to the end, all weights and slots of its
newest checkpoint are compared bit for bit with those that the training which was never killed had at that
step. The package has to be installed (`pip install -e '.[test]'`). Exit status 1 if anything differs.
"""

import argparse
import gzip
import hashlib
import io
import multiprocessing
import multiprocessing.context
import os
import platform
import random
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from estimator_lab.tf1 import tf
from tests.robustness import default_training

# Each training is forked from a process that has imported TensorFlow, which takes seconds and tells nothing.
_FORKS = multiprocessing.get_context('forkserver')
_FORKS.set_forkserver_preload(['estimator_lab.training.experiment'])
Process = multiprocessing.context.ForkServerProcess

MODELS = ('cnn', 'dbn', 'autoencoder')
_LABELS = 4
_IMAGES_PER_LABEL = 17  # so that epochs end within batches
_SHARE_OF_EARLY_KILLS = 0.2
_AT_ONCE = 2
_Saved = dict[tuple[str, int], str]


class Tally(NamedTuple):
    """What killing trainings came to.

    Attributes:
      kills: processes killed.
      early: of these, before they had saved anything.
      restarts: processes that went on with what a killed one had left.
      compared: of these, whose newest checkpoint was their own, and was compared.
      differ: of these, whose checkpoint was another one than that of the training which was never killed.
      unreadable: checkpoints that could not be read after a kill.
      failed: restarts that ended with an error.
    """

    kills: int = 0
    early: int = 0
    restarts: int = 0
    compared: int = 0
    differ: int = 0
    unreadable: int = 0
    failed: int = 0

    def plus(self, other: 'Tally') -> 'Tally':
        return Tally(*map(sum, zip(self, other, strict=True)))

    @property
    def failures(self) -> int:
        return self.differ + self.unreadable + self.failed

    def __str__(self) -> str:
        return (
            f'{self.kills} kills ({self.early} before anything was saved), {self.restarts} restarts, '
            f'{self.compared} compared, {self.differ} differ, {self.unreadable} unreadable checkpoints, '
            f'{self.failed} failed'
        )


def measure(count: int, seed: int, say: Callable[[str], None], models: tuple[str, ...] = MODELS) -> Tally:
    """Kills trainings `count` times, an equal share of each model on each archive."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_AT_ONCE) as pool:
        archives = _write_archives(Path(folder))
        lanes = [
            _Lane(
                model, archive, Path(folder) / f'{model}{number}', random.Random(f'{seed} {model} {number}')
            )
            for model in models
            for number, archive in enumerate(archives)
        ]
        shares = [(count + place) // len(lanes) for place in range(len(lanes))]
        total = Tally()
        for lane, tally in zip(lanes, pool.map(_Lane.kill, lanes, shares), strict=True):
            say(f'{lane.name}: {tally}; {lane.seconds:.0f} s for {lane.steps} steps when nobody kills')
            total = total.plus(tally)
        return total


class _Lane:
    """Trainings of one model on one archive.

    Attributes:
      name: of both.
      seconds: that a training takes when nobody kills it.
      steps: where it ends.
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

    def kill(self, count: int) -> Tally:
        """Trains once to the end, then again and again until `count` of the processes were killed."""
        process, started = self._start('whole', keep_all=True), time.monotonic()
        while process.is_alive() and not _saved(self._folder / 'whole'):
            time.sleep(0.01)
        self._start_up = time.monotonic() - started
        process.join()
        if process.exitcode:
            raise RuntimeError(f'{self.name}: a training that nobody killed ended with an error')
        self.seconds = time.monotonic() - started
        self._expected = _saved(self._folder / 'whole', newest_only=False)
        self.steps = max(step for _, step in self._expected)
        tally, life = Tally(), 0
        while tally.kills < count:
            life += 1
            tally = tally.plus(self._one_life(f'life{life}', count - tally.kills))
        return tally

    def _one_life(self, name: str, most: int) -> Tally:
        """Starts a training again and again, killing it at most `most` times, until it ends by itself."""
        folder, tally, seen = self._folder / name, Tally(), _Saved()
        while True:
            process, restarts = self._start(name), int(tally.kills > 0)
            if tally.kills < most:
                process.join(self._moment())
            was_killed = tally.kills < most and process.is_alive()
            if was_killed:
                process.kill()
            process.join()
            try:
                saved = _saved(folder)
            except (tf.errors.OpError, RuntimeError, ValueError):
                return tally.plus(Tally(kills=was_killed, restarts=restarts, unreadable=1))
            new = saved.items() - seen.items()
            seen = saved
            tally = tally.plus(
                Tally(
                    kills=was_killed,
                    early=was_killed and not new,
                    restarts=restarts,
                    compared=restarts and bool(new),
                    differ=any(self._expected.get(place) != digest for place, digest in new),
                    failed=not was_killed and process.exitcode != 0,
                )
            )
            if not was_killed:
                return tally

    def _moment(self) -> float:
        """Returns the seconds until a kill: within the start-up, or anywhere behind it."""
        if self._rng.random() < _SHARE_OF_EARLY_KILLS:
            return self._rng.uniform(0, self._start_up)
        return self._rng.uniform(self._start_up, self.seconds)

    def _start(self, name: str, keep_all: bool = False) -> Process:
        arguments = self._model, str(self._archive), self._folder / name, self._folder / 'cache', keep_all
        process = _FORKS.Process(target=default_training.run, args=arguments)
        process.start()
        return process


def _saved(model_dir: Path, newest_only: bool = True) -> _Saved:
    """Returns a digest of each checkpoint, of the newest ones of all phases or of all, by phase and step."""
    found = {}
    for state in sorted(model_dir.glob('**/checkpoint')):
        listed = tf.train.get_checkpoint_state(str(state.parent))
        if listed is None:
            continue
        paths = [listed.model_checkpoint_path] if newest_only else listed.all_model_checkpoint_paths
        for path in paths:
            step, digest = _digest(path)
            found[str(state.parent.relative_to(model_dir)), step] = digest
    return found


def _digest(checkpoint: str) -> tuple[int, str]:
    """Returns the global step of a checkpoint, and a digest of all that it holds."""
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
    rng = np.random.default_rng(1)
    with tarfile.open(plain, 'w') as archive:
        for label in range(_LABELS):
            for number in range(_IMAGES_PER_LABEL):
                _add_image(archive, f'n{label}/{number:02}.png', rng)
    compressed.write_bytes(gzip.compress(plain.read_bytes()))
    return plain, compressed


def _add_image(archive: tarfile.TarFile, name: str, rng: np.random.Generator) -> None:
    buffer = io.BytesIO()
    side = default_training.IMAGE_SIZE
    Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8)).save(buffer, 'PNG')
    info = tarfile.TarInfo(name)
    info.size = len(buffer.getvalue())
    archive.addfile(info, io.BytesIO(buffer.getvalue()))


def main() -> int:
    """Runs the benchmark as the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--kills', type=int, default=200, help='in all')
    parser.add_argument('--models', default=','.join(MODELS), help=f'of {", ".join(MODELS)}')
    parser.add_argument('--seed', type=int, default=1)
    given = parser.parse_args()
    versions = f'TensorFlow {tf.__version__}, Python {platform.python_version()}'
    print(f'{versions}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}')
    started = time.monotonic()
    tally = measure(
        given.kills, given.seed, lambda line: print(line, flush=True), tuple(given.models.split(','))
    )
    print(f'in all: {tally}; {time.monotonic() - started:.0f} s')
    return 1 if tally.failures else 0


if __name__ == '__main__':
    raise SystemExit(main())
