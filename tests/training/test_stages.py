"""Where a phase begins and ends, by its record, its checkpoint and today's settings: exact cases."""

from dataclasses import replace

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError, option
from estimator_lab.core.model import Phase
from estimator_lab.core.params import TrainingParams
from estimator_lab.models import cnn
from estimator_lab.runs.record import InputRecord, Record, write_record
from estimator_lab.runs.weights.checkpoint import write_checkpoint
from estimator_lab.tf1 import tf
from estimator_lab.training.position import CONSUMED
from estimator_lab.training.resumption import Resumption
from estimator_lab.training.settings import TrainSettings
from estimator_lab.training.stages import plan_stages
from tests.support.altered_models import altered
from tests.training.starts import A, B, Start, inputs, start

pytestmark = pytest.mark.trains

PRE, LAST = Phase('pre', 0.5), Phase()
PARAMS = TrainingParams(image_shape=(8, 8, 1), vocabulary=(), learning_rate_schedule='constant')


@pytest.fixture
def planned(tmp_path):
    """Plans the phases of a run with some settings."""

    def make(phases=(LAST,), pretraining=None, sources=(A,), batches=1, params=PARAMS, **settings):
        given = TrainSettings(**{'model_dir': tmp_path, 'batch_size': 6, **settings})
        read = inputs(*sources)
        model = altered(cnn.MODEL, phases=lambda params: list(phases))
        model.params = TrainingParams
        here = Start(given, read, 1, batches)  # stands in for the cluster
        return plan_stages(given, here, model, params, read, pretraining or read)

    return make


@pytest.mark.parametrize(
    ('settings', 'least', 'last'),
    [({}, 70, 72), ({}, 30, 42), ({'epochs': 2}, 70, 10), ({'max_steps': 53}, 70, 53)],
)
def test_the_last_phase_has_a_least_number_of_steps_unless_the_user_sets_it(planned, settings, least, last):
    plans = planned((PRE, Phase(least_steps=least)), **settings)
    assert [plan.last_step for plan in plans] == [2, last]


@pytest.mark.parametrize(
    ('settings', 'last'), [({}, [9, 49]), ({'epochs': 2}, [9, 17]), ({'max_steps': 53}, [2, 53])]
)
def test_an_earlier_phase_has_a_least_number_of_steps_unless_the_run_has_a_last_step(planned, settings, last):
    plans = planned((Phase('pre', 0.5, least_steps=9), LAST), **settings)
    assert [plan.last_step for plan in plans] == last


def saved(folder, step, position=None, record=None, **hparams):
    """Writes a checkpoint, and a record of its input."""
    folder.mkdir(exist_ok=True)
    consumed = {} if position is None else {CONSUMED: np.array(position, np.int64)}
    write_checkpoint(folder / f'model.ckpt-{step}', {'global_step': np.array(step, np.int64), **consumed})
    tf.train.update_checkpoint_state(str(folder), f'model.ckpt-{step}')
    whole = Record('cnn', (8, 8, 1), (), hparams, {}, input=record or InputRecord())
    write_record(folder, whole)


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
def test_the_last_step(planned, settings, last):
    (plan,) = planned(**settings)
    assert (plan.first_step, plan.last_step, plan.saved, plan.was_finished) == (0, last, None, False)
    assert plan.is_final
    assert plan.resumption == Resumption(start(A).record)


def test_a_length_that_is_refused(planned):
    with pytest.raises(FlagError, match=r'=1e\+06 takes 1,000,166,667 steps, more than the 1,000,000,000 of'):
        planned(epochs=1e6, sources=(replace(A, images=6001),))
    with pytest.raises(FlagError, match='max_steps=2 ends within pre-training, which takes 2 steps'):
        planned(max_steps=2, phases=(PRE, LAST))


def test_phases_follow_each_other(planned):
    first, second, last = planned((PRE, Phase('more', 0.0), LAST), max_steps=9)
    assert steps([first, second, last]) == [(0, 2, None), (2, 3, None), (3, 9, None)]
    assert (first.before, second.before, last.before) == (None, first, second)
    assert [plan.is_final for plan in (first, second, last)] == [False, False, True]
    assert (second.resumption.input.first_step, second.resumption.position) == (2, 0)
    assert (first.inputs.train.known, second.inputs.train.known) == ((), (A,))
    (fewer, _) = planned((PRE, LAST), max_steps=9, batches=2)
    assert (fewer.last_step, fewer.resumption.input.settings['batch_size']) == (1, 12)


def test_a_phase_goes_on_from_its_checkpoint(planned, tmp_path):
    saved(tmp_path, 3, 18, start(A).record)
    (plan,) = planned(epochs=2)
    assert steps([plan]) == [(0, 8, 3)]
    assert (plan.resumption.changes, plan.resumption.position, plan.inputs.train.known) == ((), 18, (A,))
    (plan,) = planned(epochs=2, batch_size=3)
    assert plan.resumption.position == 18 and plan.last_step == 3 + (48 - 18) // 3


def test_a_finished_phase_keeps_its_record(planned, tmp_path):
    saved(tmp_path, 8, 48, start(A).record)
    (plan,) = planned(max_steps=8, seed=7)
    assert plan.was_finished
    assert plan.resumption == Resumption(start(A).record)
    (longer,) = planned(max_steps=9, seed=7)
    assert not longer.was_finished
    assert longer.resumption.changes == (f'{option.seed} was 1, is 7',)


def test_a_phase_after_a_finished_one_compares_its_flags(planned, tmp_path):
    saved(tmp_path / 'pre', 5, 30, start(A).record)
    first, last = planned((PRE, LAST), max_steps=9, seed=7)
    assert steps([first, last]) == [(0, 5, 5), (5, 9, None)]  # it had taken more steps than today's
    assert last.resumption.changes == (f'{option.seed} was 1, is 7',)
    assert last.resumption.position == 0
    apart = {'sources': (B,), 'pretraining': inputs(A, flag=option.pretrain_data)}
    _, last = planned((PRE, LAST), max_steps=9, **apart)
    assert last.resumption.changes == ()  # the archives of another flag are not compared
    _, last = planned((Phase('pre', 5.0), LAST), max_steps=99, seed=7)
    assert last.resumption.changes == ()  # unfinished


def test_a_folder_of_other_phases_is_rejected(planned, tmp_path):
    saved(tmp_path, 9, 30, replace(start(A).record, first_step=4))
    with pytest.raises(FlagError, match='was pre-trained for 4 steps, not 2'):
        planned((PRE, LAST), max_steps=12)


@pytest.mark.parametrize(
    ('was', 'now', 'words'),
    [
        ({'frozen': ['conv1']}, {}, 'with freeze=conv1, so that its optimizer has slots for other layers'),
        ({}, {'frozen': ('conv1',)}, 'without freeze, so that its optimizer has slots'),
    ],
)
def test_variables_of_the_optimizer_that_a_checkpoint_lacks(planned, tmp_path, was, now, words):
    saved(tmp_path, 3, 18, start(A).record, **was)
    with pytest.raises(FlagError, match=f'was trained {words}'):
        planned(max_steps=9, params=replace(PARAMS, **now))
    for path in (tmp_path / 'checkpoint', *tmp_path.glob('model.ckpt-*')):
        path.unlink()
    planned(max_steps=9, params=replace(PARAMS, **now))


@pytest.mark.parametrize(
    ('schedule', 'steps', 'changes'),
    [
        ('cosine', 9, ('the cosine schedule of the learning rate ended at step 5, ends at step 9',)),
        ('cosine', 5, ()),
        ('constant', 9, ()),
    ],
)
def test_a_longer_schedule_of_the_learning_rate_is_reported(planned, tmp_path, schedule, steps, changes):
    saved(tmp_path, 3, 18, start(A).record, train_steps=5)
    params = replace(PARAMS, learning_rate_schedule=schedule)
    (plan,) = planned(max_steps=steps, params=params)
    assert plan.resumption.changes == changes


@pytest.mark.parametrize(
    ('warmup', 'was', 'steps', 'changes'),
    [
        (1000, 20, 40, ('the warm-up of the learning rate took 2 steps, takes 4',)),
        (5, 20, 80, ('the warm-up of the learning rate took 2 steps, takes 5',)),
        (2, 20, 40, ()),
        (1000, 20, 30, ()),  # it has ended under both
        (0, 20, 40, ()),
    ],
)
def test_a_longer_warm_up_is_reported_of_any_schedule(planned, tmp_path, warmup, was, steps, changes):
    saved(tmp_path, 3, 18, start(A).record, train_steps=was)
    (plan,) = planned(max_steps=steps, params=replace(PARAMS, warmup_steps=warmup))
    assert plan.resumption.changes == changes
