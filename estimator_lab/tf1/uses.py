"""The names of imported modules that a program uses, read from its syntax tree: for `run` and for `port`."""

import ast
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

_CAUGHT = ('ImportError', 'ModuleNotFoundError', 'AttributeError', 'NameError', 'Exception')
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Use(NamedTuple):
    """A use of an imported name.

    Attributes:
      module: the full name of what is imported, such as 'tensorflow' or 'tensorflow.contrib.layers'.
      path: the names below it, such as 'layers.dense'; '' for the import itself.
      line: the number of its line.
      keywords: the names of the arguments, if it is a call.
      is_handled: whether the program handles its absence, with `except ImportError` or similar.
      is_certain: whether it is a call that is not within `if` or `try`.
    """

    module: str
    path: str
    line: int
    keywords: frozenset[str] = frozenset()
    is_handled: bool = False
    is_certain: bool = False

    @property
    def name(self) -> str:
        """The full name."""
        return f'{self.module}.{self.path}'.rstrip('.')


def uses(tree: ast.AST, assigned: Collection[str] = ()) -> Iterator[Use]:
    """Yields the imports of a program, and the longest dotted names that start with an import.

    Names that the program assigns itself are left out, and the names in `assigned`: see `assigned_names`.
    """
    nodes = list(ast.walk(tree))
    handled = _below(part for node in nodes if isinstance(node, ast.Try) for part in _handled(node))
    conditional = _below(filter(_is_condition, nodes))
    names = _names(tree, nodes)
    assigned = {*assigned, *_assigned(names)}
    calls = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Use(alias.name, '', node.lineno, is_handled=id(node) in handled)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield Use(f'{node.module}.{alias.name}', '', node.lineno, is_handled=id(node) in handled)
    for node, module, path in names:
        if path and isinstance(node.ctx, ast.Load) and not _begins(_full(module, path), assigned):
            call = calls.get(id(node))
            words = frozenset(each.arg for each in call.keywords if each.arg) if call else frozenset()
            is_certain = call is not None and id(node) not in conditional
            yield Use(module, path, node.lineno, words, id(node) in handled, is_certain)


def assigned_names(tree: ast.AST) -> set[str]:
    """Returns the full names that a program assigns itself below what it imports, as in `tf.model = ...`."""
    return _assigned(_names(tree, list(ast.walk(tree))))


def _assigned(names: list[tuple[Any, str, str]]) -> set[str]:
    return {_full(module, path) for node, module, path in names if path and isinstance(node.ctx, ast.Store)}


def _full(module: str, path: str) -> str:
    """Returns the full name; `tensorflow.compat.v1` counts as `tensorflow`."""
    return f'{module}.{path}'.replace('tensorflow.compat.v1.', 'tensorflow.')


def _begins(name: str, beginnings: Collection[str]) -> bool:
    return any(f'{name}.'.startswith(f'{each}.') for each in beginnings)


def _below(nodes: Iterable[ast.AST]) -> set[int]:
    return {id(inner) for node in nodes for inner in ast.walk(node)}


def _is_condition(node: ast.AST) -> bool:
    # `if __name__ == '__main__'` is not a condition.
    test = ast.unparse(node.test) if isinstance(node, ast.If | ast.IfExp) else ''
    return isinstance(node, ast.If | ast.IfExp | ast.Try) and '__name__' not in test


def _names(tree: ast.AST, nodes: list[ast.AST]) -> list[tuple[Any, str, str]]:
    """Returns (node, module, path below it) for the longest dotted names that start with an import."""
    imports = _imports(nodes)
    aliases = {**_assigned_aliases(nodes, imports), **imports}
    hidden = _hidden(tree, nodes, imports)
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    found = []
    for node in nodes:
        if isinstance(node, ast.Attribute | ast.Name) and id(node) not in inner:
            root, _, path = _dotted(node).partition('.')
            if root in aliases and id(_root(node)) not in hidden:
                found.append((node, aliases[root], path))
    return found


def _root(node: Any) -> Any:
    return _root(node.value) if isinstance(node, ast.Attribute) else node


def _dotted(node: ast.AST) -> str:
    """Returns 'a.b.c' for an expression that consists of names; '' for any other."""
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return before and f'{before}.{node.attr}'
    return node.id if isinstance(node, ast.Name) else ''


def _imports(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Returns {name in the file: full name} for absolute imports."""
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition('.')[0]
                found[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: f'{node.module}.{alias.name}' for alias in node.names}
    return found


def _assigned_aliases(nodes: list[ast.AST], imports: dict[str, str]) -> dict[str, str]:
    """Returns {name in the file: full name} for names that are assigned once, as in `layers = tf.layers`."""
    bound = Counter(name for name, _ in _bound(nodes))
    found = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            root, _, path = _dotted(node.value).partition('.')
            if path and root in imports and bound[node.targets[0].id] == 1:
                found[node.targets[0].id] = f'{imports[root]}.{path}'
    return found


def _hidden(tree: ast.AST, nodes: list[ast.AST], imports: dict[str, str]) -> set[int]:
    """Returns the ids of names that are no import: their function binds them, or the module did meanwhile."""
    found: set[int] = set()
    for function in nodes:
        if isinstance(function, _FUNCTIONS):
            scope = list(_scope(function))
            own = {name for name, _ in _bound(scope)} & imports.keys() - _imports(scope).keys()
            if own:
                found |= {id(each) for each in ast.walk(function) if getattr(each, 'id', '') in own}
    scope = list(_scope(tree))
    imported = {name: node.lineno for node in scope for name in _imports([node])}
    for name, line in _bound(scope):
        if name in imported and line > imported[name]:
            found |= {id(each) for each in nodes if _is_after(each, name, line)}
    return found


def _is_after(node: ast.AST, name: str, line: int) -> bool:
    return isinstance(node, ast.Name) and node.id == name and node.lineno > line


def _scope(node: ast.AST) -> Iterator[Any]:
    """Yields the nodes of a module or function that are in its own scope, except for `except` blocks."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.ExceptHandler):
            yield child
            if not isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
                yield from _scope(child)


def _bound(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, int]]:
    """Yields (name, line) of assignments, parameters, functions and classes.

    Not of `x = None`, in the place of an import that failed, nor of `tf = tf.compat.v1`.
    """
    same: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values = [getattr(each, 'id', '') for each in ast.walk(node.value)]
            if ast.unparse(node.value) == 'None' or node.targets[0].id in values:
                same.add(id(node.targets[0]))
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and id(node) not in same:
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno


def _handled(node: ast.Try) -> list[ast.AST]:
    """Returns the parts of a `try` whose failure, or the other part's, the program expects."""
    handlers = [handler for handler in node.handlers if _catches_absence(handler)]
    return [*node.body, *handlers] if handlers else []


def _catches_absence(handler: ast.ExceptHandler) -> bool:
    if isinstance(handler.body[-1], ast.Raise):
        return False
    return handler.type is None or any(
        isinstance(node, ast.Name) and node.id in _CAUGHT for node in ast.walk(handler.type)
    )
