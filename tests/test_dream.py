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
    assert len(list(values_in(events, 'images/conv2/image', pytest.fail))) == 1
    assert not list(tmp_path.glob('.*partial*'))


def test_a_class_and_an_atlas_need_no_photo(run, tmp_path):
    status, out, _ = run('--label=n000001')
    assert status == 0 and 'n000001, 8x8 pixels' in out
    status, out, _ = run('--layer=conv1', '--atlas', '--count=2')
    assert status == 0 and '2 channels of conv1' in out
    assert Image.open(tmp_path / 'out.png').size[0] > 8 * 96


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--layer=conv9'], '--layer=conv9 is not a layer of'),
        ([], '--layer is missing; there are conv1, pool1, conv2, pool2, dense, logits.'),
        (['--layer=conv1', '--truncation=1'], '--truncation has no meaning for --model=cnn'),
        (['--layer=conv1', '--count=5'], '--count has no meaning without --atlas'),
        (['--layer=conv1', '--out=dream.xyz'], '--out=dream.xyz is not a name for a picture: end it in .png'),
        (['--layer=conv1', '--out=nowhere/x.png'], '--out=nowhere/x.png cannot be written: its folder'),
        (['--layer=conv1', '--size=100000'], '--size=100000'),
    ],
)
def test_mistakes_get_one_sentence(run, arguments, words):
    status, out, err = run(*arguments)
    assert (status, out) == (2, '')
    assert err.startswith('error: ') and err.count('\n') == 1 and words in err


def test_the_photo_stays_as_it_is(run, photo, tmp_path):
    before = (tmp_path / 'photo.png').read_bytes()
    status, _, err = run(photo, '--layer=conv1', f'--out={tmp_path / "photo.png"}')
    assert status == 2 and 'photo.png is ' in err and err.endswith(', which is read: name another.\n')
    assert (tmp_path / 'photo.png').read_bytes() == before


def test_each_class_of_samples_has_a_column():
    digits = [str(digit % 10) for digit in range(64)]
    assert class_columns(digits) == class_columns(digits[:10]) == 10
    assert class_columns(['7'] * 64) == class_columns([''] * 64) == 8
    assert class_columns([str(n) for n in range(64)]) == 8
