"""Early stopping."""

import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import line, slope_estimator

experimental = tf.estimator.experimental


def stopped_at(model, hook, max_steps=40):
    """Trains and evaluates every four steps; returns the step where training ended."""
    tf.estimator.train_and_evaluate(
        model,
        tf.estimator.TrainSpec(line(), max_steps, hooks=[hook]),
        tf.estimator.EvalSpec(line(epochs=1), start_delay_secs=0, throttle_secs=0),
    )
    return int(model.get_variable_value('global_step'))


@pytest.fixture
def improving(tmp_path):
    """Approaches the slope of 2 without end."""
    return slope_estimator(tmp_path, {'rate': 0.001}, save_checkpoints_steps=4)


@pytest.fixture
def exploding(tmp_path):
    """Overshoots further with each step, so that its loss rises."""
    return slope_estimator(tmp_path, {'rate': 0.14}, save_checkpoints_steps=4)


def every_step(**more):
    return {'run_every_secs': None, 'run_every_steps': 1, **more}


def test_no_decrease(exploding):
    """stop_if_no_decrease_hook stops when the metric has not fallen for max_steps_without_decrease."""
    hook = experimental.stop_if_no_decrease_hook(exploding, 'loss', 8, **every_step())
    assert stopped_at(exploding, hook) in (12, 13, 16)


def test_no_decrease_lets_a_good_run_go_on(improving):
    """stop_if_no_decrease_hook does not stop a run that improves."""
    hook = experimental.stop_if_no_decrease_hook(improving, 'loss', 8, **every_step())
    assert stopped_at(improving, hook, 24) == 24


def test_no_increase(improving):
    """stop_if_no_increase_hook stops when the metric has not risen."""
    hook = experimental.stop_if_no_increase_hook(improving, 'mae', 8, **every_step())
    assert stopped_at(improving, hook) < 20


def test_lower(improving):
    """stop_if_lower_hook stops below a threshold."""
    # mean |y| is 5, and the error shrinks by 1 - 0.015 a step.
    hook = experimental.stop_if_lower_hook(improving, 'mae', 4.5, **every_step())
    assert stopped_at(improving, hook) in (8, 9, 12)


def test_higher(exploding):
    """stop_if_higher_hook stops above a threshold."""
    hook = experimental.stop_if_higher_hook(exploding, 'mae', 6.0, **every_step(min_steps=2))
    assert stopped_at(exploding, hook) < 12


def test_custom_reason_to_stop(improving):
    """make_early_stopping_hook stops when a function says so, and names bad arguments."""
    answers = iter([False, False, True])
    hook = experimental.make_early_stopping_hook(improving, lambda: next(answers), **every_step())
    improving.train(line(), hooks=[hook], steps=40)
    assert improving.get_variable_value('global_step') <= 4
    with pytest.raises(TypeError, match='estimator'):
        experimental.make_early_stopping_hook('model', lambda: True)
    with pytest.raises(ValueError, match='run_every'):
        experimental.make_early_stopping_hook(improving, lambda: True, run_every_secs=1, run_every_steps=1)


def test_stop_at_checkpoint_step(improving):
    """make_stop_at_checkpoint_step_hook stops where the checkpoint says the run has ended."""
    improving.train(line(), steps=6)
    hook = experimental.make_stop_at_checkpoint_step_hook(
        improving, last_step=6, wait_after_file_check_secs=0
    )
    assert isinstance(hook, tf.train.SessionRunHook)
    improving.train(line(), hooks=[hook])
    assert improving.get_variable_value('global_step') in (6, 7)


def test_in_memory_evaluator(tmp_path):
    """InMemoryEvaluatorHook evaluates the weights in memory, every n steps, into the eval folder."""
    model = slope_estimator(tmp_path)
    hook = experimental.InMemoryEvaluatorHook(model, line(epochs=1), every_n_iter=2)
    model.train(line(), hooks=[hook], steps=5)
    from tests.conformance.helpers import scalars

    assert [step for step, _ in scalars(tmp_path / 'eval', 'loss')] == [0, 2, 4, 5]
