"""Settings that are refused before TensorFlow is loaded and any data is read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from estimator_lab.base.errors import DataError, FlagError
from estimator_lab.training.checks import prepared
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
        ({'split': '0.5', 'eval_data': (__file__,)}, 'split divides data in two; give it without eval_data.'),
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
        prepared(Settings(**{'data': (__file__,), 'model_dir': Path('runs/new'), **settings}), print)
    assert words in str(caught.value)


def test_a_folder_that_is_no_run_is_not_written_to(cnn_dir, tmp_path):
    """Examples next to checkpoints would be read the next time, and a checkpoint's name is not a folder."""
    photos = tmp_path / 'photos'
    (photos / 'n000001').mkdir(parents=True)
    (photos / 'n000001' / '1.png').write_bytes(b'')
    checkpoint, data = cnn_dir / 'model.ckpt-3', (__file__,)
    for settings, words in (
        (
            {'data': data, 'model_dir': checkpoint},
            f'model_dir={checkpoint} is a checkpoint: name its folder, ',
        ),
        (
            {'data': data, 'warm_start': checkpoint},
            f'warm_start={checkpoint} is a checkpoint: name its folder, ',
        ),
        (
            {'data': data, 'model_dir': photos},
            f'model_dir={photos} holds examples, such as {photos}/n000001/1.png',
        ),
        ({'data': (str(photos),), 'model_dir': photos / 'run'}, f'{photos}/run is in the folder '),
        (
            {'data': (str(cnn_dir),)},
            f"data: '{cnn_dir}/' holds a trained model (experiment.json), not examples",
        ),
    ):
        with pytest.raises((FlagError, DataError)) as caught:
            prepared(Settings(**{'model_dir': tmp_path / 'new', **settings}), print)
        assert words in str(caught.value)
    assert prepared(Settings(data=data, model_dir=cnn_dir), print).model_dir == cnn_dir


def test_a_new_folder_is_not_left(tmp_path):
    prepared(Settings(data=(__file__,), model_dir=tmp_path / 'a' / 'b'), print)
    assert not (tmp_path / 'a').exists()


def test_several_processes_of_a_cluster_check_one_new_folder(tmp_path, monkeypatch):
    made = Path.mkdir

    def made_and_removed(path, **more):
        made(path, **more)
        path.rmdir()  # as another process does, between the two calls of this one

    monkeypatch.setattr(Path, 'mkdir', made_and_removed)
    prepared(Settings(data=(__file__,), model_dir=tmp_path / 'new'), print)


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
