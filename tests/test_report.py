"""The command: where the page goes, and how it ends. What is on the page, tests/test_every_model.py asks."""

import re
import shutil
from functools import partial

import pytest

from estimator_lab import report

pytestmark = pytest.mark.once


@pytest.fixture
def model_dir(cnn_dir, tmp_path):
    return shutil.copytree(cnn_dir, tmp_path / 'model')


@pytest.fixture
def run(model_dir, run_command):
    return partial(run_command, report, f'--model_dir={model_dir}')


def test_the_page_lies_in_the_folder_of_the_model(run, model_dir):
    status, out, err = run()
    assert (status, err) == (0, '')
    assert re.fullmatch(rf'Report +{model_dir}/report.html: \d\.\d MB, for any browser\n', out)
    page = (model_dir / 'report.html').read_text(encoding='utf-8')
    for section in ('learning-curves', 'evaluation', 'confusion', 'filters', 'activation-maps', 'run'):
        assert f'<h2 id="{section}">' in page
    assert not list(model_dir.glob('.*'))


def test_the_numbers_are_those_of_the_event_files(run, model_dir, tmp_path):
    from estimator_lab.runs.event_files import scalars_in

    status, _, err = run(f'--out={tmp_path / "deep" / "page.html"}')
    assert status == 2 and 'its folder' in err and not (tmp_path / 'deep').exists()
    assert run(f'--out={tmp_path / "page.html"}')[0] == 0
    (events,) = (model_dir / 'eval').glob('events*')
    (*_, (step, accuracy)) = scalars_in(events, 'accuracy', pytest.fail)
    page = (tmp_path / 'page.html').read_text(encoding='utf-8')
    assert f'Accuracy {accuracy:.4f} at step {step}' in page
    assert f'evaluation, step {step}: {accuracy:.6g}</title>' in page


def test_a_link_in_the_place_of_the_page_is_not_written_through(run, tmp_path):
    other = tmp_path / 'other'
    other.write_text('mine')
    (tmp_path / 'page.html').symlink_to(other)
    assert run(f'--out={tmp_path / "page.html"}')[0] == 0
    assert other.read_text() == 'mine' and not (tmp_path / 'page.html').is_symlink()


def test_what_is_damaged_is_said_and_the_rest_is_shown(run, model_dir):
    (events,) = (model_dir / 'eval').glob('events*')
    events.write_bytes(events.read_bytes() + b'x' * 20)
    status, _, err = run()
    assert status == 0 and err.count('\n') == 1
    assert err.startswith(f'Warning: {events} is damaged at byte')
    assert 'is damaged at byte' in (model_dir / 'report.html').read_text(encoding='utf-8')
