"""How a phase goes on after a restart, by its record, its checkpoint and today's settings: exact cases."""

from dataclasses import replace

import pytest

from estimator_lab.base.errors import FlagError, option
from estimator_lab.runs.record import InputRecord
from estimator_lab.training.resumption import Resumption
from tests.training.starts import A, B, C, D, E, start

pytestmark = pytest.mark.trains

STEP = 'examples in a step were 6, are'
WHOLE = 'examples were shuffled as a whole by a formula, are'
NOW = 'are shuffled as a whole by a formula'
OTHER = f'{option.data}: a.tar is gone, b.tar is new'


@pytest.mark.parametrize(
    ('now', 'position', 'goes_on', 'changes'),
    [
        (start(A), 18, 18, ()),
        (start(A), 24, 24, ()),
        (start(A, batch_size=4), 18, 18, (f'{STEP} 4',)),
        (start(A, batch_size=3, batches=2), 18, 18, ()),
        (start(A, workers=3, batches=3), 18, 18, (f'{STEP} 18', 'workers were 1, are 3')),
        (start(A, augment='mirror'), 18, 18, (f'{option.augment} was none, is mirror',)),
        (start(A, shuffle_buffer=77), 18, 18, ()),
        (start(replace(A, name='b.tar')), 18, 18, ()),
        (start(A, evaluation=(C,)), 18, 18, (f'{option.eval_data}: c.tar is new',)),
        (start(A, B), 24, 32, (f'{option.data}: b.tar is new',)),
        (start(B), 48, 16, (OTHER,)),
        (start(A, seed=2), 24, 24, (f'{option.seed} was 1, is 2',)),
    ],
)
def test_where_the_input_goes_on(now, position, goes_on, changes):
    """In the middle of an epoch or at its end."""
    found = now.resume(start(A).record, 4, position)
    assert (found.position, found.broken) == (goes_on, '')
    assert set(found.changes) == set(changes)
    assert found.input.settings == now.record.settings and found.input.archives == now.record.archives


@pytest.mark.parametrize(
    ('now', 'given', 'words'),
    [
        (start(A, seed=2), start(A), f'{option.seed} was 1, is 2'),
        (start(A, split='0.5'), start(A), f'{option.split} was none, is 0.5'),
        (start(A, shuffle_buffer=1), start(A), f'{WHOLE} in stored order'),
        (start(A, random=False), start(A), f'{WHOLE} shuffled in a buffer of 10000'),
        (
            start(A, shuffle_buffer=9, random=False),
            start(A, random=False),
            'examples were shuffled in a buffer of 10000, are shuffled in a buffer of 9',
        ),
        (start(B), start(A), OTHER),
        (start(A, B), start(A), f'{option.data}: b.tar is new'),
        (start(replace(A, images=30, fingerprint='more')), start(A), f'{option.data}: a.tar has changed'),
        (start(B, seed=2), start(A), f'{option.seed} was 1, is 2; {OTHER}'),
    ],
)
def test_what_breaks_an_epoch(now, given, words):
    """The rest of the epoch is left out; at its end nothing breaks."""
    before, images = given.record, now.record.examples
    found = now.resume(before, 3, 24 + 18)
    assert found.broken == f'{words}, in the middle of epoch 2'
    assert found.changes[-1] == 'the rest of epoch 2 is left out'
    assert found.position == 2 * images
    assert found.input == replace(now.record, step=3, position=2 * images)
    at_the_end = now.resume(before, 4, 24)
    assert (at_the_end.broken, at_the_end.position) == ('', images)
    again = now.resume(at_the_end.input, 4, images)
    assert (again.broken, again.changes, again.position) == ('', (), images)


def test_an_order_of_an_earlier_version_is_not_gone_on_with():
    before = start(A).record
    before = replace(before, settings={**before.settings, 'shuffling': 'shuffled as a whole'})
    found = start(A).resume(before, 3, 24 + 18)
    assert found.broken == f'examples were shuffled as a whole, {NOW}, in the middle of epoch 2'


def test_a_checkpoint_from_before_a_change_of_archives():
    """Its position counts examples of other epochs."""
    now = start(A, B)
    changed = now.resume(start(A).record, 8, 48).input
    assert (changed.step, changed.position) == (8, 64)
    found = now.resume(changed, 7, 42)
    assert found.broken == (
        'the checkpoint is older than the last change of archives or settings, in the middle of epoch 2'
    )
    assert (found.position, found.input.step) == (64, 7)
    other = start(A, batch_size=4).resume(start(A).record, 8, 42).input
    assert start(A).resume(other, 7, 42).broken == ''  # nothing that the order depends on has changed


@pytest.mark.parametrize(
    ('was', 'now', 'words'),
    [
        ({'batch_size': 4}, {}, 'examples in a step were 4, are 6'),
        ({'data': (A, B)}, {}, f'{option.data}: b.tar is gone'),
        ({}, {'evaluation': (B,)}, f'{option.eval_data}: b.tar is new'),
    ],
)
def test_deterministic_runs_depend_on_all_settings_and_archives(was, now, words):
    given = start(*was.pop('data', (A,)), deterministic=True, **was).record
    changed = start(A, deterministic=True, **now)
    found = changed.resume(given, 16, 96)  # at the end of an epoch, with one archive and with two
    assert found.changes == (words,)
    # Evaluation changes no weights.
    assert found.broken == ('' if now else f'{words}, with {option.deterministic}')
    assert changed.follow(given) == Resumption(changed.record, (words,), found.broken)
    assert start(A, **now).resume(given, 16, 96).broken == ''


def test_the_order_of_archives_is_no_change_of_a_deterministic_run():
    given, now = start(A, B, deterministic=True), start(B, A, deterministic=True)
    found = now.resume(given.record, 16, 96)
    assert (found.changes, found.broken) == ((), '')


@pytest.mark.parametrize(
    ('was', 'now', 'words'),
    [
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
    assert start(*now).follow(start(*was).record).changes == (f'{option.data}: {words}',)


def test_records_of_others():
    now = start(A, seed=5, evaluation=(B,))
    assert now.follow(InputRecord()) == Resumption(now.record)
    before = InputRecord((A,), (), {'seed': 1.5})
    found = start(A).resume(before, 3, 18)
    assert found.broken == f'{option.seed} was 1.5, is 1, in the middle of epoch 1'


def test_recorded_settings():
    augment = f'  shift=1,\n{"x" * 300}'
    found = start(A, workers=2, batches=2, augment=augment, evaluation=(B,), deterministic=True).record
    assert (found.archives, found.evaluation) == ((A,), (B,)) and start(A).record.evaluation == ()
    assert found == InputRecord((A,), (B,), found.settings, lanes=2)
    counts = {'batch_size': 12, 'workers': 2, 'image_size': 128, 'channels': 1, 'seed': 1}
    none = dict.fromkeys(('labels', 'freeze', 'split', 'only', 'weights'), '')
    texts = {'model': 'cnn', 'decode': 'exact', 'background': 'black', 'precision': 'float32'}
    others = {
        'shuffling': 'shuffled as a whole by a formula',
        'augment': f'shift=1, {"x" * 191}',
        'deterministic': True,
    }
    assert found.settings == {**counts, **none, **texts, **others}


def test_messages(tmp_path):
    assert str(Resumption(InputRecord())) == ''
    assert str(Resumption(InputRecord(), ('x', 'y'))) == 'Since the last start: x; y.'
    Resumption(InputRecord(), ('x',)).check(tmp_path)
    with pytest.raises(FlagError) as caught:
        Resumption(InputRecord(), (), 'why').check(tmp_path)
    assert str(caught.value).startswith(f'model_dir={tmp_path} cannot go on exactly where it stopped (why): ')
    assert str(caught.value).endswith('or go on all the same with resume_changed.')
