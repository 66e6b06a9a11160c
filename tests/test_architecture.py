"""Tests the layout of the package; pyproject.toml has the rules of imports, for import-linter."""

import ast
import importlib
import re

import pytest

from estimator_lab.base.settings import settings_of
from estimator_lab.core.registry import MODELS, find_model
from tests.support.places import ROOT

PACKAGE = ROOT / 'estimator_lab'
SOURCES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob('*.py'))

COMMANDS = {path.stem for path in PACKAGE.glob('*.py')} - {'__init__'}
# The last adds a method to them.
READ_FLAGS = {*COMMANDS, 'data/pack', 'data/demo', 'base/command', 'base/flags', 'tf1/dropped_names'}


def nodes(kind):
    """Yields (file, node) of all nodes of a kind in the package, at any level of nesting."""
    for source in SOURCES:
        for node in ast.walk(ast.parse((PACKAGE / source).read_text(encoding='utf-8'))):
            if isinstance(node, kind):
                yield source, node


def imported(node):
    """Returns the dotted names that an import names."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    return {node.module or '', *(f'{node.module}.{alias.name}' for alias in node.names)}


def test_only_commands_read_flags():
    imports = nodes(ast.Import | ast.ImportFrom)
    readers = {str(source.with_suffix('')) for source, node in imports if 'absl.flags' in imported(node)}
    assert readers and readers <= READ_FLAGS


@pytest.mark.parametrize(('room', 'below'), [('tf1', {'base'}), ('contrib', {'base', 'tf1'})])
def test_modules_loaded_by_name_are_of_the_same_room_or_below(room, below):
    """import-linter does not see importlib.import_module('estimator_lab.contrib')."""
    for source in (PACKAGE / room).glob('*.py'):
        named = re.findall(r"'estimator_lab\.(\w+)[\w.]*'", source.read_text(encoding='utf-8'))
        assert {*named} <= {room, *below}, source


def test_no_file_is_longer_than_400_lines():
    assert not [source for source in SOURCES if len((PACKAGE / source).read_text().splitlines()) > 400]


def test_tests_mirror_the_package():
    """Each folder of tests has the name of a room, or is one without a counterpart."""
    own = {'conformance', 'examples', 'golden', 'robustness', 'support'}
    for path in (ROOT / 'tests').rglob('test_*.py'):
        folder = path.parent.relative_to(ROOT / 'tests')
        if folder.parts and folder.parts[0] not in own:
            assert (PACKAGE / folder).is_dir(), path


def test_the_picture_in_contributing_matches_the_rooms():
    page = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    picture = re.search(r'## Layout\n.*?\n```\n(.*?)```', page, re.DOTALL)[1]
    shown = set(re.findall(r'^  (?:  )?(\w+)/', picture, re.MULTILINE))
    rooms = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
    inner = {path.parent.name for path in PACKAGE.glob('*/*/__init__.py')}
    assert shown == rooms | inner


def test_folders_are_listed_by_functions_that_raise():
    """`Path.glob` and `os.walk` take a folder that can't be listed for an empty one: hence `base.files`."""
    # TensorFlow's glob raises; fsspec's has no way to, for the folders between.
    own = {'data/sources/remote.py', 'contrib/learn_input.py'}
    hiding = [
        (str(source), node.lineno)
        for source, node in nodes(ast.Call)
        if str(source) not in own and source.parts[0] != 'contrib'  # as TensorFlow 1 lists
        if isinstance(node.func, ast.Attribute) and hides_errors(node)
    ]
    assert not hiding


def hides_errors(call):
    if call.func.attr != 'walk':
        return call.func.attr in ('glob', 'iglob', 'rglob', 'Glob')
    hears = any(keyword.arg in ('onerror', 'on_error') for keyword in call.keywords)
    return not hears and ast.unparse(call.func.value) != 'ast'


def test_output_goes_through_base():
    """It escapes control characters, and handles a full disk or a closed pipe."""
    printing = [
        (str(source), node.lineno)
        for source, node in nodes(ast.Call)
        if source.parts[0] not in ('base', 'contrib') and ast.unparse(node.func) == 'print'
    ]
    assert not printing


def test_sentences_name_settings_that_there_are():
    """`option.batchsize` in a message would be a flag that no command has."""
    known = {'option': {'flagfile'}, 'hparam': set()}
    for source in SOURCES:
        if re.search(r'^COMMAND = ', (PACKAGE / source).read_text(encoding='utf-8'), re.MULTILINE):
            name = '.'.join(('estimator_lab', *source.with_suffix('').parts))
            known['option'] |= settings_of(importlib.import_module(name).COMMAND.settings).keys()
    for name in MODELS:
        known['hparam'] |= settings_of(find_model(name).params).keys()
    unknown = [
        (str(source), ast.unparse(node))
        for source, node in nodes(ast.Attribute)
        if node.attr not in known.get(ast.unparse(node.value), {node.attr})
    ]
    assert not unknown
