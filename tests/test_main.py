"""`python -m estimator_lab`."""

import re

import pytest

from estimator_lab.__main__ import COMMANDS, main
from estimator_lab.core.registry import MODELS
from tests.support.commands import invoke
from tests.support.places import ROOT

pytestmark = pytest.mark.once


def run_main():
    try:
        return main()
    except SystemExit as ended:
        return ended.code or 0


@pytest.fixture
def run(capfd, monkeypatch):
    """Runs a module; returns its exit status, and what it shows."""

    def run(module, *arguments):
        if module == 'estimator_lab':
            monkeypatch.setattr('sys.argv', [module, *arguments])
            status = run_main()
        else:
            status = invoke(module, *arguments)
        shown = capfd.readouterr()
        return status, shown.out, shown.err

    return run


@pytest.mark.parametrize('arguments', [[], ['--help'], ['help']])
def test_it_lists_the_commands(run, arguments):
    status, out, _ = run('estimator_lab', *arguments)
    listed = dict(re.findall(r'^  ([a-z_.]+) {2,}(.+)$', out, re.MULTILINE))
    assert status == 0
    assert tuple(listed) == COMMANDS and all(len(text) > 20 for text in listed.values())


def test_every_module_that_is_a_command_is_listed():
    package = ROOT / 'estimator_lab'
    found = {
        '.'.join(path.relative_to(package).with_suffix('').parts)
        for path in package.rglob('*.py')
        if re.search(r'^COMMAND = .*\(', path.read_text(), re.MULTILINE)
    }
    assert found == set(COMMANDS)


def test_it_runs_a_command(run):
    assert run('estimator_lab', 'train', '--model=cmm')[::2] == (
        2,
        f'error: --model=cmm is unknown; known are: {", ".join(sorted(MODELS))}.\n',
    )


def test_it_tells_versions(run):
    assert re.fullmatch(
        r'estimator_lab [\d.]+, TensorFlow 2\.[\d.]+, Python 3\.[\d.]+\n',
        run('estimator_lab', '--version')[1],
    )


@pytest.mark.parametrize(
    ('name', 'hint'), [('trian', 'did you mean train?'), ('zzz', 'known are: train, evaluate')]
)
def test_an_unknown_command_gets_one_sentence(run, name, hint):
    status, out, err = run('estimator_lab', name)
    assert (status, out) == (2, '')
    assert err.startswith(f'error: There is no command {name!r}') and hint in err and err.count('\n') == 1
