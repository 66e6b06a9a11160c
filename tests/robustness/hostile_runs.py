"""Hostile files in a model_dir: record, list of checkpoints, event files, list of bad images."""

import json
import random
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from estimator_lab.core.model import Task
from estimator_lab.data.bad_examples import BadExamples, BadList, InputReport
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.runs.model import open_trained
from estimator_lab.runs.safe_paths import check_safe_paths
from estimator_lab.tf1 import tf
from estimator_lab.training.evaluations import Evaluations
from estimator_lab.training.plan import make_plan
from estimator_lab.training.settings import Settings
from estimator_lab.training.train import train
from tests.robustness.mutation import mutate, mutate_json
from tests.support.archive_files import encoded, write_tar

_RECORD, _STATE = 'experiment.json', 'checkpoint'
_NO_CHECKPOINTS = ('', '.', '*', '?', 'model.ckpt-[0-9]', 'model.ckpt-4', 'x' * 5000)


class Case:
    """One kind of file: `prepare` is called once, `spoil` and `use` for each mutation.

    Args:
      folder: for the files of this kind; everything in it may change.
      outside: a folder that must not change.
      rng: random numbers.
    """

    def __init__(self, folder: Path, outside: Path, rng: random.Random) -> None:
        self.folder, self.outside, self.rng = folder, outside, rng
        folders = (str(outside), '../outside', '../../outside', 'link')
        files = ('precious', 'model.ckpt-3')
        self.strange = [f'{place}/{name}' for place in folders for name in files] + [
            str(outside),
            '../outside',
        ]
        self.prepare()

    def prepare(self) -> None:
        """Makes an intact file."""

    def spoil(self) -> None:
        """Writes a broken file."""

    def use(self) -> None:
        """Uses it as a command does; raises a LabError or nothing."""

    def text(self, value: Any) -> bytes:
        """Returns the broken JSON of a value."""
        if self.rng.random() < 0.3:
            return mutate(json.dumps(value).encode(), self.rng)
        return mutate_json(value, self.rng, self.strange).encode('utf-8', 'surrogatepass')


def quiet(line: str) -> None:
    """Shows nothing."""


class ModelCase(Case):
    """A model_dir."""

    def prepare(self) -> None:
        self.model_dir = self.folder / 'model'
        _train(self.model_dir, self.folder)
        (self.model_dir / 'link').symlink_to(self.outside)
        self.record = json.loads((self.model_dir / _RECORD).read_text())
        self.files = {path.name for path in self.model_dir.glob('model.ckpt-*')}

    def open(self) -> Any:
        """Opens it as commands do."""

        return open_trained(self.model_dir)


class RecordCase(ModelCase):
    """Its experiment.json: the folder is opened, or training resumes in it."""

    def spoil(self) -> None:
        (self.model_dir / _RECORD).write_bytes(self.text(self.record))

    def use(self) -> None:
        if self.rng.random() < 0.5:
            trained = self.open()
            str(trained.vocabulary), str(trained.reader), str(vars(trained.params))
        else:
            self._resume()

    def _resume(self) -> None:
        more = {'max_steps': None, 'epochs': self.rng.choice([0.5, 4, 99])}
        changes = {'batch_size': self.rng.choice([4, 6]), 'resume_changed': self.rng.random() < 0.5}
        settings = replace(_settings(self.model_dir, self.folder), **more, **changes)
        plan = make_plan(settings, quiet)
        (phase,) = plan.phases
        if phase.last_step < phase.first_step:
            raise RuntimeError(f'training ends at step {phase.last_step}')
        if not phase.was_finished:
            order = phase.inputs.train.order(shuffle_buffer=9, seed=1)
            next(order.onwards(phase.resumption.position))


class StateCase(ModelCase):
    """Its list of checkpoints: what is accepted is deleted, as a training run deletes old checkpoints."""

    def spoil(self) -> None:
        names = ['model.ckpt-3'] * 3
        for place in range(len(names)):
            if self.rng.random() < 0.3:
                names[place] = self.rng.choice([*self.strange, *_NO_CHECKPOINTS])
        text = f'model_checkpoint_path: {json.dumps(names[0])}\n'
        text += ''.join(f'all_model_checkpoint_paths: {json.dumps(name)}\n' for name in names[1:])
        data = text.encode()
        (self.model_dir / _STATE).write_bytes(mutate(data, self.rng) if self.rng.random() < 0.5 else data)

    def use(self) -> None:
        check_safe_paths(self.model_dir)
        state = tf.train.get_checkpoint_state(str(self.model_dir))
        kept = {name: (self.model_dir / name).read_bytes() for name in self.files}
        for path in state.all_model_checkpoint_paths if state else ():
            tf.train.remove_checkpoint(path)
        for name, data in kept.items():
            (self.model_dir / name).write_bytes(data)
        self.open()


class EventsCase(Case):
    """The event files of its evaluations: only values that were written are read.

    Some files are forged, with valid checksums; those must do no harm.
    """

    def prepare(self) -> None:
        self.right = {10 * n: float(np.float32(self.rng.random())) for n in range(1, 9)}
        self.place = self.folder / 'eval'
        with tf.Graph().as_default(), tf.summary.FileWriter(str(self.place)) as writer:
            for step, value in self.right.items():
                values = [tf.Summary.Value(tag=tag, simple_value=value) for tag in ('loss', 'accuracy')]
                writer.add_summary(tf.Summary(value=values), step)
        (self.path,) = self.place.iterdir()
        self.whole = self.path.read_bytes()

    def spoil(self) -> None:
        self.is_lie = self.rng.random() < 0.5
        data = self.whole
        if self.is_lie:
            event = mutate(data[-60:], self.rng)
            data += framed(event, self.rng.choice([len(event), 2**31, 2**62, 2**64 - 1]))
        if not self.is_lie or self.rng.random() < 0.5:
            data = mutate(data, self.rng)
        self.path.write_bytes(data)

    def use(self) -> None:
        said: list[str] = []
        evaluations = Evaluations(self.folder, Task(), InputReport(IMAGES), 1, said.append)
        found = evaluations.by_step
        str(evaluations.best_step), str(evaluations.are_enough)
        if not self.is_lie and not found.items() <= self.right.items():
            raise RuntimeError(f'values that were not written: {found}')
        if len(said) > 1 or not all(line.isprintable() for line in said):
            raise RuntimeError(f'no sentence: {said}')


class BadListCase(Case):
    """Its list of bad images: intact rows stay, and the file is valid again."""

    def prepare(self) -> None:
        self.path = self.folder / 'bad_members.csv'
        names = [f'n{n}/{"é," * (n % 3)}{n}.jpg' for n in range(12)]
        self.members = [Member('a.tar', name, 512 * n, b'') for n, name in enumerate(names)]
        self._count(self.members)
        self.whole = self.path.read_bytes()

    def _count(self, members: list[Member]) -> None:
        report = InputReport(
            IMAGES, quiet, bad_examples=BadExamples(IMAGES, listed=BadList(self.path, 'images', quiet))
        )
        for member in members:
            report.count(member, BadExampleError('broken'))

    def spoil(self) -> None:
        data = mutate(self.whole, self.rng)
        if self.rng.random() < 0.3:
            place = self.rng.randrange(len(data) + 1)
            wild = self.rng.choice([b'"', b'\0', b'\r', b'\n', b'y' * 200_000, b'\xff', b'a.tar,n1/1.jpg,5'])
            data = data[:place] + wild + data[place:]
        self.path.write_bytes(data)
        self.kept = set(data.split(b'\n')) & set(self.whole.split(b'\n')) - {b''}
        if not data.endswith(b'\n'):
            self.kept.discard(data.rpartition(b'\n')[2])

    def use(self) -> None:
        self._count(self.members)
        data = self.path.read_bytes()
        if not self.kept <= set(data.split(b'\n')):
            raise RuntimeError('an intact row is gone')


def framed(data: bytes, length: int) -> bytes:
    """Returns a record of an event file that claims to have `length` bytes, with valid checksums."""
    head = struct.pack('<Q', length)
    return head + struct.pack('<I', masked_crc32c(head)) + data + struct.pack('<I', masked_crc32c(data))


def _train(model_dir: Path, folder: Path) -> None:
    """Trains the smallest of models for three steps on noise."""
    rng = np.random.default_rng(1)
    noise = [Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)) for _ in range(12)]
    write_tar(folder / 'train.tar', ((f'n{n % 3}/{n}.png', encoded(one)) for n, one in enumerate(noise)))
    train(make_plan(_settings(model_dir, folder), quiet))


def _settings(model_dir: Path, folder: Path) -> Any:

    return Settings(
        model='cnn',
        data=[str(folder / 'train.tar')],
        model_dir=model_dir,
        batch_size=6,
        max_steps=3,
        image_size=8,
        hparams='filters=2,dense_units=8',
    )
