import io

import pytest

from estimator_lab.tf1 import tf
from estimator_lab.training.hooks import PauseHook, Pauses, ProgressHook, SpeedHook
from tests.counting import run_steps


def scalars(folder):
    return {
        (event.step, value.tag): value.simple_value
        for path in folder.glob('events*')
        for event in tf.train.summary_iterator(str(path))
        for value in event.summary.value
    }


def test_speed_is_written_every_n_steps(tmp_path):
    run_steps([SpeedHook(batch_size=8, every_n_steps=4, output_dir=str(tmp_path), pauses=Pauses())], 20)
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
    PauseHook(pauses).begin()
    pauses.end()
    assert pauses.seconds == 5
    pauses.end()
    PauseHook(pauses).begin()  # the graph is there
    pauses.end()
    assert pauses.seconds == 12


def test_progress_in_plain_lines(monkeypatch):
    monkeypatch.setattr('estimator_lab.training.hooks._PLAIN_SECONDS', 0.0)
    stream = io.StringIO()
    run_steps([ProgressHook(max_steps=100, batch_size=8, pauses=Pauses(), stream=stream)], 10)
    lines = stream.getvalue().splitlines()
    assert len(lines) >= 5
    assert lines[0].startswith('step ') and lines[0].endswith(' examples/s')
    assert '/100  loss 0.2500  ' in lines[0]


def test_progress_on_a_terminal_is_one_line_that_goes_away(monkeypatch):
    monkeypatch.setattr('estimator_lab.training.hooks._TERMINAL_SECONDS', 0.0)
    stream = io.StringIO()
    stream.isatty = lambda: True
    run_steps([ProgressHook(100, 8, Pauses(), stream)], 10)
    text = stream.getvalue()
    assert '\n' not in text and text.count('\r\033[Kstep') >= 5 and text.endswith('\r\033[K')
