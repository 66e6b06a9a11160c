"""Settings that are refused before TensorFlow is loaded and any data is read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.training.checks import check_settings
from estimator_lab.training.settings import Settings
from tests.support.places import ROOT

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ({'epochs': 1, 'max_steps': 1}, 'max_steps and epochs exclude each other: give one of them.'),
        ({'epochs': 0}, 'epochs=0 must be more than 0, and at most 1,000,000.'),
        ({'epochs': 1_000_001}, 'epochs=1e+06 must be more than 0, and at most 1,000,000.'),
        ({'augment': 'turn=1'}, 'augment=turn=1 is not understood: '),
        ({'split': '0.5', 'eval_data': ('x.tar',)}, 'split divides data in two; give it without eval_data.'),
        ({'split': 'half'}, 'split=half is not understood: '),
        ({'split': '1,0'}, 'split=1,0 is not understood: '),
        ({'export': ('last',)}, 'export=last is not allowed: one or more of best, latest, final.'),
        ({'warm_start': Path('nowhere')}, 'warm_start=nowhere is not a folder.'),
        ({'model_dir': Path('/proc/x')}, 'model_dir=/proc/x cannot be written: '),
        ({'model_dir': Path(__file__, 'x')}, f'{Path(__file__)} is a file, not a folder.'),
    ],
)
def test_what_is_wrong_whatever_the_data(settings, words):
    with pytest.raises((FlagError, DataError)) as caught:
        check_settings(Settings(**{'model_dir': Path('runs/new'), **settings}))
    assert words in str(caught.value)


def test_a_new_folder_is_not_left(tmp_path):
    check_settings(Settings(model_dir=tmp_path / 'a' / 'b'))
    assert not (tmp_path / 'a').exists()


def test_several_processes_of_a_cluster_check_one_new_folder(tmp_path, monkeypatch):
    made = Path.mkdir

    def made_and_removed(path, **more):
        made(path, **more)
        path.rmdir()  # as another process does, between the two calls of this one

    monkeypatch.setattr(Path, 'mkdir', made_and_removed)
    check_settings(Settings(data=('x.tar',), model_dir=tmp_path / 'new'))


REFUSED = """
import sys
from estimator_lab import train
sys.argv = ['train', '--epochs=1', '--max_steps=1']
try:
    train.COMMAND.run()
except SystemExit as ended:
    print(ended.code, 'tensorflow' in sys.modules)
"""


def test_the_command_does_not_load_tensorflow_for_that(tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', REFUSED],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        check=True,
    )
    assert done.stdout == '2 False\n' and done.stderr.startswith('error: --max_steps and --epochs exclude')
