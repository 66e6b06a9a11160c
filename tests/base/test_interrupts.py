"""Signals are heard at once, and end inputs that are stuck and processes that do not end."""

import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from estimator_lab.base.interrupts import Interrupted, StopSwitch, handled, until_stopped
from tests.support.places import ROOT


@pytest.fixture
def default_sigint():
    """A shell starts what runs in the background with SIGINT ignored, and Python leaves it so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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


def test_a_signal_ends_an_input_that_is_stuck(default_sigint):
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
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_signal_does_not_wait_for_a_step(default_sigint):
    with StopSwitch().listening() as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted):
            stop.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert stop.number == signal.SIGINT


def test_code_that_expects_any_error_does_not_hide_a_stop(default_sigint):
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


def test_a_signal_in_a_destructor_turns_the_switch_on_and_prints_nothing(default_sigint, monkeypatch):
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
