"""Expressions of old programs that today's Python, NumPy, protobuf and TensorFlow reject, replaced in a tree.

They mean what they did in 2019: an array of one element counts as a number in `int(x)`, `math.floor(x)`,
`'%d' % x` and `values[i] = x`; arrays have `tostring`, `itemset`, `ptp` and `newbyteorder`; `type(x) is
tf.Tensor` holds for placeholders; `Int64List` and `ConfigProto` accept truth values for integers. Only
what would raise an error is changed, but for the last-named comparison.
"""

import ast
import builtins
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.client.session import register_session_run_conversion_functions

from estimator_lab.base.progress import warn

_HELPER = '__estimator_lab_idioms__'
_NUMBERS = ('int', 'float', 'complex')
_MESSAGES = ('Int64List', 'ConfigProto')
_METHODS: Mapping[str, Callable[..., Any]] = {
    'tostring': lambda array, *order: array.tobytes(*order),
    'itemset': lambda array, *place: _set_item(array, *place),
    'ptp': lambda array, *args, **more: np.ptp(array, *args, **more),
    'newbyteorder': lambda array, *order: array.view(array.dtype.newbyteorder(*order)),
}
"""{method that NumPy 2 dropped: what it did}."""
_METHODS_OF_2: Mapping[str, Callable[..., Any]] = {
    'has_key': lambda mapping, key: key in mapping,
    'iteritems': lambda mapping: iter(mapping.items()),
    'itervalues': lambda mapping: iter(mapping.values()),
    'next': next,
}
_NAMES_OF_2 = {'xrange': range, 'unicode': str, 'raw_input': input}


def _set_item(array: np.ndarray, *place: Any) -> None:
    *indices, value = place
    if len(indices) == 1 and not isinstance(indices[0], tuple):
        array.flat[indices[0]] = value
    else:
        array[tuple(np.ravel(indices))] = value


def with_idioms(tree: ast.Module, own: bool = True) -> ast.Module:
    """Returns the tree of a module with old expressions replaced, more if it is the program's; changes it."""
    builtins.__dict__[_HELPER] = sys.modules[__name__]
    return ast.fix_missing_locations((_Python2 if own else _Idioms)(tree).visit(tree))


class _Idioms(ast.NodeTransformer):
    _methods = frozenset(_METHODS)

    def __init__(self, tree: ast.Module) -> None:
        nodes = list(ast.walk(tree))
        stored = (node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        defined = (getattr(node, 'name', '') or '' for node in nodes)
        imported = (node.asname or node.name for node in nodes if isinstance(node, ast.alias))
        arguments = (node.arg for node in nodes if isinstance(node, ast.arg))
        self._own = {*stored, *defined, *imported, *arguments}

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replaces `int(x)`, `math.f(x)`, `x.tostring()` and `Int64List(value=x)`."""
        self.generic_visit(node)
        function = node.func
        name = getattr(function, 'attr', getattr(function, 'id', ''))
        if name in _MESSAGES:
            return _call('make', node, [function, *node.args], node.keywords)
        if isinstance(function, ast.Attribute) and name in self._methods:
            return _call('method', node, [function.value, ast.Constant(name), *node.args], node.keywords)
        module = getattr(getattr(function, 'value', None), 'id', '')
        if module == 'math' or (
            isinstance(function, ast.Name) and name in _NUMBERS and name not in self._own
        ):
            return _call('number', node, [function, *node.args], node.keywords)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Replaces `'...' % x`."""
        self.generic_visit(node)
        is_text = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
        return (
            _call('text', node, [node.left, node.right]) if isinstance(node.op, ast.Mod) and is_text else node
        )

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """Replaces `type(x)` in comparisons."""
        self.generic_visit(node)
        node.left, *node.comparators = map(self._type_of, (node.left, *node.comparators))
        return node

    def _type_of(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'type' and 'type' not in self._own:
            return _call('type_of', node, node.args)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Replaces `values[i] = x`, and `values[i] += x`."""
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Store):
            node.value = _call('elements', node.value, [node.value])
        return node


class _Python2(_Idioms):
    _methods = frozenset([*_METHODS, *_METHODS_OF_2])

    def __init__(self, tree: ast.Module) -> None:
        super().__init__(tree)
        names = {getattr(node, 'id', '') for node in ast.walk(tree)}
        # A program that catches these errors looks for Python 2 itself.
        self._names = set() if 'NameError' in names else _NAMES_OF_2.keys() - self._own
        self._has_imports = not names & {'ImportError', 'ModuleNotFoundError'}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replaces `xrange` and the like."""
        return _call('name', node, [ast.Constant(node.id)]) if node.id in self._names else node

    def visit_alias(self, node: ast.alias) -> ast.alias:
        """Replaces `import cPickle`."""
        if node.name == 'cPickle' and self._has_imports:
            node.name, node.asname = 'pickle', node.asname or node.name
            tell('cPickle')
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        """Replaces `from cPickle import load`."""
        if node.module == 'cPickle' and self._has_imports:
            node.module = 'pickle'
            tell('cPickle')
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Replaces the body of a generator."""
        self.generic_visit(node)
        # What `with` raises in the generator of a context manager is not for it to end.
        is_context = any('contextmanager' in ast.unparse(each) for each in node.decorator_list)
        if not is_context and any(isinstance(each, ast.Yield | ast.YieldFrom) for each in _nodes_of(node)):
            start = int(ast.get_docstring(node) is not None)
            told = _call('tell', node, [ast.Constant('a generator that StopIteration ends')])
            handler = ast.ExceptHandler(ast.Name('StopIteration', ast.Load()), None, [ast.Expr(told)])
            node.body[start:] = [ast.Try(node.body[start:], [handler], [], [])]
        return node


def _nodes_of(function: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes of a function, without those of functions inside it."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield node
            yield from _nodes_of(node)


def _call(
    helper: str, place: ast.AST, args: list[ast.expr], keywords: Sequence[ast.keyword] = ()
) -> ast.Call:
    """Returns a call of a function of this module, in the place of a node."""
    function = ast.Attribute(ast.Name(_HELPER, ast.Load()), helper, ast.Load())
    return ast.copy_location(ast.Call(function, args, list(keywords)), place)


def _is_one_element(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim > 0 and value.size == 1


def number(function: Callable[..., Any], *args: Any, **more: Any) -> Any:
    """Calls `int`, `float`, `math.sqrt` and the like, with the elements of arrays that have one."""
    try:
        return function(*args, **more)
    except TypeError:
        if not any(map(_is_one_element, args)):
            raise
    return function(*(each.item() if _is_one_element(each) else each for each in args), **more)


class _Element:
    """An array of one element that text formats as a number, and shows as an array."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __float__(self) -> float:
        return float(self._array.item())

    def __int__(self) -> int:
        return int(self._array.item())

    def __index__(self) -> int:
        return self._array.item().__index__()

    def __str__(self) -> str:
        return str(self._array)

    def __repr__(self) -> str:
        return repr(self._array)


def _element(value: Any) -> Any:
    return _Element(value) if _is_one_element(value) else value


def text(pattern: str, values: Any) -> str:
    """Returns `pattern % values`."""
    try:
        return pattern % values
    except TypeError:
        if isinstance(values, tuple):
            return pattern % tuple(map(_element, values))
        if isinstance(values, Mapping):
            return pattern % {name: _element(value) for name, value in values.items()}
        return pattern % _element(values)


class _Elements:
    """An array whose elements can be set to arrays of one element."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __getitem__(self, place: Any) -> Any:
        return self._array[place]

    def __setitem__(self, place: Any, value: Any) -> None:
        try:
            self._array[place] = value
        except ValueError:
            if not _is_one_element(value):
                raise
            self._array[place] = value.item()


def elements(values: Any) -> Any:
    """Returns what `values[i] = x` assigns to."""
    return _Elements(values) if type(values) is np.ndarray else values


def method(thing: Any, name: str, *args: Any, **more: Any) -> Any:
    """Calls a method of arrays that NumPy 2 dropped, or another object's method of that name."""
    is_old = isinstance(thing, Iterator if name == 'next' else Mapping) and not hasattr(thing, name)
    if name in _METHODS_OF_2 and is_old:
        tell(f'{"iterator" if name == "next" else "dict"}.{name}')
        return _METHODS_OF_2[name](thing, *args, **more)
    if isinstance(thing, np.ndarray | np.generic) and not hasattr(thing, name):
        return _METHODS[name](thing, *args, **more)
    return getattr(thing, name)(*args, **more)


def type_of(*args: Any) -> Any:
    """Returns the type of an object: tf.Tensor for tensors of a graph, which have a class of their own."""
    kind = type(*args)
    return tf.Tensor if kind.__name__ == 'SymbolicTensor' and issubclass(kind, tf.Tensor) else kind


def make(kind: Any, *args: Any, **fields: Any) -> Any:
    """Makes a message of protobuf, with integers for truth values if it rejects them."""
    try:
        return kind(*args, **fields)
    except TypeError:
        return kind(*args, **{name: _integers(value) for name, value in fields.items()})


def _integers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _integers(each) for name, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_integers(each) for each in value]
    return int(value) if isinstance(value, bool | np.bool_) else value


@functools.cache
def tell(what: str) -> None:
    """Says once that a program uses what Python 3 lacks."""
    warn(f'The program uses {what}, which Python 3 does not have; it works as before.')


def name(word: str) -> Any:
    """Returns what a name of Python 2 meant."""
    tell(word)
    return _NAMES_OF_2[word]


def _listed(values: Any) -> tuple[list[Any], Callable[[list[Any]], list[Any]]]:
    tell('the keys or values of a dict as a list')
    return list(values), list


_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()))
for _kind in _VIEWS:
    register_session_run_conversion_functions(_kind, _listed)
