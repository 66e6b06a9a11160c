import io
import sys
import time

import pytest

from estimator_lab.base import activity
from estimator_lab.base.activity import clear_activity, doing, shown_activity
from estimator_lab.base.progress import StatusLine, say

pytestmark = pytest.mark.once


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(activity, '_LOOK_SECONDS', 0.001)
    monkeypatch.setattr(activity, '_TERMINAL_SECONDS', 0.0)


def wait_for(text, stream):
    while text not in stream.getvalue():
        time.sleep(0.001)


def test_a_task_is_shown_with_its_seconds_until_something_is_printed(quick, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, 'stdout', screen)
    with shown_activity(rows_on_stdout=False):
        doing('building')
        wait_for('building  (0 s)', screen)
        status = StatusLine(first_seconds=0)
        status.show('step 1/2')
        wait_for('step 1/2  (0 s)', screen)
        status.close()
        doing('')
        say('done')
    assert screen.getvalue().endswith('\r\033[Kdone\n')


def test_elsewhere_it_is_one_plain_line_and_rows_stay_alone(quick, monkeypatch):
    for rows, shown in ((False, 'building\n'), (True, '')):
        out = io.StringIO()
        monkeypatch.setattr(sys, 'stdout', out)
        with shown_activity(rows):
            doing('building', plain=True)
            time.sleep(0.05)  # many looks
        assert out.getvalue() == shown


def test_rows_on_a_terminal_begin_on_an_empty_line(quick, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, 'stdout', screen)
    with shown_activity(rows_on_stdout=True):
        doing('predicting')
        wait_for('predicting', screen)
        doing('')
        clear_activity()
        screen.write('key,label\n')
    assert screen.getvalue().endswith('\r\033[Kkey,label\n')


def test_nothing_is_shown_outside_a_command(capsys):
    doing('building', plain=True)
    assert capsys.readouterr() == ('', '')
