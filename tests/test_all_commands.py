"""What holds for every command: quick help, and a sentence for a wrong or missing flag."""

import importlib
import re

import pytest

from estimator_lab.__main__ import COMMANDS
from estimator_lab.base.errors import FlagError
from estimator_lab.base.settings import settings_from, settings_of
from tests.support.commands import flags_of

pytestmark = pytest.mark.once

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
        assert set(re.findall(r'^  --(\w+)', done.stdout, re.MULTILINE)) == flags_of(
            importlib.import_module(name)
        )
        assert max(map(len, done.stdout.splitlines())) <= 120


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
