"""No command writes untrusted names or labels unescaped to a terminal, table or page."""

import csv
import io
import json
import os
import subprocess
import sys
import tarfile

import pytest

from estimator_lab import evaluate, export, inspect, port, predict
from estimator_lab.base.printable import is_clean
from estimator_lab.base.progress import say
from estimator_lab.data import pack, tar_index
from estimator_lab.training.plan import make_plan
from estimator_lab.training.train import train
from tests.support.archive_files import encoded, picture
from tests.support.commands import invoke
from tests.support.places import ROOT
from tests.support.small_runs import cnn_settings

pytestmark = pytest.mark.trains

# What clears a screen, names a window, turns the direction of text, breaks a line, begins a formula.
LABELS = [b'\x1b[2Jn', b'n\xc2\x9b31m', b'n\xe2\x80\xae', b'n\n\r\tm', b'=n', b'n\xff']
NAMES = [b'a\x1b]0;owned\x07', b'b\xc2\x85\xe2\x81\xa6', b'\n=HYPERLINK(1)', b'd\x7f\x08']


def shown_is_clean(data):
    return all(is_clean(line) for line in data.decode().split('\n'))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('nasty')


@pytest.fixture(scope='module')
def archive(folder):
    """An archive of such names, with two bad images, whose own path is one."""
    path = folder / '@a\x1b[31m\u202e.tar'
    with tarfile.open(path, 'w', format=tarfile.GNU_FORMAT, errors='surrogateescape') as tar:
        for number, (label, name) in enumerate((label, name) for label in LABELS for name in NAMES):
            data = b'junk' if number in (3, 9) else encoded(picture(number))
            info = tarfile.TarInfo(os.fsdecode(b'%s/%s.png' % (label, name)))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(scope='module')
def model_dir(folder, archive):
    settings = cnn_settings(archive, folder / 'model', max_bad_fraction=1)
    with (folder / 'said').open('w') as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'stdout', file)
        train(make_plan(settings, say))
    return settings.model_dir


@pytest.mark.slow
def test_training(model_dir):
    said = (model_dir.parent / 'said').read_bytes()
    assert b'Skipped a bad image' in said and shown_is_clean(said)
    bad_members = (model_dir / 'bad_members.csv').read_bytes()
    assert shown_is_clean(bad_members.replace(b'\r\n', b'\n'))
    cells = [cell for row in csv.reader(io.StringIO(bad_members.decode())) for cell in row]
    assert len(cells) == 12 and not any(cell.startswith(('=', '@')) for cell in cells)
    vocabulary = json.loads((model_dir / 'experiment.json').read_text())['vocabulary']
    assert len(vocabulary) == len(LABELS) and all(map(is_clean, vocabulary))
    for table in model_dir.rglob('*.tsv'):
        for line in table.read_text().split('\n'):
            assert all(map(is_clean, line.split('\t')))


@pytest.fixture
def run(model_dir, capfdbinary):
    """Runs a command; makes sure that what it shows is clean; returns it as text."""

    def run(module, *arguments, status=0):
        got = invoke(module, *map(str, arguments))
        out, err = capfdbinary.readouterr()
        assert shown_is_clean(out) and shown_is_clean(err), (out, err)
        assert got == status, err
        return out.decode(), err.decode()

    return run


@pytest.mark.slow
def test_predictions(run, model_dir, archive, monkeypatch):
    monkeypatch.chdir(archive.parent)
    out, _ = run(predict, f'--model_dir={model_dir}', archive.name)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == len({row['key'] for row in rows}) == len(LABELS) * len(NAMES)
    for row in rows:
        assert row['key'].startswith("'@a") and not row['label'].startswith('=')
        assert row['problem'] or 0 <= float(row['probability']) <= 1
    out, _ = run(predict, f'--model_dir={model_dir}', '--format=jsonl', archive.name)
    keys = [json.loads(line)['key'] for line in out.splitlines()]
    assert [f"'{key}" for key in keys] == [row['key'] for row in rows]


@pytest.mark.slow
def test_evaluations(run, model_dir, archive, folder):
    run(evaluate, f'--model_dir={model_dir}', f'--data={archive}', f'--out={folder / "report"}')
    run(evaluate, f'--model_dir={model_dir}', f'--data={archive}', '--json')
    for path in (folder / 'report').iterdir():
        if path.suffix != '.png':
            assert shown_is_clean(path.read_bytes()), path
    with (folder / 'report' / 'classes.csv').open() as file:
        assert "'=n" in [row[0] for row in csv.reader(file)]


@pytest.mark.slow
def test_inspections_and_exports(run, model_dir, archive, folder):
    for name in (r'=n/a\x1b]0;owned\x07.png', '=n/a\x1b]0;owned\x07.png'):  # as it is shown, and as it is
        arguments = f'--image={archive}:{name}', f'--out={folder / "seen"}'
        run(inspect, f'--model_dir={model_dir}', *arguments)
    _, err = run(inspect, f'--model_dir={model_dir}', f'--image={archive}:none\x1b', status=1)
    assert 'has no image' in err
    run(export, f'--model_dir={model_dir}', f'--out={folder}/out\x1b[2J')


@pytest.mark.parametrize(
    ('module', 'arguments'),
    [
        (tar_index, ['ARCHIVE']),
        (pack, ['ARCHIVE', '--out=OUT', '--shards=1', '--image_size=8', '--max_bad_fraction=1']),
        (pack, ['ARCHIVE\x1b', '--out=OUT', '--shards=1']),
    ],
)
def test_packing_and_indexing(archive, folder, module, arguments):
    out = f'{folder}/shards\x1b[2J'
    filled = [text.replace('ARCHIVE', str(archive)).replace('OUT', out) for text in arguments]
    words = [sys.executable, '-m', module.__name__, *filled]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(words, env=environment, capture_output=True, timeout=600, check=False)
    assert done.stdout + done.stderr and b'Traceback' not in done.stderr
    assert shown_is_clean(done.stdout) and shown_is_clean(done.stderr), done
    for path in (folder / 'shards\x1b[2J').glob('*.json'):
        assert shown_is_clean(path.read_bytes())


def test_programs(folder, run):
    program = folder / 'old.py'
    program.write_text('import tensorflow as tf\ntf.contrib.foo("\x1b[2J")  # \u202e\n')
    run(port, program, status=1)
