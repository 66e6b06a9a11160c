"""The wheel works in a fresh environment, outside the repository; and every command has a version."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

from estimator_lab import __version__
from estimator_lab.__main__ import COMMANDS
from tests.support.archive_files import small_archive
from tests.support.documentation import programs_of
from tests.support.places import ROOT

pytestmark = pytest.mark.slow

DATA = {'estimator_lab/py.typed', 'estimator_lab/inference/report/page.html'}


def run(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """A wheel built without the network, from a copy, as a build leaves files in its folder."""
    folder = tmp_path_factory.mktemp('wheel')
    shutil.copytree(ROOT / 'estimator_lab', folder / 'estimator_lab')
    for name in ('setup.py', 'pyproject.toml', 'README.md'):
        shutil.copy(ROOT / name, folder)
    options = ('--quiet', '--no-deps', '--no-index', '--no-build-isolation', '--wheel-dir=.')
    run(sys.executable, '-m', 'pip', 'wheel', *options, '.', cwd=folder)
    (path,) = folder.glob('*.whl')
    return path


def test_the_wheel_has_every_module_and_the_data(wheel):
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'estimator_lab').rglob('*.py')}
    with zipfile.ZipFile(wheel) as file:
        assert {name for name in file.namelist() if '.dist-info/' not in name} == modules | DATA


@pytest.fixture(scope='module')
def python(wheel, tmp_path_factory):
    """The interpreter of a fresh environment with the wheel.

    TensorFlow is that of this environment: its folder comes after the fresh one's own packages.
    """
    folder = tmp_path_factory.mktemp('fresh')
    run(sys.executable, '-m', 'venv', '--without-pip', '.', cwd=folder)
    (packages,) = folder.glob('lib/python*/site-packages')
    packages.joinpath('reused.pth').write_text(f'{sysconfig.get_path("purelib")}\n', encoding='utf-8')
    python = folder / 'bin/python'
    options = ('--quiet', '--no-deps', '--no-index', '--no-warn-script-location', '--ignore-installed')
    run(python, '-m', 'pip', 'install', *options, wheel, cwd=folder)
    found = run(python, '-c', 'import estimator_lab; print(estimator_lab.__file__)', cwd=folder)
    assert found.startswith(str(folder))
    return python


def test_the_wheel_has_all_that_it_requires(python, tmp_path):
    shown = run(python.with_name('estimator_lab'), '--version', cwd=tmp_path)
    assert shown.startswith(f'estimator_lab {__version__}, TensorFlow 2.')
    assert run(python, '-m', 'pip', 'check', cwd=tmp_path) == 'No broken requirements found.\n'


def test_the_program_of_the_readme_runs_from_the_wheel(python, tmp_path):
    (tmp_path / 'line.py').write_text(programs_of(ROOT / 'README.md')[0])
    shown = run(python, '-m', 'estimator_lab.run', 'line.py', cwd=tmp_path)
    assert float(shown.strip('[]\n')) == pytest.approx(2, abs=0.01)


def test_the_wheel_trains(python, tmp_path):
    data, flags = small_archive(tmp_path), ('--model=cnn', '--hparams=filters=2', '--image_size=8')
    command = ('-m', 'estimator_lab.train', *flags, f'--data={data}', '--max_steps=1', '--model_dir=model')
    assert 'accuracy' in run(python, *command, cwd=tmp_path)
    assert (tmp_path / 'model/model.ckpt-1.index').exists()


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_has_a_version(run_command, name):
    status, out, err = run_command(f'estimator_lab.{name}', '--version')
    assert (status, err) == (0, '') and out.startswith(f'estimator_lab {__version__}, TensorFlow 2.')
