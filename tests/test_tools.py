"""Tests the scripts in tools/: tables of behaviours and of GPUs, and the names that TensorFlow removed."""

import ast

import pytest
from PIL import Image

from estimator_lab.models.registry import MODELS
from tests.places import ROOT, load_script


def tool(name):
    return load_script(ROOT / 'tools' / f'{name}.py')


CASE = """<testcase name="t"><properties>
<property name="topic" value="Heads"/><property name="behaviour" value="{behaviour}"/>
<property name="tensorflow" value="{version}"/>{more}</properties>{outcome}</testcase>"""


def write(path, version, *cases):
    body = ''.join(CASE.format(version=version, **{'more': '', 'outcome': '', **case}) for case in cases)
    path.write_text(
        f'<testsuites><testsuite>{body}<testcase name="without a behaviour"/></testsuite></testsuites>'
    )
    return str(path)


def test_a_blank_page_of_tensorboard_is_noticed():
    page = Image.new('RGB', (1200, 800), 'white')
    page.paste('orange', (0, 0, 1200, 64))  # TensorBoard's bar
    assert tool('tensorboard_screens').is_blank(page)
    page.paste('grey', (0, 64, 300, 800))
    assert not tool('tensorboard_screens').is_blank(page)


def test_table_of_behaviours(tmp_path, capsys):
    adds, trains = {'behaviour': 'adds'}, {'behaviour': 'trains'}
    differs = {**trains, 'more': '<property name="differs" value="deleted in 2.16"/>'}
    fails = {**adds, 'outcome': '<failure message="boom&#10;more">trace</failure>'}
    newer = write(tmp_path / 'a.xml', '2.21.0', adds, differs)
    older = write(tmp_path / 'b.xml', '2.15.1', fails, trains)
    tool('conformance_table').main([newer, older])
    lines = capsys.readouterr().out.splitlines()
    assert '| passing | behaviours | 2.15.1 | 2.21.0 |' in lines
    assert '| **total** | 2 | 1 | 1 |' in lines
    assert lines[-2:] == ['- adds: **no** on 2.15.1: boom', '- trains: differs on 2.21.0: deleted in 2.16']


def test_the_committed_table_has_every_topic_and_no_failure():
    page = (ROOT / 'docs' / 'conformance.md').read_text()
    assert '**no**' not in page
    for path in sorted((ROOT / 'tests' / 'conformance').glob('test_*.py')):
        topic = ast.get_docstring(ast.parse(path.read_text())).splitlines()[0].rstrip('.')
        assert f'| {topic} |' in page


@pytest.mark.parametrize(('half', 'status'), [(1.05, 0), (1.5, 1), (None, 1)])
def test_the_check_of_gpus_prints_one_table(tmp_path, monkeypatch, capsys, half, status):
    """Each model, float16 against float32, and `mirrored`; it fails if a row does."""
    check = tool('gpu_check')

    def run(name, arguments, out):
        assert name == 'conformance' or '--device=cpu' in arguments
        loss = half if name == 'cnn float16' else 1.0
        return check.Row(name, 'works' if loss else 'FAILS with status 1', 2.0, loss)

    monkeypatch.setattr(check, 'run', run)
    monkeypatch.setattr(check, 'gpus', list)
    assert check.main([f'--out={tmp_path}']) == status
    first, *table = capsys.readouterr().out.splitlines()
    assert first.startswith('Devices: no GPU, so everything below runs on the CPU.')
    rows = [line.split('|')[1].strip() for line in table if line.startswith('|')][2:]
    models = [name for name in MODELS if name != 'style']
    assert rows == ['conformance', *models, 'cnn float32', 'cnn float16', 'cnn mirrored']


def test_a_sheet_has_captions_below_its_pictures(tmp_path):
    sheets = tool('picture_sheet')
    colours = ['red', 'green', 'blue']
    tiles = [sheets.Captioned('a caption', Image.new('RGB', (20, 10), colour)) for colour in colours]
    made = sheets.sheet('Title', tiles, 2, 100, 20)
    line = 28  # 1.4 * 20
    assert made.size == (2 * 106 + 6, line + 2 * (50 + line))
    shown = [made.getpixel(place) for place in ((56, line + 25), (162, line + 25), (56, 2 * line + 75))]
    assert shown == [(255, 0, 0), (0, 128, 0), (0, 0, 255)]
    dark = made.convert('L').point(lambda value: 255 * (value < 128))
    for box in ((0, 0, 100, line), (6, line + 50, 106, 2 * line + 50), (6, 2 * line + 100, 106, made.height)):
        assert dark.crop(box).getbbox()
    assert sheets.sheet('', [tiles[0]._replace(text='')], 2, 100, 20).height == 50 + 2 * 6
    with pytest.raises(SystemExit, match='wider than 100 pixels'):
        sheets.sheet('', [tiles[0]._replace(text='a caption that is too long')], 1, 100, 20)


def test_a_size_of_a_screenshot_has_as_many_numbers_as_needed():
    numbers = tool('tensorboard_screens').numbers
    assert numbers(2)('1200,800') == (1200, 800)
    for wrong in ('1200', '1,2,3', 'a,b'):
        with pytest.raises(ValueError, match=r'.*'):
            numbers(2)(wrong)
