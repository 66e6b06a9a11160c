"""The command: what it prints, how it ends, and that all other commands open what it made."""

import json
import re
from pathlib import Path

import pytest

from estimator_lab import evaluate, export, import_weights, inspect, predict
from estimator_lab.runs.trained import Trained
from tests.support.commands import invoke
from tests.support.weight_files import random_values, write_keras_2

pytestmark = pytest.mark.trains

SMALL = {'filters': 2, 'dense_units': 5, 'depth': 11}
FLAGS = ('--hparams=filters=2,dense_units=5,depth=11', '--image_size=32')
LABELS = tuple(f'n{number:06}' for number in range(4))


@pytest.fixture
def model_dir(tmp_path, capsys):
    """Made by the command from a file of Keras."""
    path, names, folder = tmp_path / 'vgg.weights.h5', tmp_path / 'names.txt', tmp_path / 'vgg'
    write_keras_2(path, random_values(image_shape=(32, 32, 3), vocabulary=LABELS, **SMALL))
    names.write_text('\n'.join(LABELS))
    assert invoke(import_weights, str(path), *FLAGS, f'--vocabulary={names}', f'--model_dir={folder}') == 0
    out, err = capsys.readouterr()
    assert re.match(r'Imported +22 variables of \S+vgg.weights.h5, by the names of Keras; 4 classes\n', out)
    assert str(folder) in out and not err
    return folder


@pytest.mark.slow
def test_other_commands_open_it(model_dir, archive, tmp_path, capsys):
    member = f'{archive}:train/n000002/0003_01.png'
    assert invoke(predict, f'--model_dir={model_dir}', str(archive)) == 0
    assert invoke(inspect, f'--model_dir={model_dir}', f'--image={member}') == 0
    assert (next((model_dir / 'inspect').glob('*/activation_map_conv5_2.png'))).exists()
    capsys.readouterr()
    assert invoke(evaluate, f'--model_dir={model_dir}', f'--data={archive}', '--json') == 0
    assert json.loads(capsys.readouterr().out)['images'] == 24
    assert invoke(export, f'--model_dir={model_dir}', f'--out={tmp_path / "exported"}') == 0


def test_a_relative_folder_is_opened_from_anywhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_keras_2(tmp_path / 'vgg.h5', random_values(image_shape=(32, 32, 3), vocabulary=LABELS, **SMALL))
    assert invoke(import_weights, 'vgg.h5', *FLAGS, '--model_dir=runs/vgg') == 0
    assert Trained.open(Path('runs/vgg')).step == 0
    monkeypatch.chdir('/')
    assert Trained.open(tmp_path / 'runs' / 'vgg').step == 0
