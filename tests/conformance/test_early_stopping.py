"""Early stopping."""

import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import line, slope_estimator

pytestmark = [pytest.mark.both, pytest.mark.trains]

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
