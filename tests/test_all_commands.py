"""What holds for every command: quick help, and messages that name only flags which the command has."""

import ast
import importlib
import re

import pytest

from estimator_lab.__main__ import COMMANDS
from tests.support.commands import flags_of
from tests.support.places import ROOT

pytestmark = pytest.mark.once

# Errors that name a flag which some command in whose imports they are does not have: the flag of another
# command whose value is at fault, or code that the command never calls.
ELSEWHERE = {
    'core/params.py': {'hparams'},  # of training
    'data/images/augment.py': {'augment'},
    'data/labels.py': {'vocabulary'},  # also reads the vocabulary of a model_dir
    'data/bad_examples.py': {'max_bad_fraction'},  # all may be bad, except in training
    'data/trees/kind.py': {'data', 'tokens'},
    'inference/drawing.py': {'model'},  # how models are trained that can do it
    'inference/inspection.py': {'model'},
    'inference/painting.py': {'model'},
    'inference/prediction.py': {'model', 'top'},  # inspect asks for no more labels than there are
    'inference/samples.py': {'hparams', 'model'},
    'models/recurrent/model.py': {'hparams'},
    'models/recursive/model.py': {'hparams'},
    'models/registry.py': {'model'},
    'runs/model.py': {'decode', 'label'},
    'runs/record.py': {'channels', 'data', 'hparams', 'image_size', 'model'},  # of resumed training
    'runs/reference_classifier.py': {'channels', 'image_size', 'model'},
    'runs/serving.py': {'out'},  # of export
}
USELESS = '--no_such_flag'


@pytest.fixture(params=COMMANDS)
def name(request):
    return f'estimator_lab.{request.param}'


@pytest.mark.parametrize('argument', ['--help', USELESS])
def test_help_and_wrong_flags_need_no_tensorflow(run_python, name, argument):
    done = run_python('-X', 'importtime', '-m', name, argument)
    imported = {line.rpartition('|')[2].strip() for line in done.stderr.splitlines() if '|' in line}
    assert not imported & {'tensorflow', 'estimator_lab.tf1', 'tf_keras'}
    assert not [module for module in imported if re.match(r'estimator_lab\.models\.(?!registry)', module)]
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


def imports_of(path):
    """Returns the files of the package that a file imports, wherever in it."""
    names, tree = [], ast.parse(path.read_text(encoding='utf-8'))
    # The methods of Run import all verbs; a command runs its own.
    for node in tree.body if path.match('inference/run.py') else ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f'{node.module}.{alias.name}' for alias in node.names)]
    paths = [ROOT.joinpath(*name.split('.')).with_suffix('.py') for name in names]
    return [path for path in paths if path.is_file() and path.is_relative_to(ROOT / 'estimator_lab')]


def all_imports_of(path):
    found, waiting = set(), [path]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imports_of(path)
    return found


def raised(path):
    """Yields the calls in the raise statements of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield node.exc


def flags_in(node):
    texts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
    return {flag for text in texts if isinstance(text, str) for flag in re.findall(r'--([a-z]\w+)', text)}


def test_errors_name_flags_of_the_running_command(name):
    module = importlib.import_module(name)
    known = {'help', *flags_of(module), *module.COMMAND.aliases}
    for path in all_imports_of(ROOT.joinpath(*name.split('.')).with_suffix('.py')):
        place = str(path.relative_to(ROOT / 'estimator_lab'))
        for call in raised(path):
            named = {flag for part in call.args for flag in flags_in(part)}
            foreign = named - known - ELSEWHERE.get(place, set())
            assert not foreign, f'{place}:{call.lineno}: make it a remedy, DataError(fact, {foreign}=...)'


def test_a_remedy_names_the_flag_it_is_for():
    for path in (ROOT / 'estimator_lab').rglob('*.py'):
        for call in raised(path):
            for remedy in call.keywords:
                if remedy.arg and isinstance(remedy.value, ast.Constant | ast.JoinedStr):
                    assert flags_in(remedy.value) <= {remedy.arg}, f'{path}:{call.lineno}'
