"""Hostile files in the folder of a run: record, list of checkpoints, event files, list of bad images."""

import csv
import io
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from estimator_lab.data.member import BadExampleError, Member
from estimator_lab.data.pipeline.bad_list import BadList
from estimator_lab.data.pipeline.report import InputReport
from tests.robustness.hostile_case import Case, quiet, write_tar
from tests.robustness.mutation import mutate

_RECORD, _STATE = 'experiment.json', 'checkpoint'
_NO_CHECKPOINTS = ('', '.', '*', '?', 'model.ckpt-[0-9]', 'model.ckpt-4', 'x' * 5000)


class ModelCase(Case):
    """A model_dir."""

    def prepare(self) -> None:
        self.model_dir = self.folder / 'model'
        _train(self.model_dir, self.folder)
        (self.model_dir / 'link').symlink_to(self.beside)
        self.record = json.loads((self.model_dir / _RECORD).read_text())
        self.files = {path.name for path in self.model_dir.glob('model.ckpt-*')}

    def open(self) -> Any:
        """Opens it as all commands do."""
        from estimator_lab.runs.model import open_trained

        return open_trained(self.model_dir)


class RecordCase(ModelCase):
    """Its experiment.json: the folder is opened, or training goes on in it."""

    def spoil(self) -> None:
        (self.model_dir / _RECORD).write_bytes(self.text(self.record))

    def use(self) -> None:
        if self.rng.random() < 0.5:
            trained = self.open()
            str(trained.vocabulary), str(trained.reader), str(trained.estimator_params)
        else:
            self._resume()

    def _resume(self) -> None:
        from estimator_lab.training.experiment import Experiment

        more = {'max_steps': None, 'epochs': self.rng.choice([0.5, 4, 99])}
        changes = {'batch_size': self.rng.choice([4, 6]), 'resume_changed': self.rng.random() < 0.5}
        settings = replace(_settings(self.model_dir, self.folder), **more, **changes)
        experiment = Experiment(settings, quiet)
        plan = experiment.trainer.plan
        if experiment.max_steps < plan.first_step:
            raise RuntimeError(f'training ends at step {experiment.max_steps}')
        if not experiment.trainer.is_finished():
            leg = plan.resumption.input.legs[-1]
            order = plan.inputs.train.order_of(leg, shuffle_buffer=9, seed=1)
            next(order.onwards(leg.examples_at(experiment.saved_step())))


class StateCase(ModelCase):
    """Its list of checkpoints: what passes is deleted as a training run would delete it."""

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
        from estimator_lab.runs.safe_paths import check_safe_paths
        from estimator_lab.tf1 import tf

        check_safe_paths(self.model_dir)
        state = tf.train.get_checkpoint_state(str(self.model_dir))
        kept = {name: (self.model_dir / name).read_bytes() for name in self.files}
        for path in state.all_model_checkpoint_paths if state else ():
            tf.train.remove_checkpoint(path)
        for name, data in kept.items():
            (self.model_dir / name).write_bytes(data)
        self.open()


class EventsCase(Case):
    """The event files of its evaluations: no other values than those that were written are believed.

    Some are made to deceive, with right checksums: those have to harm nobody.
    """

    def prepare(self) -> None:
        from estimator_lab.tf1 import tf

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
            data += _framed(event, self.rng.choice([len(event), 2**31, 2**62, 2**64 - 1]))
        if not self.is_lie or self.rng.random() < 0.5:
            data = mutate(data, self.rng)
        self.path.write_bytes(data)

    def use(self) -> None:
        from estimator_lab.core.heads.model import Task
        from estimator_lab.training.evaluations import BestEvaluation

        said: list[str] = []
        evaluations = BestEvaluation(self.folder, Task(), said.append)
        found = evaluations.by_step()
        evaluations.best_step(), evaluations.since_best()
        if not self.is_lie and not found.items() <= self.right.items():
            raise RuntimeError(f'values that nobody wrote: {found}')
        if len(said) > 1 or not all(line.isprintable() for line in said):
            raise RuntimeError(f'no sentence: {said}')


class BadListCase(Case):
    """Its list of bad images: the good rows stay, and the file can be read again."""

    def prepare(self) -> None:
        self.path = self.folder / 'bad_members.csv'
        names = [f'n{n}/{"é," * (n % 3)}{n}.jpg' for n in range(12)]
        self.members = [Member('a.tar', name, 512 * n, b'') for n, name in enumerate(names)]
        self._count(self.members)
        self.whole = self.path.read_bytes()

    def _count(self, members: list[Member]) -> None:
        report = InputReport(quiet, bad_list=BadList(self.path, quiet))
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
            raise RuntimeError('a good row is gone')
        rows = list(csv.reader(io.StringIO(data.decode(), newline='')))
        if any(len(row) != 4 for row in rows) or len(rows) != len(set(map(tuple, rows))):
            raise RuntimeError('the list has other rows than it should')
        if {member.name for member in self.members} - {row[1] for row in rows}:
            raise RuntimeError('an image is not listed')


def _framed(data: bytes, length: int) -> bytes:
    """Returns a record of an event file that claims to have `length` bytes, with right checksums."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    head = struct.pack('<Q', length)
    return head + struct.pack('<I', masked_crc32c(head)) + data + struct.pack('<I', masked_crc32c(data))


def _train(model_dir: Path, folder: Path) -> None:
    """Trains the smallest of models for three steps on noise."""
    import io

    from estimator_lab.training.experiment import Experiment

    files = {}
    for number in range(12):
        buffer = io.BytesIO()
        noise = np.random.default_rng(number).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(noise).save(buffer, 'PNG')
        files[f'n{number % 3}/{number}.png'] = buffer.getvalue()
    write_tar(folder / 'train.tar', files)
    Experiment(_settings(model_dir, folder), quiet).train()


def _settings(model_dir: Path, folder: Path) -> Any:
    from estimator_lab.training.settings import Settings

    return Settings(
        model='cnn',
        data=[str(folder / 'train.tar')],
        model_dir=model_dir,
        batch_size=6,
        max_steps=3,
        image_size=8,
        hparams='filters=2,dense_units=8',
    )
