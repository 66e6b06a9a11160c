"""Starts of a phase and records of them, without archives on disk."""

from dataclasses import dataclass, replace
from functools import partial

from estimator_lab.data.order import resume_segments
from estimator_lab.data.archives import RANDOM, STREAM, Identity
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.resumption import Restart, record_of
from estimator_lab.training.settings import Settings

A, B, C, D, E = (Source(f'{name}.tar', 24 if name == 'a' else 8, f'of {name}', RANDOM) for name in 'abcde')
ORDER = {'seed': 1, 'split': '', 'shuffle_buffer': 10_000, 'shares': 1}
Segment = partial(resume_segments.Segment, settings=ORDER)
FIRST = Segment(0, 6, 0, 0, (A,))


@dataclass
class FakeArchives:
    """Stands in for `Archives`, which would have to be on disk."""

    sources: tuple
    has_random_access: bool = True
    known: tuple = ()

    def arranged(self, known):
        return replace(self, known=tuple(known))


def inputs(*sources, random=True, **changes):
    sources = sources if random else tuple(replace(source, access=STREAM) for source in sources)
    archives = FakeArchives(sources, random)
    return replace(Inputs(archives, archives, None, unseen=False), **changes)


@dataclass(frozen=True)
class Start:
    """Today's settings and archives, compared to the records of a test."""

    settings: Settings
    inputs: Inputs
    workers: int = 1
    batches_a_step: int = 1
    has_own_share: bool = False

    @property
    def record(self):
        return record_of(self.settings, self.inputs, self, 0)

    def recorded(self, *segments):
        return replace(self.record, segments=segments)

    def resume(self, before, step):
        return Restart(before, self.record, self.inputs).resume(step)

    def follow(self, before, step):
        (segment,) = self.record.segments
        now = self.recorded(replace(segment, first_step=step))
        return Restart(before, now, self.inputs).follow()


def start(*sources, workers=1, batches=1, own=False, random=True, evaluation=(), unlabelled=None, **settings):
    read = inputs(
        *sources,
        random=random,
        evaluation=FakeArchives(evaluation),
        unlabelled=FakeArchives(unlabelled) if unlabelled else None,
    )
    flags = {'batch_size': 6, 'eval_data': ['x'] if evaluation else (), **settings}
    return Start(Settings(**flags), read, workers, batches, own)


def recorded(*segments, given=None):
    """Returns the record of a start on archive A, with other segments."""
    given = given or start(A)
    return given.recorded(*(segments or (replace(FIRST, settings=order_of(given)),)))


def order_of(given):
    return given.record.segments[0].settings
