"""Session hooks, and the switch that signals turn on."""

import errno
import re
import sys
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError
from estimator_lab.base.interrupts import Interrupted, StopSwitch
from estimator_lab.base.progress import say
from estimator_lab.runs.event_files import scalars_in
from estimator_lab.tf1 import tf
from estimator_lab.training.hooks import CheckpointListener, EvaluationHook, ProgressHook, StopTrainingHook

pytestmark = [pytest.mark.both, pytest.mark.trains]


class FakeWatch:
    """Stands in for `cluster.Watch`."""

    has_begun = is_over = False


def run_steps(hooks, steps=None):
    """Runs a training loop that only counts its steps; returns the last global step."""
    with tf.Graph().as_default():
        step = tf.train.create_global_step()
        tf.add_to_collection(tf.GraphKeys.LOSSES, tf.constant(0.25))
        count = tf.assign_add(step, 1)
        stop = [tf.train.StopAtStepHook(steps)] if steps else []
        with tf.train.MonitoredSession(hooks=[*hooks, *stop]) as session:
            while not session.should_stop():
                last = session.run(count)
        return last


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, as a list of one number."""
    now = [0.0]
    monkeypatch.setattr('time.monotonic', lambda: now[0])
    return now


@pytest.fixture
def ticks(clock):
    """A hook that takes 20 seconds for each step."""

    class Clock(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            clock[0] += 20

    return Clock()


@pytest.fixture
def progress(tmp_path):
    def make(show=say):
        return ProgressHook(100, batch_size=8, every_n_steps=4, output_dir=str(tmp_path), say=show)

    return make


def test_speed_is_written_every_n_steps(progress, tmp_path):
    run_steps([progress()], 20)
    tf.summary.FileWriterCache.clear()
    (path,) = tmp_path.glob('events*')
    steps, examples = (
        dict(scalars_in(path, tag, pytest.fail)) for tag in ('global_step/sec', 'examples_per_second')
    )
    assert len(steps) in (4, 5)
    assert examples == pytest.approx({step: 8 * speed for step, speed in steps.items()})


def test_steps_that_a_lost_parameter_server_takes_along_are_named(progress, session):
    """A session that replaces another goes on from the newest checkpoint."""
    said = []
    hook = progress(said.append)
    run_steps([hook], 20)
    hook._fetches = {'step': tf.constant(12)}
    hook.after_create_session(session, None)
    hook.after_create_session(session, None)
    (line,) = [each for each in said if each.startswith('Back ')]
    assert line.startswith('Back from step 19 to 12, of the newest checkpoint') or 'step 20 to 12' in line


def test_progress_in_plain_lines(progress, ticks, capsys):
    run_steps([ticks, progress()], 10)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 5
    assert lines[0].startswith('step ') and lines[0].endswith(' examples/s')
    assert '/100  loss 0.2500  ' in lines[0]


def test_progress_on_a_terminal_is_one_line_that_goes_away(progress, ticks, capsys, monkeypatch):
    """Progress by a function leaves the terminal alone."""
    monkeypatch.setattr(sys.stdout, 'isatty', lambda: True)
    run_steps([ticks, progress()], 10)
    text = capsys.readouterr().out
    assert '\n' not in text and text.count('\r\033[Kstep') >= 5 and text.endswith('\r\033[K')
    said = []
    run_steps([ticks, progress(said.append)], 10)
    assert len(said) >= 5 and said[0].startswith('step ') and capsys.readouterr().out == ''


def test_the_time_left_leaves_out_evaluations(progress, ticks, clock):
    said = []
    shown = progress(said.append)

    class Evaluation(tf.train.SessionRunHook):
        """Takes 5,000 seconds after step 4, as a checkpoint's listener does."""

        def after_run(self, run_context, run_values):
            if int(run_context.session.run(tf.train.get_global_step())) == 4:
                clock[0] += 5000
                shown.restart()

    run_steps([ticks, shown, Evaluation()], 7)
    left = [re.search(r'step +(\d+)/100 .*?([\d:]+) left', line).groups() for line in said]
    times = {'2': '32:40', '3': '32:20', '4': '32:00', '6': '31:20', '7': '31:00'}
    assert left == list(times.items())


def test_progress_of_an_evaluation(ticks):
    said = []
    run_steps([ticks, EvaluationHook(StopSwitch(), None, 8, 12, 'images', said.append)], 2)
    assert said == ['evaluating 8 of 12 images', 'evaluating 12 of 12 images']


def test_the_switch_ends_training_after_a_step_and_an_evaluation_before_and_within():
    switch = StopSwitch()
    hook = EvaluationHook(switch, None, 8, None, 'images', say)
    hook.begin()
    hook.after_run(None, None)
    switch.on = True
    for call in (hook.begin, lambda: hook.after_run(None, None)):
        with pytest.raises(Interrupted):
            call()
    with pytest.raises(Interrupted):
        run_steps([StopTrainingHook(switch, FakeWatch())])
    for follows, steps in ((False, 1), (True, 3)):
        switch.on = False
        training = StopTrainingHook(switch, FakeWatch(), follows=follows)
        turn_on = tf.train.FeedFnHook(lambda: vars(switch).update(on=True) or {})
        assert run_steps([training, turn_on], 3) == steps
        assert training.watch.has_begun and training.watch.is_over


def test_a_checkpoint_that_cannot_be_listed_is_not_taken_for_a_synced_one(tmp_path, monkeypatch):
    listener = CheckpointListener(tmp_path)
    for name in ('model.ckpt-3.index', 'checkpoint'):
        (tmp_path / name).touch()
    listener.after_save(None, 3)
    monkeypatch.setattr(Path, 'iterdir', lambda self: (_ for _ in ()).throw(OSError(errno.EIO, 'Input')))
    with pytest.raises(DataError, match='cannot be read'):
        listener.after_save(None, 3)
