"""Where a phase begins, goes on and ends, by its record, its checkpoint and today's settings: exact cases."""

from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.core.model.params import Phase
from estimator_lab.data.order import resume_segments
from estimator_lab.data.order.resume_segments import RANDOM, STREAM, Source
from estimator_lab.errors import FlagError
from estimator_lab.runs.record import InputRecord, Record, write_record
from estimator_lab.runs.weights.checkpoint import write_checkpoint
from estimator_lab.tf1 import tf
from estimator_lab.training.inputs import Inputs
from estimator_lab.training.plans import plan_phases
from estimator_lab.training.resumption import Restart, Resumption, record_of
from estimator_lab.training.settings import Settings

A, B, C, D, E = (Source(f'{name}.tar', 24 if name == 'a' else 8, f'of {name}', RANDOM) for name in 'abcde')
ORDER = {'seed': 1, 'split': '', 'workers': 1, 'shuffle_buffer': 10_000}
Segment = partial(resume_segments.Segment, settings=ORDER)
FIRST = Segment(0, 6, 0, 0, (A,))
PRE, LAST = Phase('pre', 0.5), Phase()


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


def start(*sources, workers=1, batches=1, random=True, evaluation=(), unlabelled=None, **settings):
    read = inputs(
        *sources,
        random=random,
        evaluation=FakeArchives(evaluation),
        unlabelled=FakeArchives(unlabelled) if unlabelled else None,
    )
    flags = {'batch_size': 6, 'eval_data': ['x'] if evaluation else (), **settings}
    return Start(Settings(**flags), read, workers, batches)


def recorded(*segments, given=None):
    """Returns the record of a start on archive A, with other segments."""
    given = given or start(A)
    return given.recorded(*(segments or (replace(FIRST, settings=order_of(given)),)))


def order_of(given):
    return given.record.segments[0].settings


@pytest.mark.parametrize(
    ('now', 'step', 'segments', 'changes'),
    [
        (start(A), 3, (FIRST,), ()),
        (start(A), 4, (FIRST,), ()),
        (start(A, batch_size=4), 3, (FIRST, Segment(3, 4, 0, 18, (A,))), ('--batch_size was 6, is 4',)),
        (start(A, batch_size=3, batches=2), 3, (FIRST,), ('--batch_size was 6, is 3',)),
        (start(A, batch_size=4), 5, (FIRST, Segment(5, 4, 1, 6, (A,))), ('--batch_size was 6, is 4',)),
        (start(A, batch_size=4), 0, (Segment(0, 4, 0, 0, (A,)),), ('--batch_size was 6, is 4',)),
        (
            start(A, B),
            3,
            (FIRST, Segment(3, 6, 0, 18, (A,), (A, B))),
            ('--data: b.tar is new', 'epoch 1 ends with the archives it began with'),
        ),
        (start(A, B), 4, (FIRST, Segment(4, 6, 1, 0, (A, B))), ('--data: b.tar is new',)),
        (start(B), 8, (FIRST, Segment(8, 6, 2, 0, (B,))), ('--data: a.tar is gone, b.tar is new',)),
        (
            start(A, seed=2),
            4,
            (FIRST, Segment(4, 6, 1, 0, (A,), settings={**ORDER, 'seed': 2})),
            ('--seed was 1, is 2',),
        ),
        (start(A, augment='mirror'), 3, (FIRST,), ('--augment was none, is mirror',)),
        (
            start(A, shuffle_buffer=77),
            3,
            (FIRST, Segment(3, 6, 0, 18, (A,), settings={**ORDER, 'shuffle_buffer': 77})),
            (),
        ),
        (
            start(replace(A, name='b.tar')),
            3,
            (FIRST, Segment(3, 6, 0, 18, (replace(A, name='b.tar'),))),
            ('--data: b.tar was a.tar',),
        ),
        (start(A, evaluation=(C,)), 3, (FIRST,), ('--eval_data: c.tar is new',)),
    ],
)
def test_where_the_input_goes_on(now, step, segments, changes):
    found = now.resume(recorded(), step)
    assert found == Resumption(now.recorded(*segments), changes)


@pytest.mark.parametrize(
    ('now', 'given', 'words'),
    [
        (start(A, seed=2), start(A), '--seed was 1, is 2'),
        (start(A, split='0.5'), start(A), '--split was none, is 0.5'),
        (start(A, shuffle_buffer=1), start(A), '--shuffle_buffer was 10000, is 1'),
        (
            start(A, shuffle_buffer=9, random=False),
            start(A, random=False),
            '--shuffle_buffer was 10000, is 9',
        ),
        (start(A, workers=3), start(A), 'workers were 1, are 3'),
        (start(B), start(A), '--data: a.tar is gone, b.tar is new'),
        (start(A, B, workers=2), start(A, workers=2), '--data: b.tar is new'),
        (start(A, B, unlabelled=(A,)), start(A, unlabelled=(A,)), '--data: b.tar is new'),
        (start(B, seed=2), start(A), '--seed was 1, is 2; --data: a.tar is gone, b.tar is new'),
        (
            start(A, random=False),
            start(A),
            '--data was shuffled as a whole, is shuffled in a buffer of 10000',
        ),
    ],
)
def test_what_breaks_an_epoch(now, given, words):
    """The rest of the epoch is left out; at its end nothing breaks."""
    before = given.record
    found = now.resume(before, 3)
    assert found.broken == f'{words}, in the middle of epoch 1'
    assert found.changes[-1] == 'the rest of epoch 1 is left out'
    (first,) = now.record.segments
    following = replace(first, first_step=3, epoch=1)
    assert found.input == now.recorded(*before.segments, following)
    whole = sum(source.images for source in before.segments[0].sources) // 6
    assert now.resume(before, whole).broken == ''


def test_restarts_replace_what_followed_the_checkpoint():
    second, third = Segment(3, 4, 0, 18, (A,)), Segment(9, 2, 1, 18, (A,))
    before, now = recorded(FIRST, second, third), start(A, batch_size=5)
    assert now.resume(before, 3).input.segments == (FIRST, Segment(3, 5, 0, 18, (A,)))
    assert now.resume(before, 2).input.segments == (FIRST, Segment(2, 5, 0, 12, (A,)))
    assert start(A, batch_size=2).resume(before, 9).input.segments == (FIRST, second, third)


def test_an_older_checkpoint_is_compared_to_its_own_start():
    second = Segment(3, 6, 1, 0, (A,), settings={**ORDER, 'seed': 2})
    found = start(A, seed=2).resume(recorded(FIRST, second, given=start(A, seed=2)), 2)
    assert found.changes == ('--seed was 1, is 2', 'the rest of epoch 1 is left out')
    assert found.broken == '--seed was 1, is 2, in the middle of epoch 1'
    assert start(A).resume(recorded(FIRST, second, given=start(A, seed=2)), 2).broken == ''


def test_a_new_name_is_no_other_share_of_a_worker():
    given, renamed = start(A, workers=2), start(replace(A, name='b.tar'), workers=2)
    before = given.recorded(replace(FIRST, settings={**ORDER, 'workers': 2}))
    found = renamed.resume(before, 3)
    assert (found.changes, found.broken) == (('--data: b.tar was a.tar',), '')
    assert renamed.resume(found.input, 3).changes == ()


def test_more_images_of_the_same_archives_count_from_the_next_epoch():
    more = replace(A, images=30)
    found = start(more).resume(recorded(), 3)
    assert found.input.segments == (FIRST, Segment(3, 6, 0, 18, (A,), (more,)))
    assert found.changes == ('epoch 1 ends with the archives it began with',)
    again = start(more).resume(found.input, 3)
    assert again.input == found.input
    assert again.changes == ()


@pytest.mark.parametrize(
    ('was', 'now', 'words'),
    [
        ({'batch_size': 4}, {}, '--batch_size was 4, is 6'),
        ({'data': (A, B)}, {}, '--data: b.tar is gone'),
        ({}, {'evaluation': (B,)}, '--eval_data: b.tar is new'),
    ],
)
def test_deterministic_runs_depend_on_all_settings_and_archives(was, now, words):
    given = start(*was.pop('data', (A,)), deterministic=True, **was)
    now = start(A, deterministic=True, **now)
    before = recorded(replace(FIRST, sources=given.inputs.sources), given=given)
    found = now.resume(before, 16)  # at the end of an epoch, with one archive and with two
    if now.settings.eval_data:  # evaluation changes no weights
        assert found.broken == ''
    else:
        assert found.broken == f'{words}, with --deterministic'
    assert now.follow(before, 16).broken == found.broken
    assert now.follow(before, 16) == Resumption(
        now.recorded(Segment(16, 6, 0, 0, (A,))), (words,), found.broken
    )
    plain = replace(now, settings=replace(now.settings, deterministic=False))
    assert plain.resume(before, 16).broken == ''
    assert plain.resume(before, 16).changes[-1 if not now.settings.eval_data else 0] in (
        '--deterministic was true, is false',
        words,
    )


def test_the_order_of_archives_is_no_change_of_a_deterministic_run():
    given, now = start(A, B, deterministic=True), start(B, A, deterministic=True)
    found = now.resume(recorded(Segment(0, 6, 0, 0, (A, B)), given=given), 16)
    assert (found.changes, found.broken) == ((), '')


@pytest.mark.parametrize(
    ('was', 'now', 'words'),
    [
        ((A,), (replace(A, name='other.tar'),), 'other.tar was a.tar'),
        ((A,), (replace(A, fingerprint='other'),), 'a.tar has changed'),
        ((A, B), (B, C), 'a.tar is gone, c.tar is new'),
        ((A,), (A, A), 'a.tar is new'),
        ((A,), (A, replace(A, name='copy.tar')), 'copy.tar is new'),
        ((A, B, C), (), 'a.tar is gone, b.tar is gone, c.tar is gone'),
        ((A,), (A, B, C, D), 'b.tar is new, c.tar is new, d.tar is new'),
        ((A,), (A, B, C, D, E), 'b.tar is new, c.tar is new, d.tar is new and 1 more'),
    ],
)
def test_how_archives_differ(was, now, words):
    found = start(*now).follow(recorded(Segment(0, 6, 0, 0, was)), 9)
    assert found.changes == (f'--data: {words}',)


def test_records_of_older_versions_and_of_others():
    now = start(A, seed=5, evaluation=(B,))
    older = InputRecord()
    assert now.follow(older, 9) == Resumption(now.recorded(Segment(9, 6, 0, 0, (A,), settings=order_of(now))))
    strange = {'shuffle_buffer': 'many', 'seed': 1.5}
    before = InputRecord((replace(FIRST, settings={}),), (), strange)
    assert (
        start(A).resume(before, 3).broken
        == start(A).resume(recorded(replace(FIRST, settings=strange)), 3).broken
    )
    assert start(A).resume(before, 3).broken == (
        '--seed was 1.5, is 1; --shuffle_buffer was many, is 10000, in the middle of epoch 1'
    )


def test_recorded_settings():
    found = start(A, workers=2, augment=f'  shift=1,\n{"x" * 300}', evaluation=(B,), deterministic=True)
    assert found.recorded(FIRST) == InputRecord(
        (FIRST,),
        (B,),
        {
            'batch_size': 6,
            'seed': 1,
            'shuffle_buffer': 10_000,
            'split': '',
            'augment': f'shift=1, {"x" * 191}',
            'decode': 'exact',
            'precision': 'float32',
            'deterministic': True,
            'workers': 2,
        },
    )
    assert start(A).record.evaluation == ()


def test_messages(tmp_path):
    assert str(Resumption(InputRecord())) == ''
    assert str(Resumption(InputRecord(), ('x', 'y'))) == 'Since the last start: x; y.'
    Resumption(InputRecord(), ('x',)).check(tmp_path)
    with pytest.raises(FlagError) as caught:
        Resumption(InputRecord(), (), 'why').check(tmp_path)
    assert str(caught.value) == (
        f'--model_dir={tmp_path} cannot go on exactly where it stopped (why): give the flags and archives of '
        'the last start, name another folder, or go on all the same with --resume_changed.'
    )


@pytest.fixture
def run(tmp_path):
    """Makes what `plan_phases` needs of a run."""

    def make(phases=(LAST,), previous=None, pretraining=None, sources=(A,), batches=1, **settings):
        given = Settings(model_dir=tmp_path, batch_size=6, **settings)
        read = inputs(*sources)
        return SimpleNamespace(
            settings=given,
            role=SimpleNamespace(workers=1, batches_a_step=batches),
            phases=phases,
            previous=previous,
            inputs=read,
            pretraining=pretraining or read,
        )

    return make


def saved(folder, step, *segments, **hparams):
    """Writes a checkpoint, and a record with these segments; returns the record."""
    folder.mkdir(exist_ok=True)
    write_checkpoint(folder / f'model.ckpt-{step}', {'global_step': np.array(step, np.int64)})
    tf.train.update_checkpoint_state(str(folder), f'model.ckpt-{step}')
    record = Record(
        'dbn', (8, 8, 1), (), hparams, {}, input=recorded(*segments) if segments else InputRecord()
    )
    write_record(folder, record)
    return record


def steps(plans):
    return [(plan.first_step, plan.last_step, plan.saved) for plan in plans]


@pytest.mark.parametrize(
    ('settings', 'last'),
    [
        ({}, 40),  # 10 epochs of 24 / 6 steps
        ({'epochs': 1}, 4),
        ({'epochs': 1.1}, 5),
        ({'epochs': 1e6}, 4_000_000),
        ({'max_steps': 1}, 1),
        ({'max_steps': 7}, 7),
    ],
)
def test_the_last_step(run, settings, last):
    (plan,) = plan_phases(run(**settings))
    assert (plan.first_step, plan.last_step, plan.saved, plan.is_finished) == (0, last, None, False)
    assert plan.is_final
    assert plan.segment == FIRST


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ({'epochs': 1, 'max_steps': 1}, '--max_steps and --epochs exclude each other: give one of them.'),
        ({'epochs': 0}, '--epochs=0 must be more than 0, and at most 1,000,000.'),
        ({'epochs': 1_000_001}, '--epochs=1e+06 must be more than 0, and at most 1,000,000.'),
        (
            {'epochs': 1, 'sources': (replace(A, images=0),), 'data': ['-']},
            '--data=- can be read only once, so the number of examples in an epoch is unknown: give '
            '--max_steps.',
        ),
        (
            {'epochs': 1e6, 'sources': (replace(A, images=6001),)},
            '--epochs=1e+06 takes 1,000,166,667 steps, more than the 1,000,000,000 of a run.',
        ),
        (
            {'max_steps': 2, 'phases': (PRE, LAST)},
            '--max_steps=2 ends within pre-training, which takes 2 steps: give more, or fewer '
            '--hparams=pretrain_epochs.',
        ),
    ],
)
def test_a_length_that_is_refused(run, settings, words):
    with pytest.raises(FlagError) as caught:
        plan_phases(run(**settings))
    assert str(caught.value) == words


def test_phases_follow_each_other(run):
    first, second, last = plan_phases(run((PRE, Phase('more', 0.0), LAST), max_steps=9))
    assert steps([first, second, last]) == [(0, 2, None), (2, 3, None), (3, 9, None)]
    assert (first.before, second.before, last.before) == (None, first, second)
    assert [plan.is_final for plan in (first, second, last)] == [False, False, True]
    assert second.segment == Segment(2, 6, 0, 0, (A,))
    assert (first.inputs.train.known, second.inputs.train.known) == ((), (A,))
    (fewer, _) = plan_phases(run((PRE, LAST), max_steps=9, batches=2))
    assert (fewer.last_step, fewer.segment.examples_a_step) == (1, 12)


def test_a_phase_goes_on_from_its_checkpoint(run, tmp_path):
    previous = saved(tmp_path, 3, FIRST)
    (plan,) = plan_phases(run(previous=previous, epochs=2))
    assert steps([plan]) == [(0, 8, 3)]
    assert (plan.resumption.changes, plan.segment, plan.inputs.train.known) == ((), FIRST, (A,))
    other = run(previous=previous, epochs=2)
    other.settings = replace(other.settings, batch_size=3)
    (plan,) = plan_phases(other)
    assert plan.segment == Segment(3, 3, 0, 18, (A,))
    assert plan.last_step == 3 + (48 - 18) // 3


def test_a_finished_phase_keeps_its_record(run, tmp_path):
    previous = saved(tmp_path, 8, FIRST)
    (plan,) = plan_phases(run(previous=previous, max_steps=8, seed=7))
    assert plan.is_finished
    assert plan.resumption == Resumption(previous.input)
    (longer,) = plan_phases(run(previous=previous, max_steps=9, seed=7))
    assert not longer.is_finished
    assert longer.resumption.changes == ('--seed was 1, is 7',)


def test_a_record_without_segments_counts_as_of_the_same_flags(run, tmp_path):
    previous = saved(tmp_path, 3)
    (plan,) = plan_phases(run(previous=previous, max_steps=9, seed=7))
    assert (plan.resumption.changes, plan.segment, plan.inputs.train.known) == (
        (),
        replace(FIRST, settings={**ORDER, 'seed': 7}),
        (),
    )


def test_a_phase_after_a_finished_one_compares_its_flags(run, tmp_path):
    saved(tmp_path / 'pre', 5, FIRST)
    first, last = plan_phases(run((PRE, LAST), max_steps=9, seed=7))
    assert steps([first, last]) == [(0, 5, 5), (5, 9, None)]  # it had taken more steps than today's
    assert last.resumption.changes == ('--seed was 1, is 7',)
    assert last.segment == Segment(5, 6, 0, 0, (A,), settings={**ORDER, 'seed': 7})
    apart = run((PRE, LAST), max_steps=9, sources=(B,), pretraining=inputs(A, flag='--pretrain_data'))
    _, last = plan_phases(apart)
    assert last.resumption.changes == ()  # the archives of another flag are not compared
    unfinished = run((Phase('pre', 5.0), LAST), max_steps=99, seed=7)
    _, last = plan_phases(unfinished)
    assert last.resumption.changes == ()


def test_a_folder_of_other_phases_is_refused(run, tmp_path):
    previous = replace(saved(tmp_path, 9, replace(FIRST, first_step=4)), model='cnn')
    given = run((PRE, LAST), previous=previous, max_steps=12)
    _, last = plan_phases(given)
    assert last.segment == Segment(2, 6, 0, 0, (A,))
