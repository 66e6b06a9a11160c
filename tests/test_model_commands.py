"""evaluate, inspect, dream and report: what they print and write, and how they end."""

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from estimator_lab import dream, evaluate, inspect, report
from estimator_lab.inference.samples import class_columns
from estimator_lab.runs.event_files import scalars_in, values_in
from tests.support.archive_files import encoded, picture, write_tar

pytestmark = pytest.mark.trains

MEMBER = 'train/n000002/0003_01.png'


@pytest.fixture
def model_dir(cnn_dir, tmp_path):
    return shutil.copytree(cnn_dir, tmp_path / 'model')


@pytest.fixture
def run(model_dir, run_command):
    """Runs a command on the model; returns its exit status, what it printed, and its errors."""

    def run(command, *flags):
        return run_command(command, f'--model_dir={model_dir}', *flags)

    return run


def test_an_evaluation_has_tables_and_files(run, archive, tmp_path):
    status, out, err = run(evaluate, f'--data={archive}', f'--out={tmp_path / "out"}', '--worst=2')
    assert (status, err) == (0, '')
    for line in (
        r'accuracy +0\.\d{4}',
        r'n000003 +6 +.*',
        r'n\d+ taken for n\d+: \d+',
        r'Accuracy +0\.\d{4} on 24 images after 3 steps',
    ):
        assert re.search(f'^{line}$', out, re.MULTILINE), line
    assert out.splitlines()[-1].startswith(f'Written          {tmp_path / "out"}: classes.csv, ')
    assert (tmp_path / 'out' / 'worst.csv').read_text().count('\n') == 3


def test_an_evaluation_is_json_alone(run, archive):
    status, out, _ = run(evaluate, f'--data={archive}', '--json', '--eval_steps=1', '--batch_size=5')
    found = json.loads(out)
    assert status == 0 and found['images'] == 5 and 0 <= found['metrics']['accuracy'] <= 1
    assert found['metrics']['total_examples'] == 5


@pytest.mark.slow
def test_the_primary_metric_says_over_how_many_images_it_is(run, tmp_path):
    files = [(f'{label}/{n}.png', encoded(picture(n))) for label in ('n000001', 'unknown') for n in range(3)]
    mixed = write_tar(tmp_path / 'mixed.tar', [*files, ('n000001/bad.png', b'junk')])
    _, out, _ = run(evaluate, f'--data={mixed}')
    assert re.search(r'^Accuracy .* on 3 of 6 images \(1 more could not be decoded\) after 3', out, re.M)
    # What is read ahead of the steps that were asked for does not count.
    _, out, _ = run(evaluate, f'--data={mixed}', '--eval_steps=1', '--batch_size=2')
    assert re.search(r'^Accuracy .* on 2 images after 3', out, re.MULTILINE)


def test_an_evaluation_that_fails_leaves_no_folder(run, tmp_path):
    (tmp_path / 'empty').mkdir()
    status, _, err = run(evaluate, f'--data={tmp_path / "empty"}', f'--out={tmp_path / "deep" / "out"}')
    assert status == 1 and 'holds no images' in err
    assert not (tmp_path / 'deep').exists()


def test_an_inspection_is_beside_the_model_and_in_tensorboard(run, archive, model_dir):
    status, out, err = run(inspect, f'--image={archive}:{MEMBER}')
    assert (status, err) == (0, '')
    assert re.search(r'^Prediction +n00000\d 0\.\d+, n00000\d 0\.\d+, n00000\d 0\.\d+$', out, re.MULTILINE)
    folder, names = re.search(r'^Pictures +(\S+): (.*)$', out, re.MULTILINE).groups()
    assert Path(folder).parent == model_dir / 'inspect'
    assert {path.name for path in Path(folder).iterdir()} == set(names.split(', '))
    assert list((model_dir / 'inspect').glob('events*'))
    assert f'--logdir={model_dir}' in out


def test_an_inspection_is_elsewhere_if_the_model_cannot_be_written_to(run, archive, model_dir, tmp_path):
    (model_dir / 'inspect').write_text('')  # where the folder would be
    image = f'--image={archive}:{MEMBER}'
    status, _, err = run(inspect, image, f'--out={tmp_path / "out"}', '--label=n000001')
    assert status == 0 and (tmp_path / 'out' / 'saliency.png').exists()
    assert 'so TensorBoard does not show the pictures' in err and err.count('\n') == 1
    status, _, err = run(inspect, image)
    assert status == 2 and re.match(r'error: --out=.*inspect.* cannot be written', err)


def test_a_dream_of_a_photo(run, model_dir, tmp_path):
    out, photo = tmp_path / 'out.png', tmp_path / 'photo.png'
    picture(1, 20, 30).save(photo)
    status, said, err = run(dream, f'--image={photo}', f'--out={out}', '--layer=conv2', '--steps=2')
    assert (status, err) == (0, '')
    line = r'^Dream .*out.png: conv2, 30x20 pixels; objective \S+ at the start, \S+ at the end, [\d.]+ times'
    assert re.search(line, said, re.MULTILINE)
    assert 'the network sees grey' in said
    assert Image.open(out).size == (30, 20)
    (events,) = (model_dir / 'dreams').glob('events*')
    assert [value.tag for _, value in values_in(events, pytest.fail)] == ['images/conv2/image']
    assert not list(tmp_path.glob('.*partial*'))


def test_an_atlas_needs_no_photo(run, tmp_path):
    out = tmp_path / 'out.png'
    status, said, _ = run(dream, '--layer=conv1', '--atlas', '--count=2', f'--out={out}')
    assert status == 0 and '2 channels of conv1' in said
    assert Image.open(out).size[0] > 8 * 96


def test_each_class_of_samples_has_a_column():
    digits = [str(digit % 10) for digit in range(64)]
    assert class_columns(digits) == class_columns(digits[:10]) == 10
    assert class_columns(['7'] * 64) == class_columns([''] * 64) == 8
    assert class_columns([str(n) for n in range(64)]) == 8


def test_a_report_lies_in_the_folder_of_the_model(run, model_dir):
    status, out, err = run(report)
    assert (status, err) == (0, '')
    assert re.fullmatch(rf'Report +{model_dir}/report.html: \d\.\d MB, for any browser\n', out)
    page = (model_dir / 'report.html').read_text(encoding='utf-8')
    for section in ('learning-curves', 'evaluation', 'confusion', 'filters', 'activation-maps', 'run'):
        assert f'<h2 id="{section}">' in page
    assert not list(model_dir.glob('.*'))


def test_a_report_has_the_numbers_of_the_event_files(run, model_dir, tmp_path):
    """A link in the place of the page is not written through."""
    status, _, err = run(report, f'--out={tmp_path / "deep" / "page.html"}')
    assert status == 2 and 'its folder' in err and not (tmp_path / 'deep').exists()
    other, path = tmp_path / 'other', tmp_path / 'page.html'
    other.write_text('mine')
    path.symlink_to(other)
    assert run(report, f'--out={path}')[0] == 0
    assert other.read_text() == 'mine' and not path.is_symlink()
    (events,) = (model_dir / 'eval').glob('events*')
    (*_, (step, accuracy)) = scalars_in(events, 'accuracy', pytest.fail)
    page = path.read_text(encoding='utf-8')
    assert f'Accuracy {accuracy:.4f} at step {step}' in page
    assert f'evaluation, step {step}: {accuracy:.6g}</title>' in page


def test_a_report_says_what_is_damaged_and_shows_the_rest(run, model_dir):
    (events,) = (model_dir / 'eval').glob('events*')
    events.write_bytes(events.read_bytes() + b'x' * 20)
    status, _, err = run(report)
    assert status == 0 and err.count('\n') == 1
    assert err.startswith(f'Warning: {events} is damaged at byte')
    assert 'is damaged at byte' in (model_dir / 'report.html').read_text(encoding='utf-8')


def test_worst_is_the_number_of_examples_with_the_largest_error(run, archive, model_dir):
    assert run(report, f'--data={archive}', '--worst=3')[0] == 0
    page = (model_dir / 'report.html').read_text(encoding='utf-8')
    assert page.partition('<h2 id="worst-examples"')[2].partition('<h2')[0].count('<figure>') == 3
