"""How a phase goes on after a restart, by its record, its checkpoint and today's settings: exact cases."""

from dataclasses import replace

import pytest

from estimator_lab.errors import FlagError
from estimator_lab.runs.record import InputRecord
from estimator_lab.training.resumption import Resumption
from tests.training.starts import FIRST, ORDER, A, B, C, D, E, Segment, order_of, recorded, start


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
    ('workers', 'flags', 'examples', 'words'),
    [
        (3, {'global_batch_size': 6, 'batch_size': 2}, 6, 'workers were 1, are 3'),
        (3, {'batch_size': 2}, 6, '--batch_size was 6, is 2; workers were 1, are 3'),
        (3, {}, 18, 'workers were 1, are 3'),
        (1, {'global_batch_size': 12, 'batch_size': 12}, 12, 'examples in a step were 6, are 12'),
    ],
)
def test_another_number_of_workers_goes_on_in_the_middle_of_an_epoch(workers, flags, examples, words):
    found = start(A, workers=workers, batches=workers, **flags).resume(recorded(), 3)
    (*_, last) = found.input.segments
    assert (last.examples_a_step, last.epoch) == (examples, 0)
    assert last.place_at(3).offset == 18 and found.broken == ''
    assert '; '.join(found.changes) == words
    again = start(A).resume(found.input, 3)
    assert again.input.segments[-1].place_at(3) == last.place_at(3) and again.broken == ''


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
        (start(A, workers=3, own=True), start(A), 'workers with a share of their own were 1, are 3'),
        (
            start(A, workers=2),
            start(A, workers=3, own=True),
            'workers with a share of their own were 3, are 1',
        ),
        (start(B), start(A), '--data: a.tar is gone, b.tar is new'),
        (start(A, B, workers=2, own=True), start(A, workers=2, own=True), '--data: b.tar is new'),
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
    given, renamed = (start(one, workers=2, own=True) for one in (A, replace(A, name='b.tar')))
    before = given.recorded(replace(FIRST, settings={**ORDER, 'shares': 2}))
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


def test_several_workers_of_an_older_version():
    """They shared the images by archive; one worker's order is still the same."""
    older = {'seed': 1, 'split': '', 'workers': 1, 'shuffle_buffer': 10_000}
    now = start(A, workers=2)
    alone = now.recorded(replace(FIRST, settings=older))
    assert now.resume(alone, 3).broken == start(A).resume(alone, 3).broken == ''
    several = now.recorded(replace(FIRST, settings={**older, 'workers': 2}))
    words = '2 workers shared the images as in version 0.1 of estimator_lab, in the middle of epoch 1'
    assert now.resume(several, 3).broken == start(A).resume(several, 3).broken == words
    assert now.resume(several, 4).broken == ''


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
            'class_weights': 'none',
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
