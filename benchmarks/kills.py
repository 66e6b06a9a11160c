"""SIGKILLs at random moments of short trainings, each followed by a restart, against uninterrupted ones."""

import gzip
import io
import json
import multiprocessing
import multiprocessing.context
import random
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import logged_training
import numpy as np
from PIL import Image

from estimator_lab.tf1 import tf

# Each training is forked from a process that has imported TensorFlow, which takes seconds and tells nothing.
_FORKS = multiprocessing.get_context('forkserver')
_FORKS.set_forkserver_preload(['estimator_lab.training.experiment'])
Process = multiprocessing.context.ForkServerProcess

_LABELS = 4
_IMAGES_PER_LABEL = 17  # so that epochs end within batches
_SHARE_OF_EARLY_KILLS = 0.2
_MOST_STEPS_BEFORE_KILL = 12
_Logged = list[tuple[int, list[str]]]


class Tally(NamedTuple):
    """What killing a training came to.

    Attributes:
      lives: runs that were killed until they ended, and compared with the uninterrupted one.
      kills: processes killed.
      early: of these, before their first step.
      lost: keys that the uninterrupted run saw and the killed one did not.
      repeated: keys that it saw once more than the uninterrupted one.
      misplaced: steps, started ones too, that saw other keys than the same step of the uninterrupted run.
      unreadable: checkpoints that could not be read after a kill.
      different_weights: runs whose final weights were not the uninterrupted run's, bit for bit.
    """

    lives: int = 0
    kills: int = 0
    early: int = 0
    lost: int = 0
    repeated: int = 0
    misplaced: int = 0
    unreadable: int = 0
    different_weights: int = 0

    def plus(self, other: 'Tally') -> 'Tally':
        return Tally(*map(sum, zip(self, other, strict=True)))

    @property
    def failures(self) -> int:
        return self.lost + self.repeated + self.misplaced + self.unreadable + self.different_weights


def measure(count: int, seed: int, say: Callable[[str], None]) -> Tally:
    """Kills trainings `count` times: one half by random access, the other from a compressed stream."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        archives = _write_archives(Path(folder))
        lanes = [
            _Lane(archive, Path(folder) / f'lane{number}', random.Random(f'{seed} {number}'), say)
            for number, archive in enumerate(archives)
        ]
        shares = [count - count // 2, count // 2]
        first, second = pool.map(lambda lane, share: lane.kill(share), lanes, shares)
        return first.plus(second)


class _Lane:
    """Trainings on one archive."""

    def __init__(self, archive: Path, folder: Path, rng: random.Random, say: Callable[[str], None]) -> None:
        self._archive = archive
        self._folder = folder
        self._rng = rng
        self._say = say
        folder.mkdir()

    def kill(self, count: int) -> Tally:
        """Trains once to the end, then again and again until `count` of the processes were killed."""
        self._finish(self._start('warm-up'))  # imports TensorFlow for all that follow
        process, started = self._start('whole'), time.monotonic()
        self._wait_for_line(process, 'whole', 1)
        start_up = time.monotonic() - started
        self._finish(process)
        expected = dict(_read_log(self._folder / 'whole.log'))
        weights = _weights(self._folder / 'whole')
        self._say(
            f'{self._archive.name}: {time.monotonic() - started:.1f} s for {len(expected)} steps when nobody '
            f'interrupts, {start_up:.1f} s of them start-up'
        )
        tally = Tally()
        while tally.kills < count:
            name = f'life{tally.lives}'
            tally = tally.plus(self._one_life(name, count - tally.kills, start_up))
            tally = tally.plus(_compare(_read_log(self._folder / f'{name}.log'), expected))
            differs = not _same(_weights(self._folder / name), weights)
            tally = tally._replace(different_weights=tally.different_weights + differs)
            self._say(f'{self._archive.name}: {tally}')
        return tally

    def _one_life(self, name: str, most: int, start_up: float) -> Tally:
        """Starts a training again and again, killing it at most `most` times, until it ends by itself."""
        kills = early = unreadable = 0
        while True:
            lines = self._lines(name)
            process = self._start(name)
            if kills < most:
                self._wait_for_a_moment(process, name, start_up)
            if kills == most or not process.is_alive():
                self._finish(process)
                return Tally(lives=1, kills=kills, early=early, unreadable=unreadable)
            process.kill()
            process.join()
            kills += 1
            early += self._lines(name) == lines
            unreadable += not _is_readable(self._folder / name)

    def _wait_for_a_moment(self, process: Process, name: str, start_up: float) -> None:
        """Waits until a random moment of the start-up, or of the steps and evaluations behind it."""
        if self._rng.random() < _SHARE_OF_EARLY_KILLS:
            time.sleep(self._rng.uniform(0, start_up))
            return
        steps = self._rng.randint(1, _MOST_STEPS_BEFORE_KILL)
        self._wait_for_line(process, name, self._lines(name) + steps)
        time.sleep(self._rng.uniform(0, 0.5))

    def _wait_for_line(self, process: Process, name: str, line: int) -> None:
        while process.is_alive() and self._lines(name) < line:
            time.sleep(0.01)

    def _lines(self, name: str) -> int:
        path = self._folder / f'{name}.log'
        return path.read_bytes().count(b'\n') if path.exists() else 0

    def _start(self, name: str) -> Process:
        folder = self._folder
        arguments = str(self._archive), folder / name, folder / f'{name}.log', folder / 'cache'
        process = _FORKS.Process(target=logged_training.run, args=arguments)
        process.start()
        return process

    def _finish(self, process: Process) -> None:
        process.join()
        if process.exitcode:
            raise RuntimeError(f'a training ended with exit status {process.exitcode}')


def _compare(logged: _Logged, expected: dict[int, list[str]]) -> Tally:
    misplaced = sum(keys != expected.get(step) for step, keys in logged)
    final = dict(logged)  # of a step that ran twice, what the second run saw: the first one was undone
    seen = Counter(key for keys in final.values() for key in keys)
    wanted = Counter(key for keys in expected.values() for key in keys)
    return Tally(lost=(wanted - seen).total(), repeated=(seen - wanted).total(), misplaced=misplaced)


def _read_log(path: Path) -> _Logged:
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()]


def _is_readable(model_dir: Path) -> bool:
    """Whether the newest checkpoint can be read, every variable of it; none at all is fine."""
    try:
        _weights(model_dir)
    except (tf.errors.OpError, RuntimeError, ValueError):
        return False
    return True


def _weights(model_dir: Path) -> dict[str, np.ndarray]:
    checkpoint = tf.train.latest_checkpoint(str(model_dir))
    if not checkpoint:
        return {}
    reader = tf.train.load_checkpoint(checkpoint)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def _same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


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
    Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(buffer, 'PNG')
    info = tarfile.TarInfo(name)
    info.size = len(buffer.getvalue())
    archive.addfile(info, io.BytesIO(buffer.getvalue()))
