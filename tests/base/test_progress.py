import io
import os
import sys

import pytest

from estimator_lab.base import progress
from estimator_lab.base.errors import LabError
from estimator_lab.base.progress import (
    Progress,
    clear_status,
    doing,
    open_closed_streams,
    say,
    say_rows,
    showing_tasks,
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal(monkeypatch):
    """Makes standard output a terminal; returns it."""
    stream = Terminal()
    monkeypatch.setattr(sys, 'stdout', stream)
    return stream


def test_a_task_is_the_status_line_until_something_is_printed(monkeypatch):
    screen = terminal(monkeypatch)
    with showing_tasks(rows_on_stdout=False):
        doing('opening')
        doing('building')
        say('done')
        say('more')
        doing('writing')
    assert screen.getvalue() == ('\r\033[Kopening\r\033[Kbuilding\r\033[Kdone\nmore\n\r\033[Kwriting\r\033[K')


def test_tasks_are_not_shown_elsewhere_unless_plain_and_rows_stay_alone(monkeypatch):
    for rows, shown in ((False, 'loading\n'), (True, '')):
        out = io.StringIO()
        monkeypatch.setattr(sys, 'stdout', out)
        with showing_tasks(rows):
            doing('loading', plain=True)
            doing('building')
        assert out.getvalue() == shown


def test_rows_on_a_terminal_begin_on_an_empty_line(monkeypatch):
    screen = terminal(monkeypatch)
    with showing_tasks(rows_on_stdout=True):
        doing('predicting')
        clear_status()
        screen.write('key,label\n')
    assert screen.getvalue() == '\r\033[Kpredicting\r\033[Kkey,label\n'


def test_tasks_are_not_shown_outside_a_command(monkeypatch):
    screen = terminal(monkeypatch)
    doing('building', plain=True)
    assert screen.getvalue() == ''


@pytest.fixture
def now(monkeypatch):
    time = [100.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: time[0])
    return time


def test_plain_lines_are_10_seconds_apart(now):
    stream = io.StringIO()
    bar = Progress('Counting', stream)
    for second in range(1, 31):
        now[0] += 1
        bar(f'{second} sheep', second / 40)
    bar.close()
    assert stream.getvalue().splitlines() == [
        'Counting   25%  10 sheep  0:30 left',
        'Counting   50%  20 sheep  0:20 left',
        'Counting   75%  30 sheep  0:10 left',
    ]


def test_a_terminal_has_a_bar_that_goes_away(now):
    stream = Terminal()
    bar = Progress('Counting', stream)
    now[0] += 30
    bar('30 sheep', 0.25)
    bar('31 sheep', 0.26)  # too early
    assert stream.getvalue() == f'\r\033[KCounting  [######{" " * 18}]  25%  30 sheep  1:30 left'
    bar.close()
    assert stream.getvalue().endswith('\r\033[K')


def test_names_in_what_is_said_are_made_printable(now, capsys):
    stream = Terminal()
    bar = Progress('Indexing \x1b[2J\n.tar', stream)
    now[0] += 30
    bar('\u202e', 0.5)
    assert stream.getvalue().startswith('\r\033[KIndexing \\x1b[2J\\x0a.tar  [')
    assert '\\u202e' in stream.getvalue()
    progress.say('a\x9bb\n')
    progress.warn('\x07')
    assert capsys.readouterr() == ('a\\u009bb\\x0a\n', '\\x07\n')


def test_what_a_full_disk_did_not_take_is_told_once(monkeypatch, tmp_path):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, 'No space left on device')

        def fileno(self):
            return file.fileno()

    with (tmp_path / 'out').open('w') as file:
        monkeypatch.setattr(progress.sys, 'stdout', Full())
        progress.say('lost')
        with pytest.raises(LabError, match=r'^Standard output cannot be written: No space left on device\.$'):
            progress.check_said()
    progress.check_said()


def test_a_long_line_is_cut_rather_than_scrolled(monkeypatch):
    monkeypatch.setenv('COLUMNS', '12')
    stream = Terminal()
    Progress(stream=stream).show('step 450/500  loss 0.1234')
    assert stream.getvalue() == '\r\033[Kstep 450/50'


def test_work_without_a_known_share_has_a_title_and_no_bar(now):
    """Nor has a share of 0, after which nothing is known of the time that is left."""
    shown = []
    bar = Progress('Counting', show_line=shown.append)
    for share in (None, 0.0):
        now[0] += 10
        bar('7 sheep', share)
    assert shown == ['Counting: 7 sheep'] * 2


def test_rows_are_in_columns(capsys):
    say_rows([('Labels', '2: a 3, b 1'), ('', 'more')])
    assert capsys.readouterr().out == 'Labels           2: a 3, b 1\n                 more\n'


def test_closed_streams_are_replaced_and_open_ones_are_not(monkeypatch):
    kept = io.StringIO()
    monkeypatch.setattr(sys, 'stdout', None)
    monkeypatch.setattr(sys, 'stderr', kept)
    open_closed_streams()
    with sys.stdout as opened:
        assert opened.name == os.devnull and sys.stderr is kept
