"""`python -m estimator_lab`; and of every command quick help, and a sentence for a wrong or missing flag."""

import importlib
import re

import pytest

from estimator_lab.__main__ import COMMANDS, main
from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import settings_from, settings_of
from estimator_lab.core.registry import MODELS
from tests.support.commands import flags_of
from tests.support.places import ROOT

USELESS = '--no_such_flag'


@pytest.fixture(params=COMMANDS)
def name(request):
    return f'estimator_lab.{request.param}'


@pytest.mark.parametrize('argument', ['--help', USELESS])
def test_help_and_wrong_flags_need_no_tensorflow(run_python, name, argument):
    done = run_python('-X', 'importtime', '-m', name, argument)
    imported = {line.rpartition('|')[2].strip() for line in done.stderr.splitlines() if '|' in line}
    assert not imported & {'tensorflow', 'estimator_lab.tf1', 'tf_keras'}
    assert not [module for module in imported if re.match(r'estimator_lab\.models\.', module)]
    if argument == USELESS:
        assert done.returncode == 2 and f'error: There is no flag {USELESS}' in done.stderr
    else:
        assert done.returncode == 0
        shown = set(re.findall(r'^  --(\w+)', done.stdout, re.MULTILINE))
        assert shown == flags_of(importlib.import_module(name))
        assert max(map(len, done.stdout.splitlines())) <= 120


def test_each_flag_has_a_heading_in_the_help(name):
    declared = settings_of(importlib.import_module(name).COMMAND.settings)
    assert not [flag for flag in declared if not declared[flag].group]


def test_a_required_flag_that_is_missing_is_named(name, run_command):
    command = importlib.import_module(name).COMMAND
    if command.required:
        assert run_command(name) == (2, '', f'error: --{command.required[0]} is missing, see --help.\n')


def test_no_flag_of_text_may_be_empty(name):
    """As a variable of the shell that is not set leaves it; nor may it be for a program."""
    command = importlib.import_module(name).COMMAND
    for flag, declared in settings_of(command.settings).items():
        if declared.type not in (bool, int, float):
            with pytest.raises(FlagError, match=f'{flag} is given without|value should be one of'):
                command.parse(['program', *(['file'] if command.arguments else []), f'--{flag}='])
            if not declared.of_command:
                with pytest.raises(FlagError, match=f'{flag} is given without'):
                    settings_from(command.settings, {flag: ''})


@pytest.fixture
def run(capfd, monkeypatch):
    """Runs the package with arguments; returns its exit status, and what it shows."""

    def run(*arguments):
        monkeypatch.setattr('sys.argv', ['estimator_lab', *arguments])
        try:
            status = main()
        except SystemExit as ended:
            status = ended.code or 0
        return status, *capfd.readouterr()

    return run


@pytest.mark.parametrize('arguments', [[], ['--help'], ['help']])
def test_it_lists_the_commands(run, arguments):
    status, out, _ = run(*arguments)
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
    sentence = f'error: --model=cmm is unknown; known are: {", ".join(sorted(MODELS))}.\n'
    assert run('train', '--model=cmm')[::2] == (2, sentence)


def test_it_tells_versions(run):
    versions = r'estimator_lab [\d.]+, TensorFlow 2\.[\d.]+, Python 3\.[\d.]+\n'
    assert re.fullmatch(versions, run('--version')[1])


@pytest.mark.parametrize(
    ('name', 'hint'), [('trian', 'did you mean train?'), ('zzz', 'known are: train, evaluate')]
)
def test_an_unknown_command_gets_one_sentence(run, name, hint):
    status, out, err = run(name)
    assert (status, out) == (2, '')
    assert err.startswith(f'error: There is no command {name!r}') and hint in err and err.count('\n') == 1
