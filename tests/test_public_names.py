"""Every public name is documented, and docs and examples use no others: see tools/public_names.py."""

import ast
import importlib
import inspect
import json
import re
import textwrap

from tests.support.documentation import all_pages
from tests.support.places import ROOT, load_script

PUBLIC = load_script(ROOT / 'tools/public_names.py').PUBLIC


def test_public_names_are_documented_with_their_arguments():
    for module, names in PUBLIC.items():
        for name in names:
            value = inspect.unwrap(getattr(importlib.import_module(module), name))
            if getattr(value, '__name__', '') != name:  # a value, or another name of a type
                continue
            text = inspect.getdoc(value) or ''
            described = set(re.findall(r'^ *\*{0,2}(\w+):', text, re.MULTILINE))
            arguments = set(inspect.signature(value).parameters) if inspect.isfunction(value) else set()
            assert re.match('[A-Z`]', text) and '.' in text, name
            assert len(arguments) < 2 or arguments - {'args'} <= described, name


def programs():
    """Yields (place, code) of all programs that are shown: on pages, in examples and in the notebook."""
    for path in [*all_pages(), ROOT / 'SECURITY.md']:
        found = re.findall(r'^ *```python\n(.*?)^ *```', path.read_text(), re.DOTALL | re.MULTILINE)
        yield from ((path.name, textwrap.dedent(code)) for code in found)
    for path in sorted((ROOT / 'examples').glob('*.py')):
        yield path.name, path.read_text(encoding='utf-8')
    for cell in json.loads((ROOT / 'examples/tour.ipynb').read_text(encoding='utf-8'))['cells']:
        if cell['cell_type'] == 'code':
            yield 'tour.ipynb', ''.join(cell['source'])


def used(code):
    """Yields (module, name) of what a program imports of the package or takes from `api`; '' for a module."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # entries of a dictionary
        tree = ast.parse(f'{{\n{code}\n}}')
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, '') for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module = f'{node.module}.{alias.name}'
                yield (module, '') if module in PUBLIC else (node.module or '', alias.name)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ('api', 'optimizers'):
            yield f'estimator_lab.{ast.unparse(node.value)}', node.attr


def test_shown_programs_use_public_names():
    for place, code in programs():
        for module, name in used(code):
            if module.startswith('estimator_lab'):
                assert module in PUBLIC and (not name or name in PUBLIC[module]), (place, module, name)
