"""Changes programs where the change is mechanical: the edits of each rule, applied to the text of a file."""

import ast
import difflib
import io
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from estimator_lab.porting import rules
from estimator_lab.porting.findings import Match
from estimator_lab.porting.lookup import TF, apis, has, quiet
from estimator_lab.porting.rules import Rule
from estimator_lab.porting.source import Source, Use

_OWN = 'estimator_lab'
_COMPAT = f'{TF}.compat.v1'
_NEW_NAMES = {
    **{f'numpy.{old}': new for old, new in rules.NUMPY_BUILTINS.items()},
    **{
        'xrange': 'range',
        'unicode': 'str',
        'basestring': 'str',
        'raw_input': 'input',
        'long': 'int',
        'unichr': 'chr',
    },
    **{'itertools.izip': 'zip', 'itertools.imap': 'map', 'itertools.ifilter': 'filter'},
}
_NEW_ATTRIBUTES = {
    **{f'numpy.{old}': new for old, new in rules.NUMPY_RENAMED.items()},
    **{'time.clock': 'perf_counter', 'sys.maxint': 'maxsize', 'os.getcwdu': 'getcwd'},
    'string.letters': 'ascii_letters',
    **{name: f'abc.{name.partition(".")[2]}' for name in rules.NAMES if name.startswith('collections.')},
}
_NEW_METHODS = {'iteritems': 'items', 'itervalues': 'values', 'iterkeys': 'keys', 'tostring': 'tobytes'}
_MODULE = re.compile(rb'from\s+([\w.]+)\s+import\b')


class Edit(NamedTuple):
    """Text in place of what is between two positions (line from 1, byte in the line)."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


class Change(NamedTuple):
    """A changed file, as bytes and as a diff, and the matches that are left for the user."""

    source: Source
    data: bytes
    diff: str
    left: list[Match]


class _File:
    """What the edits of a file need to know of it.

    Args:
      source: the file.
      found: all matches in it.
    """

    def __init__(self, source: Source, found: Iterable[Match]) -> None:
        self._encoding = tokenize.detect_encoding(io.BytesIO(source.tree.data).readline)[0]
        text = source.tree.data.decode(self._encoding)
        self.lines = text.encode().splitlines(keepends=True)
        self.body = source.tree.root.body
        self.rules = {match.rule for match in found}
        imports = (
            use.node for use in source.uses if use.kind == 'import' and use.name.startswith((TF, _OWN))
        )
        self.first_import = next(imports, None)

    def above(self, node: Any, statement: str) -> list[Edit]:
        """Returns the edit that writes a statement on a line above another; none if that shares its line."""
        indent = self._line(node.lineno)[: node.col_offset] if node else b'?'
        if indent.strip():
            return []
        place = (node.lineno, 0)
        return [Edit(place, place, f'{indent.decode()}{statement}{self._newline(node.lineno)}')]

    def below(self, node: Any, statement: str) -> list[Edit]:
        """Returns the edit that writes a statement on a line below another of the module's own."""
        line = self._line(node.end_lineno)
        rest = line[node.end_col_offset :].strip()
        if node not in self.body or (rest and not rest.startswith(b'#')) or not line.endswith((b'\n', b'\r')):
            return []
        place = (node.end_lineno, len(line))
        return [Edit(place, place, f'{statement}{self._newline(node.end_lineno)}')]

    def module_of(self, node: ast.ImportFrom, new: str) -> list[Edit]:
        """Returns the edit that renames the module of `from module import ...`."""
        found = _MODULE.match(self._line(node.lineno), node.col_offset)
        if not found:
            return []
        return [Edit((node.lineno, found.start(1)), (node.lineno, found.end(1)), new)]

    def applied(self, edits: Iterable[Edit]) -> bytes:
        """Returns the bytes of the file with the edits; of two that overlap, the first is made."""
        lines, pieces, done, last = self.lines, list[bytes](), (1, 0), None
        for edit in sorted(edits):
            # Several findings need the same line; but next( may be written twice, for a.next().next().
            again = edit == last and (edit.start < edit.end or edit.text.endswith('\n'))
            if again or edit.start < done:
                continue
            last = edit
            pieces += [_between(lines, done, edit.start), edit.text.encode()]
            done = edit.end
        pieces.append(_between(lines, done, (len(lines) + 1, 0)))
        return b''.join(pieces).decode().encode(self._encoding)

    def _line(self, number: int) -> bytes:
        return self.lines[number - 1]

    def _newline(self, number: int) -> str:
        line = self._line(number)
        return '\r\n' if line.endswith(b'\r\n') else '\n'


def _between(lines: list[bytes], start: tuple[int, int], end: tuple[int, int]) -> bytes:
    if start[0] == end[0]:
        return lines[start[0] - 1][start[1] : end[1]]
    first, last = lines[start[0] - 1][start[1] :], lines[end[0] - 1][: end[1]] if end[1] else b''
    return b''.join([first, *lines[start[0] : end[0] - 1], last])


def change(source: Source, found: list[Match]) -> Change:
    """Returns a file with all mechanical changes that its matches need."""
    data = source.tree.data
    if source.tree.error or not found:
        return Change(source, data, '', found)
    file, edits, left = _File(source, found), list[Edit](), list[Match]()
    with quiet():
        for match in {(match.rule, id(match.use.node)): match for match in found}.values():
            own = _edits_of(match, file)
            edits += own
            if not own:
                left.append(match)
        changed = file.applied(edits)
        if not _is_valid(changed):
            return Change(source, data, '', found)
    return Change(source, changed, _diff(source.tree.file, data, changed), left)


def _is_valid(data: bytes) -> bool:
    try:
        ast.parse(data)
    except (SyntaxError, ValueError):
        return False
    return True


def _diff(name: str, old: bytes, new: bytes) -> str:
    before, after = (data.decode('utf-8', 'replace').splitlines(keepends=True) for data in (old, new))
    lines = difflib.unified_diff(before, after, name, name)
    return ''.join(line if line.endswith('\n') else f'{line}\n' for line in lines)


def _edits_of(match: Match, file: _File) -> list[Edit]:
    """Returns the edits for a match; none if it is left to the user."""
    rule, use = match
    if make := _MAKERS.get(rule):
        return make(use, file)
    if use.kind == 'attribute':
        return list(_new_method(use))
    if use.kind == 'import':
        return _import_of_collections(use, file)
    return list(_new_name(use))


def _import_line(use: Use, file: _File) -> list[Edit]:
    """`import tensorflow as tf` -> `from estimator_lab.tf1 import tf`."""
    node = use.node
    if not isinstance(node, ast.Import) or len(node.names) != 1:
        return []
    name = node.names[0].asname or TF
    as_name = '' if name == 'tf' else f' as {name}'
    return [Edit(*_span(node), f'from {_OWN}.tf1 import tf{as_name}')]


def _first_line(use: Use, file: _File) -> list[Edit]:
    """Writes `import estimator_lab.tf1` above the first import of TensorFlow."""
    if rules.CONTRIB in file.rules or rules.CONTRIB_SLIM in file.rules:
        return _contrib(use, file)  # which imports estimator_lab.tf1
    return file.above(file.first_import, f'import {_OWN}.tf1')


def _contrib(use: Use, file: _File) -> list[Edit]:
    return file.above(file.first_import, f'import {_OWN}.contrib')


def _call_below_import(function: str) -> Callable[[Use, _File], list[Edit]]:
    """Returns a maker that calls a function of the TensorFlow 1 API below its import."""

    def make(use: Use, file: _File) -> list[Edit]:
        for node in file.body:
            for alias in getattr(node, 'names', []) if isinstance(node, ast.Import | ast.ImportFrom) else []:
                module = f'{getattr(node, "module", "")}.' if isinstance(node, ast.ImportFrom) else ''
                name, full = alias.asname or alias.name, f'{module}{alias.name}'
                if full in (f'{_OWN}.tf1.tf', _COMPAT) and '.' not in name:
                    return file.below(node, f'{name}.{function}()')
                if full == TF:
                    replaced = rules.OF_TENSORFLOW_1 in file.rules
                    return file.below(node, f'{name}.{"" if replaced else "compat.v1."}{function}()')
        return []

    return make


def _from_tensorflow(use: Use, file: _File) -> list[Edit]:
    """`from tensorflow import gfile` -> `from tensorflow.compat.v1 import gfile`."""
    node = use.node
    if not isinstance(node, ast.ImportFrom) or node.module != TF:
        return []
    known = all(has(apis()[0], alias.name) for alias in node.names)
    return file.module_of(node, _COMPAT) if known else []


def _import_of_collections(use: Use, file: _File) -> list[Edit]:
    node = use.node
    if not isinstance(node, ast.ImportFrom) or node.module != 'collections':
        return []
    known = all(f'collections.{alias.name}' in rules.NAMES for alias in node.names)
    return file.module_of(node, 'collections.abc') if known else []


def _interpolation(use: Use, file: _File) -> list[Edit]:
    """Renames the keyword, which follows the function of the match in the same call."""
    for node in (part for statement in file.body for part in ast.walk(statement)):
        if isinstance(node, ast.Call) and node.func is use.node:
            for keyword in node.keywords:
                if keyword.arg == 'interpolation':
                    place = (keyword.lineno, keyword.col_offset)
                    return [Edit(place, (place[0], place[1] + len('interpolation')), 'method')]
    return []


def _wrapped(before: str) -> Callable[[Use, _File], list[Edit]]:
    def make(use: Use, file: _File) -> list[Edit]:
        start, end = _span(use.node)
        return [Edit(start, start, f'{before}('), Edit(end, end, ')')]

    return make


def _next(use: Use, file: _File) -> list[Edit]:
    """`iterator.next()` -> `next(iterator)`."""
    assert isinstance(use.node, ast.Call) and isinstance(use.node.func, ast.Attribute)
    (start, end), (_, value_end) = _span(use.node), _span(use.node.func.value)
    return [Edit(start, start, 'next('), Edit(value_end, end, ')')]


def _division(use: Use, file: _File) -> list[Edit]:
    assert isinstance(use.node, ast.BinOp)
    (_, left), (right, _) = _span(use.node.left), _span(use.node.right)
    between = _between(file.lines, left, right)
    if between.count(b'/') != 1:
        return []
    at = between.index(b'/')
    if b'\n' in between[:at]:
        return []
    place = (left[0], left[1] + at)
    return [Edit(place, place, '/')]


def _attribute(new: str) -> Callable[[Use, _File], list[Edit]]:
    return lambda use, file: list(_renamed(use.node, new))


def _legacy(use: Use, file: _File) -> list[Edit]:
    node = use.node
    return list(_renamed(node, f'legacy.{node.attr}')) if isinstance(node, ast.Attribute) else []


def _sum(use: Use, file: _File) -> list[Edit]:
    return [Edit(*_span(use.node), 'sum')]


def _new_method(use: Use) -> Iterator[Edit]:
    if new := _NEW_METHODS.get(use.name.rpartition('.')[2]):
        yield from _renamed(use.node, new)


def _new_name(use: Use) -> Iterator[Edit]:
    if new := _NEW_NAMES.get(use.name):
        if isinstance(use.node, ast.Attribute) == ('.' in use.name):
            yield Edit(*_span(use.node), new)
    elif new := _NEW_ATTRIBUTES.get(use.name):
        yield from _renamed(use.node, new)


def _renamed(node: ast.AST, new: str) -> Iterator[Edit]:
    """Yields the edit that replaces the last name of an attribute."""
    if isinstance(node, ast.Attribute):
        _, end = _span(node)
        yield Edit((end[0], end[1] - len(node.attr.encode())), end, new)


def _span(node: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


_MAKERS: dict[Rule, Callable[[Use, _File], list[Edit]]] = {
    rules.OF_TENSORFLOW_1: _import_line,
    rules.OF_TENSORFLOW_2: _first_line,
    rules.IMPORT_LINE: _first_line,
    rules.COMPAT: _first_line,
    rules.RESTORED: _first_line,
    rules.KERAS_2: _first_line,
    rules.CONTRIB: _contrib,
    rules.CONTRIB_SLIM: _contrib,
    rules.DIMENSION: _contrib,
    rules.GRAPH: _call_below_import('disable_v2_behavior'),
    rules.REFERENCES: _call_below_import('disable_resource_variables'),
    rules.FROM_TENSORFLOW: _from_tensorflow,
    rules.INTERPOLATION: _interpolation,
    rules.PATTERNS['iterator']: _wrapped('list'),
    rules.PATTERNS['view']: _wrapped('list'),
    rules.PATTERNS['next']: _next,
    rules.PATTERNS['bytes']: _attribute('tobytes'),
    rules.PATTERNS['sum']: _sum,
    rules.PATTERNS['division']: _division,
    rules.PATTERNS['yaml']: _attribute('safe_load'),
    rules.PATTERNS['optimizer']: _legacy,
}
