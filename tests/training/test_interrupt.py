import os
import signal
import threading

import pytest

from estimator_lab.training.interrupt import (
    Interrupted,
    StopEvaluationHook,
    StopSwitch,
    StopTrainingHook,
)
from tests.counting import run_steps


def test_the_switch_ends_training_behind_a_step():
    switch = StopSwitch()
    switch.on = True
    assert run_steps([StopTrainingHook(switch)]) == 1


def test_the_switch_lets_no_evaluation_begin():
    switch = StopSwitch()
    StopEvaluationHook(switch).begin()
    switch.on = True
    with pytest.raises(Interrupted):
        StopEvaluationHook(switch).begin()


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


def test_a_closed_terminal_asks_to_stop_unless_it_is_ignored():
    before = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with StopSwitch().listening() as switch:
            os.kill(os.getpid(), signal.SIGHUP)
            assert switch.on
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
        with StopSwitch().listening() as switch:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not switch.on
    finally:
        signal.signal(signal.SIGHUP, before)


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
