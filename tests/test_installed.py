"""The wheel: what is in it, and that it works in a fresh environment; and the files about the project."""

import subprocess
import zipfile
from email.parser import Parser

import pytest
import yaml

from estimator_lab import __version__
from estimator_lab.__main__ import COMMANDS
from tests.places import ROOT, load_script

TOOL = load_script(ROOT / 'tools/installed.py')
DATA = {'estimator_lab/py.typed', 'estimator_lab/inference/report/page.html'}


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    return TOOL.build(tmp_path_factory.mktemp('wheel'))


@pytest.fixture(scope='module')
def python(wheel, tmp_path_factory):
    """The Python of a fresh environment with the wheel; TensorFlow and pytest are those of this one."""
    return TOOL.install_reusing(wheel, tmp_path_factory.mktemp('fresh') / 'environment')


def test_the_wheel_has_every_module_and_the_data(wheel):
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'estimator_lab').rglob('*.py')}
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if '.dist-info/' not in name}
        (metadata,) = (name for name in file.namelist() if name.endswith('/METADATA'))
        described = Parser().parsestr(file.read(metadata).decode())
    assert held == modules | DATA
    assert described['Version'] == __version__
    assert 'onnx' in described.get_all('Provides-Extra')


def test_tests_run_in_a_fresh_environment_outside_the_repository(python, tmp_path, capfd):
    assert TOOL.test(python, tmp_path, ['tests/data/test_order.py']) == 0, capfd.readouterr()


def test_the_command_is_installed(python, tmp_path):
    def output_of(*arguments):
        command = [python.parent / 'estimator_lab', *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert output_of('--version').startswith(f'estimator_lab {__version__}, TensorFlow 2.')
    (tmp_path / 'program.py').write_text('import tensorflow as tf\ntf.layers.dense\n')
    assert output_of('port', 'program.py').startswith('No name of TensorFlow is missing')


@pytest.mark.parametrize('name', COMMANDS)
def test_every_command_has_a_version(run_command, name):
    status, out, err = run_command(f'estimator_lab.{name}', '--version')
    assert (status, err) == (0, '') and out.startswith(f'estimator_lab {__version__}, TensorFlow 2.')


def test_the_citation_is_complete():
    """As the schema of CFF 1.2.0 requires it."""
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))
    assert {'cff-version', 'message', 'title', 'authors'} <= set(citation)
    assert citation['cff-version'] == '1.2.0' and citation['type'] == 'software'
    assert str(citation['version']) == __version__
    assert all('name' in author or 'family-names' in author for author in citation['authors'])
    assert 'license' not in citation  # as CONTRIBUTING.md says


def test_security_and_licence_are_described():
    security = (ROOT / 'SECURITY.md').read_text(encoding='utf-8')
    for heading in ('What is promised', 'What is not promised', 'Reporting a problem'):
        assert f'\n## {heading}\n' in security
    assert 'gRPC' in security and 'privately' in security
    assert 'No licence has been chosen yet' in (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
