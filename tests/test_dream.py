"""The command: what it draws of a layer, and how it ends. Other dreams: tests/inference."""

import re
import shutil
from functools import partial

import numpy as np
import pytest
from PIL import Image

from estimator_lab import dream
from estimator_lab.inference.samples import class_columns
from estimator_lab.runs.event_files import values_in

pytestmark = pytest.mark.once


@pytest.fixture
def run(cnn_dir, tmp_path, run_command):
    """Runs the command on a copy of a model; `--out` is out.png unless it is given."""
    copy = shutil.copytree(cnn_dir, tmp_path / 'model')
    return partial(run_command, dream, f'--model_dir={copy}', f'--out={tmp_path / "out.png"}')


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'photo.png')
    return f'--image={tmp_path / "photo.png"}'


def test_a_dream_of_a_photo(run, photo, tmp_path):
    status, out, err = run(photo, '--layer=conv2', '--steps=2')
    assert (status, err) == (0, '')
    said = r'^Dream .*out.png: conv2, 30x20 pixels; objective \S+ at the start, \S+ at the end, [\d.]+ times'
    assert re.search(said, out, re.MULTILINE)
    assert 'the network sees grey' in out
    assert Image.open(tmp_path / 'out.png').size == (30, 20)
    (events,) = (tmp_path / 'model' / 'dreams').glob('events*')
    assert [value.tag for _, value in values_in(events, pytest.fail)] == ['images/conv2/image']
    assert not list(tmp_path.glob('.*partial*'))


def test_a_class_and_an_atlas_need_no_photo(run, tmp_path):
    status, out, _ = run('--label=n000001')
    assert status == 0 and 'n000001, 8x8 pixels' in out
    status, out, _ = run('--layer=conv1', '--atlas', '--count=2')
    assert status == 0 and '2 channels of conv1' in out
    assert Image.open(tmp_path / 'out.png').size[0] > 8 * 96


def test_each_class_of_samples_has_a_column():
    digits = [str(digit % 10) for digit in range(64)]
    assert class_columns(digits) == class_columns(digits[:10]) == 10
    assert class_columns(['7'] * 64) == class_columns([''] * 64) == 8
    assert class_columns([str(n) for n in range(64)]) == 8
