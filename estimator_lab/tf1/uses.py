"""The names of imported modules that a program uses, read from its syntax tree: for `run` and for `port`."""

import ast
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

_CAUGHT = ('ImportError', 'ModuleNotFoundError', 'AttributeError', 'NameError', 'Exception')


class Use(NamedTuple):
    """A use of an imported name.

    Attributes:
      module: the full name of what is imported, such as 'tensorflow' or 'tensorflow.contrib.layers'.
      path: the names below it, such as 'layers.dense'; '' for the import itself.
      line: the number of its line.
      keywords: the names of the arguments, if it is a call.
      is_handled: whether the program handles its absence, with `except ImportError` or similar.
    """

    module: str
    path: str
    line: int
    keywords: frozenset[str] = frozenset()
    is_handled: bool = False

    @property
    def name(self) -> str:
        """The full name."""
        return f'{self.module}.{self.path}'.rstrip('.')


def uses(tree: ast.AST) -> Iterator[Use]:
    """Yields the imports of a program, and the longest dotted names that start with an import."""
    nodes = list(ast.walk(tree))
    handled = {
        id(inner)
        for node in nodes
        if isinstance(node, ast.Try)
        for part in _handled(node)
        for inner in ast.walk(part)
    }
    aliases = _aliases(nodes)
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    calls = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Use(alias.name, '', node.lineno, is_handled=id(node) in handled)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield Use(f'{node.module}.{alias.name}', '', node.lineno, is_handled=id(node) in handled)
        elif isinstance(node, ast.Attribute | ast.Name) and id(node) not in inner:
            root, _, path = _dotted(node).partition('.')
            if root in aliases and isinstance(node.ctx, ast.Load) and path:
                call = calls.get(id(node))
                words = frozenset(each.arg for each in call.keywords if each.arg) if call else frozenset()
                yield Use(aliases[root], path, node.lineno, words, id(node) in handled)


def _dotted(node: ast.AST) -> str:
    """Returns 'a.b.c' for an expression that consists of names; '' for any other."""
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return before and f'{before}.{node.attr}'
    return node.id if isinstance(node, ast.Name) else ''


def _aliases(nodes: list[ast.AST]) -> dict[str, str]:
    """Returns {name in the file: full name} for absolute imports, and names assigned from them once.

    Names that are imported from a module and also assigned, or parameters, are left out.
    """
    found: dict[str, str] = {}
    bound = Counter(_bound(nodes))
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition('.')[0]
                found[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if not bound[alias.asname or alias.name]:
                    found[alias.asname or alias.name] = f'{node.module}.{alias.name}'
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            root, _, path = _dotted(node.value).partition('.')
            name = node.targets[0].id
            if (
                path and root in found and bound[name] == 1 and name not in found
            ):  # layers = tf.contrib.layers
                found[name] = f'{found[root]}.{path}'
    return found


def _bound(nodes: list[ast.AST]) -> Iterator[str]:
    """Yields the names of assignments, parameters, functions and classes."""
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def _handled(node: ast.Try) -> list[ast.AST]:
    """Returns the parts of a `try` whose failure, or that of the other part, the program expects."""
    handlers = [handler for handler in node.handlers if _catches_absence(handler)]
    return [*node.body, *handlers] if handlers else []


def _catches_absence(handler: ast.ExceptHandler) -> bool:
    if isinstance(handler.body[-1], ast.Raise):
        return False
    return handler.type is None or any(
        isinstance(node, ast.Name) and node.id in _CAUGHT for node in ast.walk(handler.type)
    )
