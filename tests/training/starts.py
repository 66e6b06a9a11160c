"""Starts of a phase and records of them, without archives on disk."""

from dataclasses import dataclass, replace

from estimator_lab.data.archives.opened import Identity
from estimator_lab.data.archives.part import EVERYTHING, Part
from estimator_lab.data.examples.kind import Kind
from estimator_lab.data.images.reader import IMAGES
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.resumption import follow, record_of, resume
from estimator_lab.training.settings import TrainSettings

A, B, C, D, E = (Identity(f'{name}.tar', 24 if name == 'a' else 8, f'of {name}') for name in 'abcde')


@dataclass
class FakeDataSet:
    """Stands in for `Archives`, which would have to be on disk."""

    identities: tuple
    has_random_access: bool = True
    known: tuple = ()
    kind: Kind = IMAGES
    table: None = None
    block_size: int = 0
    part: Part = EVERYTHING

    def arranged(self, known):
        return replace(self, known=tuple(known))


def inputs(*archives, random=True, **changes):
    fake = FakeDataSet(archives, random)
    return replace(Inputs(fake, fake, None, unseen=False), **changes)


@dataclass(frozen=True)
class Start:
    """Today's settings and archives, compared to the records of a test."""

    settings: TrainSettings
    inputs: Inputs
    workers: int = 1
    batches_a_step: int = 1

    @property
    def record(self):
        return record_of(self.settings, self.inputs, self, 0)

    def resume(self, before, step, position):
        return resume(before, self.record, self.inputs, step, position)

    def follow(self, before):
        return follow(before, self.record, self.inputs)


def start(*archives, workers=1, batches=1, random=True, evaluation=(), **settings):
    read = inputs(*archives, random=random, evaluation=FakeDataSet(evaluation))
    flags = {'batch_size': 6, 'eval_data': ['x'] if evaluation else (), **settings}
    return Start(TrainSettings(**flags), read, workers, batches)
