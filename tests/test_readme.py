"""The README's commands run in order, twice, and print what it quotes; test_pages.py checks other pages.

Images are small, and training takes two steps; nothing is installed or downloaded.
"""

import re
import shutil
import subprocess

import pytest

from tests.support.archive_files import encoded, faces_in_cache, picture, small_archive
from tests.support.commands import invoke
from tests.support.documentation import commands_in_blocks, programs_of
from tests.support.places import ROOT

pytestmark = pytest.mark.trains

README = (ROOT / 'README.md').read_text(encoding='utf-8')
SMALLER = ('--image_size=8', '--max_steps=2')
PYTHON = re.compile(r'(?:\.venv/bin/)?python3? ')


@pytest.fixture(scope='module')
def clone(tmp_path_factory):
    """A folder with archives of the user's own."""
    folder = tmp_path_factory.mktemp('clone')
    archive = small_archive(folder)
    for name in ('train.tar', 'test.tar'):
        if archive.name != name:
            shutil.copyfile(archive, folder / name)
    (folder / 'runs/demo').mkdir(parents=True)
    (folder / 'runs/demo/n000003.jpg').write_bytes(encoded(picture(1, 48, 64), 'JPEG'))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv('XDG_CACHE_HOME', str(folder / '.cache'))
        faces_in_cache(folder / 'train.tar')
        yield folder


def run(command, capfd):
    """Runs a command of the package; those of pip and TensorBoard are left out."""
    if command == 'make train':
        command = 'python -m estimator_lab.train --model=cnn'
        assert command.removeprefix('python ') in (ROOT / 'Makefile').read_text()
    if module := re.fullmatch(PYTHON.pattern + r'-m (estimator_lab\.\S+) ?(.*)', command):
        arguments = [argument for argument in module[2].split() if argument != '&&']
        status = invoke(module[1], *arguments, *(SMALLER if module[1].endswith('.train') else ()))
        shown = capfd.readouterr()
        assert status == 0, shown.err
        return shown.out
    return ''


@pytest.mark.slow
def test_the_commands_run_twice_and_write_below_runs(clone, capfd):
    before = {path.name for path in clone.iterdir()}
    for command in 2 * list(commands_in_blocks(ROOT / 'README.md')):
        run(command, capfd)
    assert {path.name for path in clone.iterdir()} <= {*before, 'runs', '.cache'}


def test_the_program_runs_unedited(run_forked, tmp_path):
    (tmp_path / 'line.py').write_text(programs_of(ROOT / 'README.md')[0])
    done = run_forked('-m', 'estimator_lab.run', str(tmp_path / 'line.py'))
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.strip('[]\n')) == pytest.approx(2, abs=0.01)


@pytest.mark.slow
def test_the_python_interface_is_as_shown(clone, capsys):
    exec(
        programs_of(ROOT / 'README.md')[1].replace('model_dir=', 'image_size=8, max_steps=2, model_dir='), {}
    )
    assert 'n000003' in capsys.readouterr().out


@pytest.mark.slow
def test_the_quoted_output_is_what_train_prints(clone, capfd):
    """Except numbers, the size of a large checkpoint, and the command that starts Python."""
    shown = run('python -m estimator_lab.train --model=cnn --model_dir=runs/quoted', capfd)
    shown = shown.replace('runs/quoted', 'runs/cnn').replace(f' {SMALLER[0]}', '')
    shown = shown.replace('training images', 'unseen images')
    quoted = re.search(r'^```\n(Accuracy .*?)^```', README, re.DOTALL | re.MULTILINE)
    found = [line for line in masked(shown).splitlines() if not line.startswith('The accuracy is no better')]
    assert found[-4:] == masked(quoted[1]).splitlines()


def masked(text):
    text = re.sub(r'\S*python -m tensorboard\.main', 'tensorboard', re.sub(r' \(.* MB;.*\)', '', text))
    return re.sub(r'\d[\d.,]*', 'N', re.sub(r'\S*python ', 'python ', text))


def test_make_installs_into_an_environment_that_is_there(tmp_path):
    """As the README's first commands leave one: another Python over it would not find its modules."""
    for name in ('Makefile', 'setup.py'):
        shutil.copyfile(ROOT / name, tmp_path / name)
    python = tmp_path / '.venv/bin/python'
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$1" != -c ] || exit "$(cat lacks)"\necho "$@" >>called\n')
    (tmp_path / 'lacks').write_text('1')
    python.chmod(0o755)
    subprocess.run(['make', '--silent', '.venv/ready'], cwd=tmp_path, check=True)
    assert (tmp_path / 'called').read_text() == '-m pip install --quiet --editable .\n'
    (tmp_path / 'lacks').write_text('0')  # as after `pip install .`
    for name in ('called', '.venv/ready'):
        (tmp_path / name).unlink()
    subprocess.run(['make', '--silent', '.venv/ready'], cwd=tmp_path, check=True)
    assert (tmp_path / '.venv/ready').exists() and not (tmp_path / 'called').exists()
