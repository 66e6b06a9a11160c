"""Reads the names that a Python file uses, and their places, from its syntax tree."""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from estimator_lab.errors import DataError
from estimator_lab.porting.contexts import walk
from estimator_lab.porting.reading import Tree, parse
from estimator_lab.porting.values import Pattern, patterns

_STARS = ('six.moves', 'past.builtins', 'builtins')
_MEANT_FOR_PYTHON_2_AND_3 = frozenset({'xrange', 'unicode', 'basestring', 'raw_input', 'long', 'reduce'})


class Use(NamedTuple):
    """A dotted name such as 'tensorflow.layers.dense', with aliases resolved, and its place.

    `kind` is 'import' for an imported module or name, 'name' for one that is used, 'attribute' for the end of
    an expression that does not start with an import, such as '.value' of `x.shape[0].value`, 'class' for
    a class that has a method of this name but not its counterpart for resource variables, and otherwise one
    of `values.Pattern`. `node` is the expression or the import statement.

    `excused` is true for code that never runs here, or whose failure is handled; `in_graph` for code that
    runs while a graph is built.
    """

    name: str
    line: int
    kind: str
    node: ast.AST
    keywords: frozenset[str] = frozenset()
    excused: bool = False
    in_graph: bool = False


class Source(NamedTuple):
    """One file: its syntax tree, and its uses by line."""

    tree: Tree
    uses: list[Use]


def read(file: str) -> Source:
    """Reads one file.

    Raises:
      DataError: the file does not exist, is not text, or is nested too deep.
    """
    tree = parse(file)
    try:
        return Source(tree, _uses(tree.root))
    except RecursionError as error:
        raise DataError(f'{file} cannot be read: it is nested too deep.') from error


def _uses(root: ast.Module) -> list[Use]:
    contexts = {id(node): context for node, context in walk(root)}
    aliases = dict(_aliases(root))
    found = [*_imports(root), *_names(root, aliases), *_half_optimizers(root)]
    for pattern, node, text in patterns(root, lambda node: _full_name(node, aliases)):
        found.append(Use(text, _line(node), Pattern(pattern).value, node))
    for number, use in enumerate(found):
        context = contexts[id(use.node)]
        found[number] = use._replace(excused=context.excused, in_graph=context.in_graph)
    return sorted(found, key=lambda use: (use.line, use.name))


def _line(node: ast.expr) -> int:
    return node.end_lineno or node.lineno if isinstance(node, ast.Attribute) else node.lineno


def _aliases(root: ast.AST) -> Iterator[tuple[str, str]]:
    """Yields (name in the file, full name) for absolute imports, and for assignments of imported names.

    Omits a name that is imported from a module and also assigned another value.
    """
    bound = _bound(root)
    for node in ast.walk(root):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root_name = alias.name.partition('.')[0]
                yield (alias.asname, alias.name) if alias.asname else (root_name, root_name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) not in bound:
                    yield alias.asname or alias.name, f'{node.module}.{alias.name}'
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            yield from _alias_of(node.targets[0], node.value)


def _alias_of(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, str]]:
    """Yields the alias that an assignment makes, such as `layers = tf.contrib.layers`."""
    dotted = _dotted(value)
    if isinstance(target, ast.Name) and dotted:
        if dotted.partition('.')[0] not in ('', dotted, target.id):
            yield target.id, f'={dotted}'  # `tf` is resolved where `layers` is used
        elif dotted == f'{target.id}.compat.v1':  # tf = tf.compat.v1
            yield target.id, 'tensorflow.compat.v1'


def _bound(root: ast.AST) -> set[str]:
    """Returns the names that are assigned, or are parameters, functions or classes."""
    bound = {node.id for node in ast.walk(root) if isinstance(node, ast.Name) and not _is_read(node)}
    bound |= {node.arg for node in ast.walk(root) if isinstance(node, ast.arg)}
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return bound | {node.name for node in ast.walk(root) if isinstance(node, definitions)}


def _half_optimizers(root: ast.AST) -> Iterator[Use]:
    """Yields the optimizers that support reference variables only."""
    for node in ast.walk(root):
        if isinstance(node, ast.ClassDef):
            methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
            if '_apply_dense' in methods and '_resource_apply_dense' not in methods:
                yield Use('_apply_dense', node.lineno, 'class', node)


def _imports(root: ast.AST) -> Iterator[Use]:
    for node in ast.walk(root):
        if isinstance(node, ast.Import):
            yield from (Use(alias.name, node.lineno, 'import', node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield Use(f'{node.module}.{alias.name}', alias.lineno, 'import', node)


def _names(root: ast.AST, aliases: dict[str, str]) -> Iterator[Use]:
    """Yields the longest dotted names, and the attributes of other expressions."""
    inner = {id(node.value) for node in ast.walk(root) if isinstance(node, ast.Attribute)}
    keywords = {
        id(node.func): frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
        for node in ast.walk(root)
        if isinstance(node, ast.Call)
    }
    bound = _bound(root)
    if any(isinstance(node, ast.ImportFrom) and node.module in _STARS for node in ast.walk(root)):
        bound |= _MEANT_FOR_PYTHON_2_AND_3  # from six.moves import *
    for node in ast.walk(root):
        if not isinstance(node, (ast.Attribute, ast.Name)) or id(node) in inner or not _is_read(node):
            continue
        called_with, dotted = keywords.get(id(node), frozenset()), _dotted(node)
        full = _full_name(node, aliases)
        if isinstance(node, ast.Name) and aliases.get(node.id, '').startswith('='):
            continue  # the assignment stands for its uses
        if full:
            yield Use(full, node.lineno, 'name', node, called_with)
        elif isinstance(node, ast.Attribute):
            text = f'.{dotted.partition(".")[2]}' if dotted else _tail(node)
            yield Use(text, _line(node), 'attribute', node, called_with)
        elif node.id not in bound:
            yield Use(node.id, node.lineno, 'name', node, called_with)


def _is_read(node: ast.Attribute | ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


def _full_name(node: ast.AST, aliases: dict[str, str]) -> str:
    """Returns the full name of an expression that starts with an import; '' for any other."""
    dotted = _dotted(node)
    if dotted is None:
        return ''
    head, _, rest = dotted.partition('.')
    full = _spelled_out(head, aliases)
    return f'{full}.{rest}'.rstrip('.') if full else ''


def _spelled_out(head: str, aliases: dict[str, str]) -> str:
    """Returns the full name of an alias, through aliases of aliases; '' if it is not an alias."""
    for _ in range(len(aliases) + 1):
        found = aliases.get(head, '')
        if not found.startswith('='):
            return found
        first, _, rest = found[1:].partition('.')
        if first == head or not aliases.get(first):
            return ''
        before = _spelled_out(first, {name: full for name, full in aliases.items() if name != head})
        return f'{before}.{rest}' if before else ''
    return ''


def _dotted(node: ast.AST) -> str | None:
    """Returns 'a.b.c' for an expression that consists of names; None for any other."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return '.'.join([node.id, *reversed(parts)])


def _tail(node: ast.Attribute) -> str:
    """Returns the attributes of an expression: '().shape[].value' of `f(x).shape[0].value`."""
    text = f'.{node.attr}'
    value: ast.expr = node.value
    while True:
        if isinstance(value, ast.Subscript):
            text, value = f'[]{text}', value.value
        elif isinstance(value, ast.Call):
            text, value = f'(){text}', value.func
        elif isinstance(value, ast.Attribute):
            text, value = f'.{value.attr}{text}', value.value
        else:
            return text
