"""Trainings of every model, killed at random and resumed with other batches, end with equal weights."""

import random

import numpy as np
import pytest

from estimator_lab.core.registry import MODELS
from estimator_lab.training import stage_training
from estimator_lab.training.hooks import StopTrainingHook
from tests.models.contract.models import subject_of
from tests.support.small_runs import values_in

pytestmark = pytest.mark.slow

_BATCHES = (5, 6, 4)  # of the legs of a history, in examples; 4 divides no epoch of 25 members
_LEG = 3  # steps
_SAVED = 2  # steps between checkpoints: most kills lose some


class Killed(BaseException):
    """Ends a training at once: nothing is saved."""


@pytest.fixture
def kill(monkeypatch):
    """Returns a function that lets the next training end after that many steps of all its phases."""
    left = []

    class Killer(StopTrainingHook):
        def after_run(self, run_context, run_values):
            super().after_run(run_context, run_values)
            if left:
                left[0] -= 1
                if not left[0]:
                    left.clear()
                    raise Killed

    monkeypatch.setattr(stage_training, 'StopTrainingHook', Killer)
    return left.append


@pytest.mark.parametrize('name', sorted(MODELS))
def test_a_history_of_kills_and_other_batches_ends_with_the_same_weights(name, tmp_path, kill):
    rng, subject = random.Random(name), subject_of(name, tmp_path)
    whole, killed = (tmp_path / each for each in ('whole', 'killed'))
    for leg, batch in enumerate(_BATCHES, 1):
        settings = {'batch_size': batch, 'save_checkpoints_steps': _SAVED, 'resume_changed': leg > 1}
        subject.train(whole, leg * _LEG, **settings)
        for life in range(rng.randint(1, 2)):
            kill(1 if life else rng.randint(1, _LEG))  # the second one may have but one step left
            with pytest.raises(Killed):
                subject.train(killed, leg * _LEG, **settings)
            settings['resume_changed'] = False  # the batch is the same
        subject.train(killed, leg * _LEG, **settings)
    expected, found = values_in(whole), values_in(killed)
    assert expected.keys() == found.keys() and expected['global_step'] == found['global_step']
    assert not [each for each in expected if not np.array_equal(expected[each], found[each])]
