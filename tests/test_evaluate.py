"""The command: what it prints, and how it ends."""

import json
import re
from functools import partial

import pytest

from estimator_lab import evaluate
from tests.support.archive_files import encoded, picture, write_tar

pytestmark = pytest.mark.once


@pytest.fixture
def run(cnn_dir, run_command):
    return partial(run_command, evaluate, f'--model_dir={cnn_dir}')


def test_tables_and_files(run, archive, tmp_path):
    status, out, err = run(f'--data={archive}', f'--out={tmp_path / "out"}', '--worst=2')
    assert (status, err) == (0, '')
    assert re.search(r'^accuracy +0\.\d{4}$', out, re.MULTILINE)
    assert re.search(r'^n000003 +6 +', out, re.MULTILINE)
    assert re.search(r'^n\d+ taken for n\d+: \d+$', out, re.MULTILINE)
    assert re.search(r'^Accuracy +0\.\d{4} on 24 images after 3 steps$', out, re.MULTILINE)
    assert out.splitlines()[-1].startswith(f'Written          {tmp_path / "out"}: classes.csv, ')
    assert (tmp_path / 'out' / 'worst.csv').read_text().count('\n') == 3


def test_json_alone(run, archive):
    status, out, _ = run(f'--data={archive}', '--json', '--eval_steps=1', '--batch_size=5')
    found = json.loads(out)
    assert status == 0 and found['images'] == 5 and 0 <= found['metrics']['accuracy'] <= 1
    assert found['metrics']['total_examples'] == 5


def test_the_primary_metric_says_over_how_many_images_it_is(run, tmp_path):
    files = [(f'{label}/{n}.png', encoded(picture(n))) for label in ('n000001', 'stranger') for n in range(3)]
    mixed = write_tar(tmp_path / 'mixed.tar', [*files, ('n000001/bad.png', b'junk')])
    _, out, _ = run(f'--data={mixed}')
    assert re.search(
        r'^Accuracy .* on 3 of 6 images \(1 more could not be decoded\) after 3', out, re.MULTILINE
    )
    # What is read ahead of the steps that were asked for does not count.
    _, out, _ = run(f'--data={mixed}', '--eval_steps=1', '--batch_size=2')
    assert re.search(r'^Accuracy .* on 2 images after 3', out, re.MULTILINE)


def test_a_failure_leaves_no_folder(run, tmp_path):
    (tmp_path / 'empty').mkdir()
    status, _, err = run(f'--data={tmp_path / "empty"}', f'--out={tmp_path / "deep" / "out"}')
    assert status == 1 and 'holds no images' in err
    assert not (tmp_path / 'deep').exists()
