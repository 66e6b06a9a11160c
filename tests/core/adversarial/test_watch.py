import math

import pytest

from estimator_lab.core.adversarial.watch import CollapseHook
from estimator_lab.tf1 import tf

WELL = {'diversity': 0.9, 'real': 0.8, 'fake': 0.8, 'norm': 1.0}


def look(hook, looks=60, **changes):
    for number in range(1, looks + 1):
        hook.look(10 * number, {**WELL, **changes})


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'diversity': 0.1}, 'differ from each other only 0.10 times as much as the images do'),
        ({'real': 1.0, 'fake': 1.0}, 'recognises nearly all of the last images (100.0%) and fakes (100.0%)'),
        ({'norm': math.nan}, 'a gradient is not finite'),
    ],
)
def test_one_warning_says_what_goes_wrong_and_what_to_change(caplog, changes, sentence):
    look(CollapseHook({}), **changes)
    (warning,) = caplog.messages
    assert warning.startswith('step ') and 'try' in warning and '--hparams=' in warning
    assert sentence in warning


def test_no_warning_of_a_good_run_and_of_a_critic_that_is_always_right(caplog):
    look(CollapseHook({}))
    look(CollapseHook({}, critic=True), real=1.0, fake=1.0)
    assert not caplog.messages


def test_collapse_counts_from_step_300_and_is_a_mean(caplog):
    hook = CollapseHook({})
    look(hook, looks=25, diversity=0.0)
    assert not caplog.messages, 'steps up to 250'
    hook.look(5000, WELL)
    assert len(caplog.messages) == 1, 'the mean of the last 20 is still low'


def test_the_hook_looks_at_every_tenth_step(caplog, monkeypatch):
    steps = []
    monkeypatch.setattr(CollapseHook, 'look', lambda hook, step, values: steps.append((step, values)))
    with tf.Graph().as_default():
        count = tf.assign_add(tf.train.create_global_step(), 1)
        values = {name: tf.constant(value) for name, value in WELL.items()}
        with tf.train.SingularMonitoredSession([CollapseHook(values)]) as session:
            for _ in range(25):
                session.run(count)
    assert len(steps) == 3 and steps[0][1] == pytest.approx(WELL)
