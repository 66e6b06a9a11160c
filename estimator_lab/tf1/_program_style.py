"""Reads from a program's text which TensorFlow it was written for, and imports that one in its place.

`import tensorflow as tf` in a program for TensorFlow 1 becomes `import tensorflow.compat.v1 as tf`. Only the
syntax tree changes, not the file, so that line numbers and tracebacks are those of the program.
"""

import ast
import importlib.util
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

from tensorflow.python.util.lazy_loader import LazyLoader

from estimator_lab.tf1._names import ApiModule

_TF = 'tensorflow'
_V1 = 'tensorflow.compat.v1'
# Names of TensorFlow 1 whose meaning under v2 behaviour is another one, or that then raise an error.
_NEEDS_V1 = ('placeholder', 'Session', 'InteractiveSession', 'summary.FileWriter', 'contrib')
# Programs that use one of these were written or converted for v2 behaviour.
_NEEDS_V2 = (
    *('function', 'GradientTape', 'compat.v2', 'enable_v2_behavior', 'enable_eager_execution'),
    *('disable_v2_behavior', 'compat.v1.disable_v2_behavior', 'compat.v1.enable_v2_behavior'),
    *('disable_eager_execution', 'compat.v1.disable_eager_execution', 'compat.v1.enable_eager_execution'),
)
_NOT_IN_V1 = ('python', 'core', 'tools')  # modules that programs import from `tensorflow`
# Modules that stay, or that `tf1` supplies.
_KEPT = (*_NOT_IN_V1, 'compat', 'contrib', 'estimator', 'keras', 'layers')
# Functions of tf.metrics and tf.losses in both; in TensorFlow 2 they are Keras's.
_IN_BOTH = ('mean_squared_error', 'mean_absolute_error')


class Style(NamedTuple):
    """What a module's text says about its TensorFlow.

    Attributes:
      v1: whether its `tensorflow` is TensorFlow 1; None if it uses only names that both have.
      behaviour: whether it needs TensorFlow 1's behaviour: no eager execution, `shape[0].value`.
      converted: whether it calls TensorFlow 1 by `tf.compat.v1`.
    """

    v1: bool | None = None
    behaviour: bool = False
    converted: bool = False


def style_of(tree: ast.AST, v1: Any, v2: Any) -> Style:
    """Returns the style of a module.

    Args:
      tree: its syntax tree.
      v1: the module `tensorflow.compat.v1`.
      v2: the module `tensorflow`.
    """
    paths: set[str] = set()
    explicit: set[str] = set()
    aliases = dict(_aliases(tree))
    for module, path in _uses(tree, aliases):
        (paths if module == _TF else explicit).add(path)
    one = {path for path in paths if _is_only_in(path, v1, v2)}
    two = {path for path in paths if not path.startswith('compat') and _is_only_in(path, v2, v1)}
    converted = any(path.startswith('compat.v') for path in paths)
    older = len(one) > len(two)
    found = True if older else False if two or converted else None
    used = {path.removeprefix('compat.v1.') for path in paths} | explicit
    has_old = any(_begins(path, _NEEDS_V1) for path in used) or _has_dimension_values(tree)
    modern = any(_begins(path, _NEEDS_V2) for path in paths | explicit)
    from_contrib = any(_begins(path, ('contrib',)) for path in used)
    return Style(found, not modern and (older or from_contrib or (has_old and not paths)), converted)


def _begins(path: str, names: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith(f'{name}.') for name in names)


def _aliases(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yields (name in the file, 'tensorflow' or 'tensorflow.compat.v1')."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in (_TF, _V1) and alias.asname:
                    yield alias.asname, alias.name
                elif not alias.asname and alias.name.partition('.')[0] == _TF:
                    yield _TF, _TF
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                if (node.module, alias.name) in (('tensorflow.compat', 'v1'), ('estimator_lab.tf1', 'tf')):
                    yield alias.asname or alias.name, _V1


def _uses(tree: ast.AST, aliases: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yields (module, path below it) for each name of TensorFlow that the file uses or imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            root, _, path = _dotted(node).partition('.')
            if root in aliases and path:
                yield aliases[root], path
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(f'{_TF}.contrib'):
                    yield _TF, alias.name.partition('.')[2]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from _imported_from(node)


def _imported_from(node: ast.ImportFrom) -> Iterator[tuple[str, str]]:
    name = node.module or ''
    for module in (_V1, _TF):
        if name == module or name.startswith(f'{module}.'):
            below = name[len(module) + 1 :]
            if not _begins(below, _NOT_IN_V1):
                found = [f'{below}.{alias.name}'.lstrip('.') for alias in node.names]
                yield from ((module, path) for path in found if path != 'compat.v1')  # an alias of it
            return


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return before and f'{before}.{node.attr}'
    return node.id if isinstance(node, ast.Name) else ''


def _has_dimension_values(tree: ast.AST) -> bool:
    """Whether the file has an expression like `x.shape[0].value` or `x.get_shape()[0].value`."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr == 'value'
            and isinstance(node.value, ast.Subscript)
            and 'shape' in ast.unparse(node.value.value)
        ):
            return True
    return False


def _is_only_in(path: str, one: Any, other: Any) -> bool:
    """Whether the API `one` has the path and `other` lacks it; False if Keras would have to be loaded."""
    first, _, rest = path.partition('.')
    second = rest.partition('.')[0]
    if first == 'contrib':
        return bool(one.__name__ == _V1)
    if first in ('metrics', 'losses') and second:
        # TensorFlow 1 has functions, TensorFlow 2 has Keras's classes.
        return second not in _IN_BOTH and second[0].islower() == (one.__name__ == _V1)
    mine, theirs = _member(one, first), _member(other, first)
    if mine is None or theirs is None or not second:
        return mine is not None and theirs is None
    if any(isinstance(each, LazyLoader) or not isinstance(each, ModuleType) for each in (mine, theirs)):
        return False
    return _member(mine, second) is not None and _member(theirs, second) is None


def _member(api: ModuleType, name: str) -> Any:
    found = vars(vars(api).get('_tfmw_wrapped_module', api)).get(name)
    supplied = isinstance(found, ModuleType) and isinstance(vars(found).get('__loader__'), ApiModule)
    return None if supplied else found


class _Version1(ast.NodeTransformer):
    """Replaces imports of `tensorflow` by those of `tensorflow.compat.v1`."""

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        """Replaces `import tensorflow as tf`, and adds the name to `import tensorflow.contrib.x`."""
        below = False
        for alias in node.names:
            below |= alias.name.startswith(f'{_TF}.contrib') and not alias.asname
            if alias.name == _TF:
                alias.name, alias.asname = _V1, alias.asname or _TF
        added = ast.Import([ast.alias(_V1, _TF)])
        return [node, ast.copy_location(added, node)] if below else [node]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        """Replaces `from tensorflow import x` and `from tensorflow.train import x`."""
        root, _, below = (node.module or '').partition('.')
        if root != _TF or node.level or any(name.name in _NOT_IN_V1 for name in node.names):
            return node
        first = below.partition('.')[0]
        if not below or (first not in _KEPT and importlib.util.find_spec(f'{_V1}.{first}')):
            node.module = f'{_V1}.{below}'.rstrip('.')
        return node


def with_version_1(tree: ast.Module) -> ast.Module:
    """Returns the tree of a module with TensorFlow 1 in the place of its TensorFlow; changes its argument."""
    return ast.fix_missing_locations(_Version1().visit(tree))
