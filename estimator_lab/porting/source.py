"""Reads the names that a Python file uses, and their lines, from its syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from estimator_lab.errors import DataError

_PYTHON_2 = frozenset(
    {'six.PY2', 'PY2', 'sys.version_info[0] == 2', 'sys.version_info[0] < 3', 'sys.version_info < (3,)'}
)
_PYTHON_3 = frozenset(
    {'six.PY3', 'PY3', 'sys.version_info[0] == 3', 'sys.version_info[0] >= 3', 'sys.version_info >= (3,)'}
)
LONGEST = 8 << 20  # bytes, more than any hand-written program has


class Use(NamedTuple):
    """A dotted name such as 'tensorflow.layers.dense', with aliases resolved, and its line.

    `kind` is 'import' for an imported module or name, 'name' for one that is used, 'attribute' for the end of
    an expression that does not start with an import, such as '.value' of `x.shape[0].value`, and 'class' for
    a class that has a method of this name but not its counterpart for resource variables. `excused` is true
    for code that an enclosing test reserves for Python 2.
    """

    name: str
    line: int
    kind: str
    keywords: frozenset[str] = frozenset()
    excused: bool = False


class Source(NamedTuple):
    """One file: its name, and its uses by line; `error` is its syntax error, at `line`."""

    file: str
    uses: list[Use]
    error: str = ''
    line: int = 0


def read(file: str) -> Source:
    """Reads one file.

    Raises:
      DataError: the file does not exist, is not text, or is nested too deep.
    """
    path = Path(file)
    try:
        if path.stat().st_size > LONGEST:
            raise DataError(f'{file} is not a program: it is longer than {LONGEST} bytes.')
        text = path.read_bytes()
        if b'\0' in text:
            raise ValueError('it contains zero bytes')
        return Source(file, _uses(ast.parse(text, file)))
    except OSError as error:
        raise DataError(f'{file} cannot be read: {error.strerror}.') from error
    except SyntaxError as error:
        return Source(file, [], str(error.msg), error.lineno or 1)
    except (RecursionError, MemoryError) as error:
        raise DataError(f'{file} cannot be read: it is nested too deep.') from error
    except ValueError as error:
        raise DataError(f'{file} is not a Python program: {error}.') from error


def _uses(tree: ast.AST) -> list[Use]:
    aliases = dict(_aliases(tree))
    old = _lines_of_python_2(tree)
    found = [*_imports(tree), *_names(tree, aliases), *_half_optimizers(tree)]
    uses = {use._replace(excused=use.line in old) for use in found}
    return sorted(uses, key=lambda use: (use.line, use.name))


def _aliases(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yields (name in the file, full name) for absolute imports, and for assignments of imported names.

    Omits a name that is imported from a module and also assigned another value.
    """
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not _is_read(node)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition('.')[0]
                yield (alias.asname, alias.name) if alias.asname else (root, root)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) not in bound:
                    yield alias.asname or alias.name, f'{node.module}.{alias.name}'
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            # `layers = tf.contrib.layers`; `tf` is resolved where `layers` is used.
            target, dotted = node.targets[0], _dotted(node.value)
            if (
                isinstance(target, ast.Name)
                and dotted
                and dotted.partition('.')[0] not in ('', dotted, target.id)
            ):
                yield target.id, f'={dotted}'


def _lines_of_python_2(tree: ast.AST) -> set[int]:
    """Returns the lines that Python 3 never runs, such as those below `if six.PY2:`."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If):
            test = ast.unparse(node.test)
            dead = node.body if test in _PYTHON_2 else node.orelse if test in _PYTHON_3 else []
            lines.update(n for part in dead for n in range(part.lineno, (part.end_lineno or part.lineno) + 1))
    return lines


def _half_optimizers(tree: ast.AST) -> Iterator[Use]:
    """Yields the optimizers that support reference variables only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
            if '_apply_dense' in methods and '_resource_apply_dense' not in methods:
                yield Use('_apply_dense', node.lineno, 'class')


def _imports(tree: ast.AST) -> Iterator[Use]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Use(alias.name, node.lineno, 'import') for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (Use(f'{node.module}.{alias.name}', node.lineno, 'import') for alias in node.names)


def _names(tree: ast.AST, aliases: dict[str, str]) -> Iterator[Use]:
    """Yields the longest dotted names, and the attributes of other expressions."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    keywords = {
        id(node.func): frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not _is_read(node)}
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Attribute, ast.Name)) or id(node) in inner or not _is_read(node):
            continue
        dotted = _dotted(node)
        called_with = keywords.get(id(node), frozenset())
        if dotted is None:
            assert isinstance(node, ast.Attribute)
            yield Use(_tail(node), node.end_lineno or node.lineno, 'attribute', called_with)
            continue
        head, _, rest = dotted.partition('.')
        full = _spelled_out(head, aliases)
        if full:
            yield Use(f'{full}.{rest}'.rstrip('.'), node.lineno, 'name', called_with)
        elif rest:
            yield Use(f'.{rest}', node.lineno, 'attribute', called_with)
        elif head not in bound:
            yield Use(head, node.lineno, 'name', called_with)


def _is_read(node: ast.Attribute | ast.Name) -> bool:
    return isinstance(node.ctx, ast.Load)


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


def _dotted(node: ast.expr) -> str | None:
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
