"""Finds what Python 3 and newer packages do differently with values, by the form of expressions."""

import ast
import enum
from collections.abc import Callable, Iterator
from typing import Any

from estimator_lab.porting.contexts import FUNCTIONS

FullName = Callable[[ast.AST], str]
Found = Iterator[tuple['Pattern', ast.expr, str]]


class Pattern(enum.Enum):
    """A form of expressions that fails; `patterns` says which node stands for each."""

    ITERATOR = 'iterator'  # map(...), used as a list: the call
    VIEW = 'view'  # d.keys(), used as a list: the call
    NEXT = 'next'  # iterator.next(): the call
    BYTES = 'bytes'  # array.tostring(): the function
    SUM = 'sum'  # np.sum(generator): the function
    DIVISION = 'division'  # a / b, used as a size: the operation
    YAML = 'yaml'  # yaml.load(file): the function
    OPTIMIZER = 'optimizer'  # an optimizer of today's Keras in a canned Estimator: its class


_ITERATORS = {'map', 'filter', 'zip'}
_VIEWS = {'keys', 'values', 'items'}
_OF_LISTS = {'sort', 'remove', 'append', 'index', 'pop', 'insert', 'reverse', 'extend', 'count'}
_READS_LISTS = {
    *('numpy.array', 'numpy.asarray', 'numpy.mean', 'numpy.random.shuffle', 'numpy.random.choice'),
    *('random.shuffle', 'random.choice', 'random.sample', 'tensorflow.constant'),
}
_FLOATS = {'cast', 'to_float', 'float', 'float32', 'float64', 'sqrt', 'mean', 'std'}
# Arguments that are integers: keywords, and positions of functions and methods by their last name.
_SIZES = {
    *('units', 'filters', 'num_outputs', 'num_units', 'shape', 'batch_size', 'buffer_size', 'depth'),
    *('steps', 'max_steps', 'train_steps', 'num_or_size_splits', 'num_parallel_calls', 'num_epochs'),
}
_SIZE_POSITIONS = {
    **dict.fromkeys(['range', 'xrange'], (0, 1, 2)),
    **dict.fromkeys(['zeros', 'ones', 'random_normal', 'random_uniform', 'truncated_normal', 'fill'], (0,)),
    **dict.fromkeys(['dense', 'conv2d', 'conv1d', 'fully_connected', 'placeholder', 'get_variable'], (1,)),
    **dict.fromkeys(
        ['batch', 'shuffle', 'repeat', 'take', 'skip', 'LSTMCell', 'BasicLSTMCell', 'GRUCell'], (0,)
    ),
    'reshape': (0, 1),
    'tile': (1,),
    'split': (1,),
}


def patterns(root: ast.Module, full_name: FullName) -> Found:
    """Yields (pattern, node, text) for each expression that fails.

    Args:
      root: of a file.
      full_name: returns the name of an expression with its alias resolved, or ''.
    """
    calls = [node for node in ast.walk(root) if isinstance(node, ast.Call)]
    defined = {node.name for node in ast.walk(root) if isinstance(node, ast.FunctionDef)}
    yield from _lists(root, full_name, defined)
    for call in calls:
        yield from _of_call(call, full_name, defined)
        yield from _optimizers(call, full_name)
    if not _has_true_division(root):
        yield from _divisions(root)


def _of_call(call: ast.Call, full_name: FullName, defined: set[str]) -> Found:
    function, name = call.func, full_name(call.func)
    bare = not call.args and not call.keywords
    if isinstance(function, ast.Attribute) and bare and not name:
        if function.attr == 'next' and 'next' not in defined:
            yield Pattern.NEXT, call, '.next()'
        elif function.attr == 'tostring':
            yield Pattern.BYTES, function, '.tostring()'
    if name == 'numpy.sum' and call.args and isinstance(call.args[0], ast.GeneratorExp):
        yield Pattern.SUM, function, 'numpy.sum(generator)'
    if name == 'yaml.load' and len(call.args) == 1 and not call.keywords:
        yield Pattern.YAML, function, 'yaml.load(...)'


def _optimizers(call: ast.Call, full_name: FullName) -> Found:
    """Yields the optimizers of `DNNClassifier(optimizer=tf.keras.optimizers.Adam())`."""
    *_, package, kind = ['', *full_name(call.func).split('.')]
    if package != 'estimator' or not kind.startswith(('DNN', 'Linear', 'Baseline')):
        return
    for keyword in call.keywords:
        if not (keyword.arg or '').endswith('optimizer'):
            continue
        for node in ast.walk(keyword.value):
            name = full_name(node)
            module, _, optimizer = name.rpartition('.')
            if module.endswith('keras.optimizers') and optimizer[:1].isupper():
                assert isinstance(node, ast.expr)
                yield Pattern.OPTIMIZER, node, name


def _lists(root: ast.Module, full_name: FullName, defined: set[str]) -> Found:
    """Yields the iterators and views that are used as lists, themselves or by a name."""
    for scope in [root, *(node for node in ast.walk(root) if isinstance(node, FUNCTIONS))]:
        inside = list(_in_scope(scope))
        values = _assigned_once(inside)
        for node in inside:
            for used in _used_as_lists(node, full_name):
                value = values.get(used.id) if isinstance(used, ast.Name) else used
                found = _iterator_or_view(value, defined)
                if found is Pattern.ITERATOR or (found and not _is_call_of(node, 'len')):
                    assert isinstance(value, ast.Call)
                    yield found, value, f'{_text_of(value)} used as a list'


def _used_as_lists(node: ast.AST, full_name: FullName) -> Iterator[ast.expr]:
    """Yields the expressions that have to be lists, or to have a length."""
    if isinstance(node, ast.Subscript) and not _is_text(node.slice):
        yield node.value
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from (node.left, node.right)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in _OF_LISTS:
            yield node.func.value
        if _is_call_of(node, 'len') or full_name(node.func).replace('.compat.v1', '') in _READS_LISTS:
            yield from node.args[:1]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_call_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _iterator_or_view(value: Any, defined: set[str]) -> Pattern | None:
    if not isinstance(value, ast.Call):
        return None
    if isinstance(value.func, ast.Name) and value.func.id in _ITERATORS - defined:
        return Pattern.ITERATOR if value.args else None
    return Pattern.VIEW if _is_view(value) else None


def _is_view(value: ast.AST) -> bool:
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and value.func.attr in _VIEWS
        and not value.args
    )


def _text_of(call: ast.Call) -> str:
    return (
        f'{call.func.id}(...)' if isinstance(call.func, ast.Name) else f'.{getattr(call.func, "attr", "")}()'
    )


def _divisions(root: ast.Module) -> Found:
    """Yields the divisions whose results are sizes, themselves or by a name."""
    seen: set[int] = set()
    for scope in [root, *(node for node in ast.walk(root) if isinstance(node, FUNCTIONS))]:
        inside = list(_in_scope(scope))
        values = _assigned_once(inside)
        for node in inside:
            for size in _sizes(node):
                if isinstance(size, ast.Name):
                    size = values.get(size.id, size)
                for division in _divided(size):
                    if id(division) not in seen:
                        seen.add(id(division))
                        yield Pattern.DIVISION, division, ast.unparse(division)


def _sizes(node: ast.AST) -> Iterator[ast.expr]:
    """Yields the expressions that have to be integers."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        yield from (part for part in (node.slice.lower, node.slice.upper) if part)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.List):
        yield node.right
    elif isinstance(node, ast.Call):
        name = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
        values = [node.args[n] for n in _SIZE_POSITIONS.get(name, ()) if n < len(node.args)]
        values += [keyword.value for keyword in node.keywords if keyword.arg in _SIZES]
        for value in values:
            yield from value.elts if isinstance(value, ast.List | ast.Tuple) else [value]


def _divided(size: ast.AST) -> Iterator[ast.BinOp]:
    """Yields the divisions in a sum or product whose result is not rounded."""
    waiting = [size]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Div) and not _is_float(node.left) and not _is_float(node.right):
                yield node
            if isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
                waiting += [node.left, node.right]


def _is_float(node: ast.expr) -> bool:
    """Returns whether an expression holds a float, so that Python 2 divided in the same way."""
    return any(
        (isinstance(part, ast.Constant) and isinstance(part.value, float))
        or getattr(part, 'attr', getattr(part, 'id', '')) in _FLOATS
        for part in ast.walk(node)
    )


def _has_true_division(root: ast.Module) -> bool:
    """Returns whether `/` meant the same in Python 2, so that its results were tried."""
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == '__future__'
        and any(alias.name == 'division' for alias in node.names)
        for node in root.body
    )


def _in_scope(scope: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes of a function or module, without those of functions in it."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, FUNCTIONS):
            waiting += ast.iter_child_nodes(node)


def _assigned_once(inside: list[ast.AST]) -> dict[str, ast.expr]:
    """Returns the values of the names that a scope assigns once."""
    stores: dict[str, int] = {}
    for node in inside:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            stores[node.id] = stores.get(node.id, 0) + 1
    return {
        node.targets[0].id: node.value
        for node in inside
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and stores[node.targets[0].id] == 1
    }
