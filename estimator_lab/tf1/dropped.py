"""Names that Python and NumPy have dropped since TensorFlow 1, for the modules of a program that `run` runs.

A program's own modules get them: its syntax tree changes, not Python's or NumPy's modules. A name that still
exists keeps its meaning.
"""

import ast
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from estimator_lab.tf1.uses import uses

_ABSTRACT = (
    *('Callable', 'Container', 'Hashable', 'ItemsView', 'Iterable', 'Iterator', 'KeysView', 'Mapping'),
    *(
        'MappingView',
        'MutableMapping',
        'MutableSequence',
        'MutableSet',
        'Sequence',
        'Set',
        'Sized',
        'ValuesView',
    ),
)
_SCALARS = {'float_': 'float64', 'complex_': 'complex128', 'string_': 'bytes_', 'unicode_': 'str_'}

DROPPED: Mapping[str, str] = {
    'inspect.getargspec': 'estimator_lab.tf1.dropped.getargspec',
    **{f'collections.{name}': f'collections.abc.{name}' for name in _ABSTRACT},
    'time.clock': 'time.perf_counter',
    **{f'numpy.{name}': f'builtins.{name}' for name in ('bool', 'complex', 'float', 'int', 'object', 'str')},
    'numpy.long': 'builtins.int',
    'numpy.unicode': 'builtins.str',
    **{f'numpy.{old}': f'numpy.{new}' for old, new in _SCALARS.items()},
    **{
        f'numpy.{old}': f'numpy.{new}' for old, new in {'NaN': 'nan', 'Inf': 'inf', 'product': 'prod'}.items()
    },
}
"""{full name: the name that has its meaning today}."""


class ArgSpec(NamedTuple):
    """What `inspect.getargspec` returned."""

    args: list[str]
    varargs: str | None
    keywords: str | None
    defaults: tuple[Any, ...] | None


def getargspec(function: Callable[..., Any]) -> ArgSpec:
    """Returns the parameters of a function, as Python's function of this name did up to 3.10."""
    return ArgSpec(*inspect.getfullargspec(function)[:4])


def print_numbers_as_before() -> None:
    """Makes NumPy 2 print its numbers as NumPy 1 did: `1.5`, not `np.float64(1.5)`."""
    if int(np.__version__.partition('.')[0]) >= 2:
        np.set_printoptions(legacy='1.25')


def with_dropped_names(tree: ast.Module) -> bool:
    """Replaces the dropped names that a module uses; returns whether there are any. Changes its argument."""
    found = {id(use.node): use.name for use in uses(tree) if _is_dropped(use.name)}
    if found:
        _Replacement(found).visit(tree)
        ast.fix_missing_locations(tree)
    return bool(found)


def _is_dropped(name: str) -> bool:
    if name not in DROPPED:
        return False
    module, _, last = name.rpartition('.')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # NumPy's FutureWarning: np.object will be defined as ...
        return not hasattr(importlib.import_module(module), last)


class _Replacement(ast.NodeTransformer):
    """Replaces expressions and imports by their ids."""

    def __init__(self, found: Mapping[int, str]) -> None:
        self._found = found

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Replaces `np.float` by `float`, whatever the program calls it."""
        if id(node) not in self._found:
            self.generic_visit(node)
            return node
        module, _, name = DROPPED[self._found[id(node)]].rpartition('.')
        new = ast.parse(f'__import__({module!r}, fromlist=[""]).{name}', mode='eval').body
        return ast.copy_location(new, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        """Replaces `from collections import Mapping` by an import of its new place."""
        if id(node) not in self._found:
            return [node]
        left: list[ast.alias] = []
        made: list[ast.stmt] = []
        for alias in node.names:
            if _is_dropped(f'{node.module}.{alias.name}'):
                module, _, name = DROPPED[f'{node.module}.{alias.name}'].rpartition('.')
                new = ast.ImportFrom(module, [ast.alias(name, alias.asname or alias.name)], 0)
                made.append(ast.copy_location(new, node))
            else:
                left.append(alias)
        node.names = left
        return [node, *made] if left else made
