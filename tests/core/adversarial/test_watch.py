import math
import re

import pytest

from estimator_lab.core.adversarial.watch import CollapseHook, CollapseWatch
from estimator_lab.tf1 import tf

WELL = {'diversity': 0.9, 'real': 0.8, 'fake': 0.8, 'norm': 1.0}


def warnings_of(watch, looks=60, **changes):
    return [warning for look in range(looks) for warning in watch.look(10 * (look + 1), {**WELL, **changes})]


def test_a_game_that_goes_well_is_left_alone():
    assert warnings_of(CollapseWatch()) == []


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'diversity': 0.1}, 'differ from each other only 0.10 times as much as the images do'),
        (
            {'real': 1.0, 'fake': 1.0},
            r'recognises nearly all of the last images \(100.0%\) and fakes \(100.0%\)',
        ),
        ({'norm': math.nan}, 'a gradient is not finite'),
    ],
)
def test_trouble_is_told_once_with_what_to_change(changes, sentence):
    (warning,) = warnings_of(CollapseWatch(), **changes)
    assert warning.startswith('step ') and 'try' in warning and '--hparams=' in warning
    assert re.search(sentence, warning)


def test_the_first_steps_and_a_single_look_are_no_collapse():
    watch = CollapseWatch()
    assert warnings_of(watch, looks=25, diversity=0.0) == [], 'steps up to 250'
    assert warnings_of(CollapseWatch(), looks=60) == []
    assert watch.look(5000, {**WELL, 'diversity': 0.9}) != [], 'its mean still says so'


def test_a_critic_may_always_be_right():
    assert warnings_of(CollapseWatch(critic=True), real=1.0, fake=1.0) == []


def test_the_hook_looks_at_every_tenth_step(caplog):
    class Counting(CollapseWatch):
        steps = ()

        def look(self, step, values):
            self.steps += (step,)
            return super().look(step, values)

    with tf.Graph().as_default():
        step = tf.train.create_global_step()
        watch = Counting()
        values = {name: tf.constant(value) for name, value in {**WELL, 'norm': math.nan}.items()}
        count = tf.assign_add(step, 1)
        with tf.train.SingularMonitoredSession([CollapseHook(values, watch)]) as session:
            for _ in range(25):
                session.run(count)
    assert len(watch.steps) == 3
    assert caplog.text.count('a gradient is not finite') == 1
