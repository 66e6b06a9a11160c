import io
import os
import signal
import threading

import pytest

from estimator_lab.tf1 import tf
from estimator_lab.training.hooks import (
    Interrupted,
    ProgressHook,
    SpeedHook,
    StopSwitch,
    StopTrainingHook,
    clock,
)


def run_steps(hooks, steps=None):
    """Runs a loop that only counts; returns the last global step."""
    with tf.Graph().as_default():
        step = tf.train.create_global_step()
        tf.add_to_collection(tf.GraphKeys.LOSSES, tf.constant(0.25))
        count = tf.assign_add(step, 1)
        stop = [tf.train.StopAtStepHook(steps)] if steps else []
        with tf.train.MonitoredSession(hooks=[*hooks, *stop]) as session:
            while not session.should_stop():
                last = session.run(count)
        return last


def scalars(folder):
    return {
        (event.step, value.tag): value.simple_value
        for path in folder.glob('events*')
        for event in tf.train.summary_iterator(str(path))
        for value in event.summary.value
    }


def test_speed_is_written_every_n_steps(tmp_path):
    run_steps([SpeedHook(batch_size=8, every_n_steps=4, output_dir=str(tmp_path))], 20)
    tf.summary.FileWriterCache.clear()
    found = scalars(tmp_path)
    assert {tag for _, tag in found} == {'global_step/sec', 'examples_per_second'}
    assert len(found) // 2 in (4, 5)
    for (step, tag), value in found.items():
        if tag == 'global_step/sec':
            assert found[step, 'examples_per_second'] == pytest.approx(8 * value)


def test_progress_in_plain_lines(monkeypatch):
    monkeypatch.setattr('estimator_lab.training.hooks._PLAIN_SECONDS', 0.0)
    stream = io.StringIO()
    run_steps([ProgressHook(max_steps=100, batch_size=8, stream=stream)], 10)
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 5
    assert lines[0].startswith('step ') and '/100  loss 0.2500  ' in lines[0] and lines[0].endswith(' left')


def test_progress_on_a_terminal_is_one_line_that_goes_away(monkeypatch):
    monkeypatch.setattr('estimator_lab.training.hooks._TERMINAL_SECONDS', 0.0)
    stream = io.StringIO()
    stream.isatty = lambda: True
    run_steps([ProgressHook(100, 8, stream)], 10)
    text = stream.getvalue()
    assert '\n' not in text and text.count('\r\033[Kstep') >= 5 and text.endswith('\r\033[K')


def test_the_switch_ends_training_behind_a_step():
    switch = StopSwitch()
    switch.on = True
    assert run_steps([StopTrainingHook(switch)]) == 1


def test_first_signal_turns_the_switch_on_and_the_second_is_python_s_own():
    switch = StopSwitch()
    # A shell starts what runs in the background with SIGINT ignored, and Python leaves it so.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), switch.listening():
            os.kill(os.getpid(), signal.SIGINT)
            assert switch.on
            with pytest.raises(Interrupted):
                switch.check()
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_nothing_listens():
    def listen():
        with StopSwitch().listening() as switch:
            switch.check()
            seen.append(signal.getsignal(signal.SIGINT))

    seen = []
    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


@pytest.mark.parametrize(
    ('seconds', 'text'), [(0, '0:00'), (59.6, '1:00'), (61, '1:01'), (3600, '1:00:00'), (7325, '2:02:05')]
)
def test_clock(seconds, text):
    assert clock(seconds) == text
