"""Signals are heard at once, and end inputs that are stuck and processes that do not end."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from estimator_lab.base import interrupts
from estimator_lab.base.interrupts import Interrupted, StopSwitch, handled, stops_within, until_stopped
from tests.support.places import ROOT


@pytest.fixture(autouse=True)
def usual_handlers():
    """A shell starts what runs in the background with SIGINT ignored, and Python leaves it so."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    for number, handler in before.items():
        signal.signal(number, handler)


def test_items_arrive_in_order_each_when_it_is_requested():
    read = []

    def items():
        for number in range(3):
            read.append(number)
            yield number
        raise ZeroDivisionError

    found = until_stopped(items())
    assert next(found) == 0 and read == [0]
    assert next(found) == 1 and read == [0, 1]
    assert next(found) == 2
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_an_input_that_is_left_early_is_closed():
    closed = []

    def items():
        try:
            yield from range(9)
        finally:
            closed.append(threading.current_thread())

    found = until_stopped(items())
    next(found)
    found.close()
    assert len(closed) == 1 and not closed[0].is_alive()


def test_a_signal_ends_an_input_that_is_stuck():
    arrives = threading.Event()

    def items():
        yield 'first'
        arrives.wait()
        yield 'never'

    heard = threading.Event()
    with handled(lambda number, frame: None, heard.set):
        threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()
        assert list(until_stopped(items())) == ['first']
        assert heard.wait(300)
        assert list(until_stopped([1])) == [], 'nor does another input begin'
    arrives.set()
    assert list(until_stopped([1])) == [1]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_turns_the_switch_on_and_the_second_raises(number):
    with StopSwitch().listening() as switch:
        switch.check()
        os.kill(os.getpid(), number)
        assert switch.on
        with pytest.raises(Interrupted):
            switch.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert switch.number == number


def test_a_signal_whose_interrupt_was_swallowed_turns_the_next_switch_on():
    with handled(signal.default_int_handler, lambda: None):
        with contextlib.suppress(KeyboardInterrupt):  # as callbacks of native code swallow it
            os.kill(os.getpid(), signal.SIGINT)
            stops_within(10)
        assert stops_within(10)
        with StopSwitch().listening() as switch, pytest.raises(Interrupted):
            switch.check()


def test_a_closed_terminal_is_ignored_after_nohup():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSwitch().listening() as switch:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not switch.on


def test_code_that_expects_any_error_does_not_hide_a_stop():
    """TensorFlow raises a TypeError for any Exception while it binds the arguments of a tf.function."""

    def call():
        try:
            signal.raise_signal(signal.SIGINT)
        except Exception as error:
            raise TypeError('Binding inputs to tf.function failed') from error

    with StopSwitch().listening() as stop:
        stop.may_leave = True
        with pytest.raises(Interrupted):
            call()


STUCK = """
import contextlib, hashlib, signal, threading
from estimator_lab.base import interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)
interrupts._EXIT_SECONDS = 0.2
with interrupts.ended_by_signals(), {context}:
    threading.Timer(1, lambda: print('ready', flush=True)).start()
    hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)  # minutes in native code
"""


@pytest.mark.parametrize(('context', 'signals'), [('contextlib.nullcontext()', 1), ('interrupts.saves()', 2)])
def test_a_process_in_native_code_ends(context, signals):
    command = [sys.executable, '-c', STUCK.format(context=context)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b'ready\n'
    for number in (signal.SIGINT, signal.SIGTERM)[: signals - 1]:
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):  # it may be saving
            process.wait(1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=300)
    first = signal.SIGTERM if signals == 1 else signal.SIGINT
    assert (process.returncode, err) == (128 + first, b'error: Stopped.\n')


def test_a_signal_in_a_destructor_turns_the_switch_on_and_prints_nothing(monkeypatch):
    class Destroyed(SimpleNamespace):
        def __del__(self):
            self.act()

    ignored = []
    monkeypatch.setattr(sys, 'unraisablehook', lambda one: ignored.append(one.exc_type))
    switch = StopSwitch()
    with switch.listening():
        switch.may_leave = True
        Destroyed(act=lambda: os.kill(os.getpid(), signal.SIGINT))
        assert switch.on and ignored == []
        Destroyed(act=lambda: 1 / 0)
    assert ignored == [ZeroDivisionError]


def test_the_first_signal_interrupts_a_command_silently_and_a_second_one_nothing(monkeypatch):
    """Both begin timers that would end the process, which are cancelled; hooks are as they were."""
    begun, cancelled, both = [], [], threading.Event()

    def begin(seconds, end, is_second):
        begun.append((seconds, is_second))
        if is_second:
            both.set()
        return SimpleNamespace(cancel=lambda: cancelled.append(is_second))

    monkeypatch.setattr(interrupts, '_daemon_timer', begin)
    hook = sys.excepthook
    with interrupts.ended_by_signals() as heard:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert heard.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert both.wait(300) and sys.excepthook(ValueError, ValueError(), None) is None
    assert sys.excepthook is hook
    assert (begun, cancelled) == ([(4.0, False), (0.5, True)], [False, True])


def test_blocks_within_each_other_hear_one_after_the_other_and_other_threads_nothing():
    heard, both = [], threading.Event()

    def outside():
        heard.append('outside')
        both.set()

    with handled(lambda number, frame: heard.append('not called'), outside):
        with handled(lambda number, frame: heard.append(number), lambda: heard.append('inside')):
            signal.raise_signal(signal.SIGINT)
            assert both.wait(300)
        assert interrupts.stop_signal() == signal.SIGINT and list(until_stopped([1])) == []
    assert sorted(map(str, heard)) == ['2', 'inside', 'outside'] and list(until_stopped([1])) == [1]
    before = signal.getsignal(signal.SIGINT)

    def elsewhere():
        with handled(lambda number, frame: None, lambda: None):
            heard.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert heard[-1] is before


LEFT = """
import atexit, threading
from estimator_lab.base import interrupts
atexit.register(print, 'registered')
threading.Thread(target=threading.Event().wait).start()  # never ends
print('said', end=' ')
interrupts.leave(3)
"""


def test_leaving_waits_for_no_thread_but_loses_nothing(run_python):
    done = run_python('-c', LEFT)
    assert (done.returncode, done.stdout, done.stderr) == (3, 'said registered\n', '')
