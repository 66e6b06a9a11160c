import contextlib
import os
import re
import signal
import sys

import pytest

from estimator_lab.base.interrupts import handled, stops_within
from estimator_lab.tf1 import tf
from estimator_lab.training import hooks
from estimator_lab.training.hooks import (
    EvaluationHook,
    Pauses,
    ProgressHook,
    StopTrainingHook,
    StopWorkerHook,
)
from estimator_lab.training.interrupt import Interrupted, StopSwitch
from tests.counting import run_steps


def scalars(folder):
    return {
        (event.step, value.tag): value.simple_value
        for path in folder.glob('events*')
        for event in tf.train.summary_iterator(str(path))
        for value in event.summary.value
    }


@pytest.fixture
def progress(tmp_path):
    return ProgressHook(100, batch_size=8, pauses=Pauses(), every_n_steps=4, output_dir=str(tmp_path))


def test_speed_is_written_every_n_steps(progress, tmp_path):
    run_steps([progress], 20)
    tf.summary.FileWriterCache.clear()
    found = scalars(tmp_path)
    assert {tag for _, tag in found} == {'global_step/sec', 'examples_per_second'}
    assert len(found) // 2 in (4, 5)
    for (step, tag), value in found.items():
        if tag == 'global_step/sec':
            assert found[step, 'examples_per_second'] == pytest.approx(8 * value)


def test_a_pause_lasts_from_its_first_beginning_to_its_end(monkeypatch):
    now = iter([10.0, 15.0, 20.0, 27.0])
    monkeypatch.setattr('estimator_lab.training.hooks.time.monotonic', lambda: next(now))
    pauses = Pauses()
    pauses.begin()  # the graph is built
    pauses.begin()  # the evaluation begins
    pauses.end()
    assert pauses.seconds == 5
    pauses.end()
    pauses.begin()
    pauses.end()
    assert pauses.seconds == 12


@pytest.fixture
def shown(monkeypatch, capsys):
    """Returns what is printed, without delay."""
    for name in ('_PLAIN_SECONDS', '_TERMINAL_SECONDS'):
        monkeypatch.setattr(f'estimator_lab.base.progress.{name}', 0.0)
    return lambda: capsys.readouterr().out


def test_progress_in_plain_lines(progress, shown):
    run_steps([progress], 10)
    lines = shown().splitlines()
    assert len(lines) >= 5
    assert lines[0].startswith('step ') and lines[0].endswith(' examples/s')
    assert '/100  loss 0.2500  ' in lines[0]


def test_progress_on_a_terminal_is_one_line_that_goes_away(progress, shown, monkeypatch):
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True)
    run_steps([progress], 10)
    text = shown()
    assert '\n' not in text and text.count('\r\033[Kstep') >= 5 and text.endswith('\r\033[K')


def test_progress_shows_the_step_that_was_taken_but_not_right_after_its_evaluation(progress, shown):
    class Evaluation(tf.train.SessionRunHook):
        """Evaluates after step 4, as a checkpoint's listener does."""

        def after_run(self, run_context, run_values):
            if int(run_context.session.run(tf.train.get_global_step())) == 4:
                progress.pauses.begin()

    run_steps([Evaluation(), progress], 6)
    assert re.findall(r'step +(\d+)/100', shown()) == ['2', '3', '5', '6']
    assert not progress.pauses.has_begun


def test_the_time_left_leaves_out_pauses(progress, shown, monkeypatch):
    now = [0.0]
    monkeypatch.setattr('time.monotonic', lambda: now[0])

    class Clock(tf.train.SessionRunHook):
        """Takes a second for each step, and 500 for an evaluation after step 4."""

        def after_run(self, run_context, run_values):
            now[0] += 1
            if now[0] == 4:
                progress.pauses.begin()
                now[0] += 500

    run_steps([Clock(), progress], 6)
    left = re.findall(r'step +(\d+)/100 .*?([\d:]+) left  1.0 steps/s', shown())
    assert left == [('2', '1:38'), ('3', '1:37'), ('5', '1:35'), ('6', '1:34')]


def test_progress_of_an_evaluation(shown):
    pauses = Pauses()
    run_steps([EvaluationHook(StopSwitch(), pauses, 8, 12, 'images')], 2)
    assert shown().splitlines() == ['evaluating 8 of 12 images', 'evaluating 12 of 12 images']
    pauses.end()
    assert pauses.seconds > 0


def test_the_switch_ends_training_after_a_step_and_an_evaluation_before_and_within():
    switch = StopSwitch()
    hook = EvaluationHook(switch, Pauses(), 8, None, 'images')
    hook.begin()
    hook.after_run(None, None)
    switch.on = True
    for call in (hook.begin, lambda: hook.after_run(None, None)):
        with pytest.raises(Interrupted):
            call()
    with pytest.raises(Interrupted):
        run_steps([StopTrainingHook(switch)])
    switch.on = False
    training = StopTrainingHook(switch)
    assert run_steps([training, tf.train.FeedFnHook(lambda: vars(switch).update(on=True) or {})]) == 1
    assert training.over
    switch.on = False
    following = StopTrainingHook(switch, follows=True)
    assert run_steps([following, tf.train.FeedFnHook(lambda: vars(switch).update(on=True) or {})], 3) == 3


def test_an_asynchronous_worker_ends_when_the_chief_has_saved(monkeypatch):
    """The chief goes back to step 2 first, as it was killed; the worker then takes steps 3 to 5 again."""
    monkeypatch.setattr(hooks, '_CHIEF_POLL_SECONDS', 0)
    steps, looks = [], iter([False, False, True])

    def finished():
        assert worker.waits
        look = next(looks)
        if steps == [1, 2, 3, 4]:
            session._tf_sess().run(back)
        return look

    with tf.Graph().as_default():
        step = tf.train.create_global_step()
        count, back = tf.assign_add(step, 1), tf.assign(step, 2)
        worker = StopWorkerHook(StopSwitch(), 5, finished)
        with tf.train.MonitoredSession(hooks=[worker]) as session:
            while not session.should_stop():
                steps.append(session.run(count))
    assert steps == [1, 2, 3, 4, 5, 3, 4, 5] and worker.over


@pytest.fixture
def handlers():
    """Sets the usual handlers; a shell may have set others, which Python leaves."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_turns_the_switch_on_and_the_second_raises(handlers, number):
    with StopSwitch().listening() as switch:
        os.kill(os.getpid(), number)
        assert switch.on
        with pytest.raises(Interrupted):
            switch.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_with_nothing_to_save_the_first_signal_raises(handlers):
    with StopSwitch().listening() as switch:
        switch.may_leave = True
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_whose_interrupt_was_swallowed_turns_the_next_switch_on(handlers):
    with handled(signal.default_int_handler, lambda: None):
        with contextlib.suppress(KeyboardInterrupt):  # as callbacks of native code swallow it
            os.kill(os.getpid(), signal.SIGINT)
            stops_within(10)
        assert stops_within(10)
        with StopSwitch().listening() as switch, pytest.raises(Interrupted):
            switch.check()


def test_a_closed_terminal_is_ignored_after_nohup(handlers):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSwitch().listening() as switch:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not switch.on
