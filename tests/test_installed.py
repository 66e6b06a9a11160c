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
from tests.support.places import ROOT

pytestmark = pytest.mark.once

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


def test_the_wheel_works_in_a_fresh_environment(wheel, tmp_path):
    """TensorFlow is that of this environment: its folder comes after the fresh one's own packages."""
    run(sys.executable, '-m', 'venv', '--without-pip', 'fresh', cwd=tmp_path)
    (packages,) = tmp_path.glob('fresh/lib/python*/site-packages')
    packages.joinpath('reused.pth').write_text(f'{sysconfig.get_path("purelib")}\n', encoding='utf-8')
    python = tmp_path / 'fresh/bin/python'
    options = ('--quiet', '--no-deps', '--no-index', '--no-warn-script-location', '--ignore-installed')
    run(python, '-m', 'pip', 'install', *options, wheel, cwd=tmp_path)
    assert run(python, '-c', 'import estimator_lab; print(estimator_lab.__file__)', cwd=tmp_path).startswith(
        str(tmp_path / 'fresh')
    )
    shown = run(python.with_name('estimator_lab'), '--version', cwd=tmp_path)
    assert shown.startswith(f'estimator_lab {__version__}, TensorFlow 2.')
    (tmp_path / 'program.py').write_text('import tensorflow as tf\nprint(tf.estimator.ModeKeys.TRAIN)\n')
    assert run(python, '-m', 'estimator_lab.run', 'program.py', cwd=tmp_path) == 'train\n'


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_has_a_version(run_command, name):
    status, out, err = run_command(f'estimator_lab.{name}', '--version')
    assert (status, err) == (0, '') and out.startswith(f'estimator_lab {__version__}, TensorFlow 2.')
