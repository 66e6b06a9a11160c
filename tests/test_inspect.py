"""The command: what it prints, and how it ends."""

import re
import shutil
from functools import partial
from pathlib import Path

import pytest

from estimator_lab import inspect

pytestmark = pytest.mark.once


@pytest.fixture
def run(cnn_dir, tmp_path, run_command):
    return partial(run_command, inspect, f'--model_dir={shutil.copytree(cnn_dir, tmp_path / "model")}')


def test_pictures_beside_the_model_and_in_tensorboard(run, archive, tmp_path):
    status, out, err = run(f'--image={archive}:train/n000002/0003_01.png')
    assert (status, err) == (0, '')
    assert re.search(r'^Prediction +n00000\d 0\.\d+, n00000\d 0\.\d+, n00000\d 0\.\d+$', out, re.MULTILINE)
    folder, names = re.search(r'^Pictures +(\S+): (.*)$', out, re.MULTILINE).groups()
    assert Path(folder).parent == tmp_path / 'model' / 'inspect'
    assert {path.name for path in Path(folder).iterdir()} == set(names.split(', '))
    assert list((tmp_path / 'model' / 'inspect').glob('events*'))
    assert f'--logdir={tmp_path / "model"}' in out


def test_pictures_elsewhere_if_the_model_cannot_be_written_to(run, archive, tmp_path):
    (tmp_path / 'model' / 'inspect').write_text('')  # where the folder would be
    image = f'--image={archive}:train/n000002/0003_01.png'
    status, _, err = run(image, f'--out={tmp_path / "out"}', '--label=n000001')
    assert status == 0 and (tmp_path / 'out' / 'saliency.png').exists()
    assert 'so TensorBoard does not show the pictures' in err and err.count('\n') == 1
    status, _, err = run(image)
    assert status == 2 and re.match(r'error: --out=.*inspect.* cannot be written', err)
