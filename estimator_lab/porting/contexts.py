"""Walks a syntax tree and tells for each node whether it runs here, and whether in a graph."""

import ast
import operator
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPARE: dict[type[ast.cmpop], Any] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_CAUGHT = {'ImportError', 'ModuleNotFoundError', 'NameError', 'AttributeError'}
_VERSION_CLASSES = {'LooseVersion', 'StrictVersion', 'Version', 'parse', 'parse_version'}
# Functions that an Estimator calls in a graph of its own, by their names, parameters and results.
_CALLED_IN_A_GRAPH = re.compile(r'(model|input|serving|receiver)\w*_(fn|func|function)$|serving|receiver')
_PARAMETERS = {'features', 'mode'}
_RESULTS = re.compile(r'(ServingInputReceiver|EstimatorSpec)$')
_PASSED_AS = re.compile(r'^(model|(\w+_)?input(_receiver)?)_fn$')


class Context(NamedTuple):
    """Where a node is.

    Attributes:
      scope: the innermost function, or the module.
      excused: it never runs with this Python and TensorFlow, or its failure is handled.
      in_graph: it runs while an Estimator, or the program, builds a graph.
    """

    scope: ast.AST
    excused: bool = False
    in_graph: bool = False


def walk(root: ast.Module) -> Iterator[tuple[ast.AST, Context]]:
    """Yields all nodes with their contexts."""
    of_graphs = _functions_of_graphs(root)
    waiting: list[tuple[ast.AST, Context]] = [(root, Context(root))]
    while waiting:
        node, context = waiting.pop()
        yield node, context
        excused = {id(part) for part in _excused(node)}
        if isinstance(node, ast.With) and any(_makes_graph(item.context_expr) for item in node.items):
            context = context._replace(in_graph=True)
        for child in ast.iter_child_nodes(node):
            inner = context
            if id(child) in excused:
                inner = inner._replace(excused=True)
            if isinstance(child, FUNCTIONS):
                inner = inner._replace(scope=child, in_graph=inner.in_graph or id(child) in of_graphs)
            waiting.append((child, inner))


def _excused(node: ast.AST) -> list[Any]:
    """Returns the children that never run, or whose failure is handled."""
    if isinstance(node, ast.If | ast.IfExp):
        truth = _truth(node.test)
        dead: Any = [] if truth is None else node.orelse if truth else node.body
        return dead if isinstance(dead, list) else [dead]
    if isinstance(node, ast.BoolOp):
        ends = isinstance(node.op, ast.Or)
        truths = [_truth(value) for value in node.values]
        return node.values[truths.index(ends) + 1 :] if ends in truths else []
    if isinstance(node, ast.Try) and any(_handles(handler) for handler in node.handlers):
        return [*node.body, *filter(_handles, node.handlers)]
    return []


def _handles(handler: ast.ExceptHandler) -> bool:
    """Returns whether a handler is for names that are missing, and does more than raise another error."""
    kinds = (
        {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else set()
    )
    return not kinds.isdisjoint(_CAUGHT) and not isinstance(handler.body[-1], ast.Raise)


def _truth(test: ast.expr) -> bool | None:
    """Returns whether a test of the version of Python or TensorFlow succeeds here; None for other tests."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _truth(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        ends = isinstance(test.op, ast.Or)
        truths = [_truth(value) for value in test.values]
        return ends if ends in truths else None if None in truths else not ends
    name = _last(test)
    if name in ('PY2', 'PY3'):
        return name == 'PY3'
    try:
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            result = _COMPARE[type(test.ops[0])](_value(test.left), _value(test.comparators[0]))
            return result if isinstance(result, bool) and _asks_for_version(test) else None
        if isinstance(test, ast.Call) and _last(test.func) == 'startswith':
            assert isinstance(test.func, ast.Attribute)
            return bool(_value(test.func.value).startswith(_value(test.args[0])))
    except (LookupError, TypeError, ValueError, AttributeError):
        pass
    return None


def _asks_for_version(test: ast.Compare) -> bool:
    return any(_last(node) in ('version_info', '__version__', 'VERSION') for node in ast.walk(test))


def _value(node: ast.expr) -> Any:
    """Evaluates constants and versions.

    Raises:
      LookupError: the expression has other parts.
    """
    name = ast.unparse(node) if isinstance(node, ast.Attribute) else ''
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        return tuple(_value(part) for part in node.elts)
    if name == 'sys.version_info':
        return tuple(sys.version_info)
    if name == 'sys.version_info.major':
        return sys.version_info.major
    if name in ('tf.__version__', 'tensorflow.__version__', 'tf.VERSION'):
        return _tensorflow_version()
    if isinstance(node, ast.Subscript):
        return _value(node.value)[_index(node.slice)]
    if isinstance(node, ast.Call) and _last(node.func) in _VERSION_CLASSES and len(node.args) == 1:
        return [int(part) for part in re.findall(r'\d+', _value(node.args[0]))]
    if isinstance(node, ast.Call) and _last(node.func) in ('int', 'float') and len(node.args) == 1:
        return float(_value(node.args[0]))
    if isinstance(node, ast.Call) and _last(node.func) == 'split' and isinstance(node.func, ast.Attribute):
        return _value(node.func.value).split(_value(node.args[0]))
    raise LookupError(ast.dump(node))


def _index(node: ast.expr) -> Any:
    if isinstance(node, ast.Slice):
        return slice(*(None if part is None else _value(part) for part in (node.lower, node.upper)))
    return _value(node)


def _tensorflow_version() -> str:
    try:
        return version('tensorflow')
    except PackageNotFoundError:
        return '2.21.0'


def _makes_graph(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _last(node.func) == 'as_default'


def _functions_of_graphs(root: ast.Module) -> set[int]:
    """Returns the ids of the functions that run in a graph, and of those that they call."""
    functions = [node for node in ast.walk(root) if isinstance(node, FUNCTIONS)]
    named: dict[str, list[ast.AST]] = {}
    for function in functions:
        named.setdefault(getattr(function, 'name', ''), []).append(function)
    found: set[int] = set()
    waiting: list[ast.AST] = [function for function in functions if _is_of_graph(function)]
    for name in _passed(root):
        waiting += named.get(name, [])
    while waiting:
        next_one = waiting.pop()
        if id(next_one) not in found:
            found.add(id(next_one))
            called = {_last(node.func) for node in ast.walk(next_one) if isinstance(node, ast.Call)}
            waiting += [each for name in called if name for each in named.get(name, [])]
    return found


def _is_of_graph(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> bool:
    if _CALLED_IN_A_GRAPH.search(getattr(function, 'name', '')):
        return True
    parameters = {argument.arg for argument in function.args.args}
    return parameters >= _PARAMETERS or any(
        isinstance(node, ast.Call) and _RESULTS.search(_last(node.func)) for node in ast.walk(function)
    )


def _passed(root: ast.AST) -> Iterator[str]:
    """Yields the names of functions that are passed as a model function, input function or receiver."""
    for node in ast.walk(root):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg and _PASSED_AS.match(keyword.arg):
                    yield _last(keyword.value)


def _last(node: ast.AST) -> str:
    """Returns the last name of 'a.b.c', or ''."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ''
