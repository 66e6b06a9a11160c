"""Every public name is documented, and docs and examples use no others: see tools/public_names.py."""

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import itertools
import json
import re
import textwrap
from pathlib import Path

import pytest

from tests.support.documentation import all_pages
from tests.support.places import ROOT, load_script

declared = load_script(ROOT / 'tools/public_names.py')
PUBLIC = declared.PUBLIC
NAMES = [(module, name) for module, names in PUBLIC.items() for name in names]


def value_of(module, name):
    return inspect.unwrap(getattr(importlib.import_module(module), name))


def is_class(module, name):
    """Returns whether a name is that of a class, rather than a type that stands for another."""
    value = value_of(module, name)
    return inspect.isclass(value) and value.__name__ == name


CLASSES = [(module, name) for module, name in NAMES if is_class(module, name)]


def documented_values(module):
    """Returns the names that are assigned in a module, and have a docstring below the assignment."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    for body in (getattr(node, 'body', ()) for node in ast.walk(tree)):
        if isinstance(body, list):
            for node, following in itertools.pairwise(body):
                if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(following, ast.Expr):
                    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                    yield from [target.id] if isinstance(target, ast.Name) else []


def origin_of(module, name):
    """Returns the module that assigns a name, which the given one may import."""
    for node in ast.parse(inspect.getsource(importlib.import_module(module))).body:
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return node.module
    return module


def arguments_of(function):
    """Returns the arguments that a docstring has to describe, if there are several."""
    found = [name for name in inspect.signature(function).parameters if name not in ('self', 'args', 'cls')]
    return found if len(found) > 1 else []


def described(text):
    """Returns the names that a docstring describes."""
    return set(re.findall(r'^ *\*{0,2}(\w+):', text, re.MULTILINE))


@pytest.mark.parametrize(('module', 'name'), NAMES, ids=lambda value: value.split('.')[-1])
def test_it_is_documented(module, name):
    value = value_of(module, name)
    if is_class(module, name) or inspect.isfunction(value):
        text = inspect.getdoc(value) or ''
        assert re.match('[A-Z`]', text) and '.' in text
        if inspect.isfunction(value):
            assert set(arguments_of(value)) <= described(text)
    else:
        assert name in documented_values(origin_of(module, name))


@pytest.mark.parametrize(('module', 'name'), CLASSES, ids=lambda value: value.split('.')[-1])
def test_its_methods_and_attributes_are_documented(module, name):
    value = value_of(module, name)
    own = [field for field in getattr(value, '__annotations__', ()) if not field.startswith('_')]
    for member, method in vars(value).items():
        if not member.startswith('_') and member not in own and callable(getattr(method, 'fget', method)):
            assert inspect.getdoc(method), member
    if dataclasses.is_dataclass(value):
        own = [field.name for field in dataclasses.fields(value) if field.name in own and not field.metadata]
    elif not issubclass(value, tuple):
        own = []
    assert set(own) <= described(inspect.getdoc(value))


def blocks():
    """Yields (place, code) of all programs that are shown: on pages, in examples and in the notebook."""
    pages = [*all_pages(), ROOT / 'SECURITY.md', ROOT / 'CHANGELOG.md']
    for path in pages:
        text = path.read_text(encoding='utf-8')
        found = re.findall(r'^ *```python\n(.*?)^ *```', text, re.DOTALL | re.MULTILINE)
        yield from ((f'{path.name} {number}', textwrap.dedent(code)) for number, code in enumerate(found, 1))
    for path in sorted((ROOT / 'examples').glob('*.py')):
        yield path.name, path.read_text(encoding='utf-8')
    cells = json.loads((ROOT / 'examples/tour.ipynb').read_text(encoding='utf-8'))['cells']
    for number, cell in enumerate(cells, 1):
        if cell['cell_type'] == 'code':
            yield f'tour.ipynb {number}', ''.join(cell['source'])


BLOCKS = dict(blocks())


def parsed(code):
    """Compiles a program, or entries of a dictionary."""
    try:
        tree = ast.parse(code)
        compile(code, 'block', 'exec')
    except SyntaxError:
        tree = ast.parse(f'{{\n{code}\n}}')
    return tree


def used(tree):
    """Yields (module, name) of what a program imports of the package or takes from `api`; '' for a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, '') for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == 'estimator_lab':
            yield from ((f'estimator_lab.{alias.name}', '') for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or '', alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ('api', 'optimizers'):
            yield f'estimator_lab.{ast.unparse(node.value)}', node.attr


@pytest.mark.parametrize('place', BLOCKS)
def test_a_shown_program_compiles_and_uses_public_names(place):
    for module, name in used(parsed(BLOCKS[place])):
        if module.startswith('estimator_lab'):
            assert module in PUBLIC, module
            assert not name or name in PUBLIC[module], f'{module}.{name}'


def test_names_in_sentences_are_public_or_commands():
    for page in all_pages():
        for name in re.findall(r'`(estimator_lab\.[\w.]+)', page.read_text(encoding='utf-8')):
            module, _, last = name.rstrip('.').rpartition('.')
            is_public = name in PUBLIC or last in PUBLIC.get(module, ()) or has_public_modules(name)
            assert is_public or is_command(name), f'{page.name}: {name}'


def has_public_modules(name):
    return any(module.startswith(f'{name}.') for module in PUBLIC)


def is_command(name):
    """Returns whether `python -m` can run a module."""
    spec = importlib.util.find_spec(name)
    return bool(spec and spec.origin) and '__main__' in Path(spec.origin).read_text(encoding='utf-8')
