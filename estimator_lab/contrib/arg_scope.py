"""``tf.contrib.framework.arg_scope``: default arguments for calls; tf-slim's, if that is installed."""

import contextlib
import functools
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Scope = dict[Any, dict[str, Any]]

_scopes: list[Scope] = [{}]
_settable: dict[Any, tuple[str, ...]] = {}


def _key(function: Any) -> Any:
    return getattr(function, '_key_op', str(function))


def current_arg_scope() -> Scope:
    """Returns the defaults of the innermost block: {key of a function: {argument: default}}."""
    return _scopes[-1]


@contextlib.contextmanager
def arg_scope(list_ops_or_scope: Sequence[Any] | Mapping[Any, Any], **kwargs: Any) -> Iterator[Scope]:
    """Sets default arguments of functions for the calls in a `with` block.

    Args:
      list_ops_or_scope: functions decorated with `add_arg_scope`; or the value of another `arg_scope`, whose
        defaults then replace all of the surrounding blocks.
      **kwargs: the defaults, added to those of the surrounding blocks.

    Raises:
      TypeError: `list_ops_or_scope` is neither a list, a tuple nor a dict.
      ValueError: a function is not decorated, or a dict is combined with other defaults.
    """
    if isinstance(list_ops_or_scope, dict):
        if kwargs:
            raise ValueError('arg_scope with the scope of another takes no other arguments.')
        scope: Scope = dict(list_ops_or_scope)
    elif isinstance(list_ops_or_scope, list | tuple):
        scope = dict(current_arg_scope())
        for function in list_ops_or_scope:
            if not has_arg_scope(function):
                raise ValueError(f'{function} is not decorated with @add_arg_scope')
            scope[_key(function)] = {**scope.get(_key(function), {}), **kwargs}
    else:
        raise TypeError(f'arg_scope needs a list of functions or a scope, not {list_ops_or_scope!r}.')
    _scopes.append(scope)
    try:
        yield scope
    finally:
        _scopes.pop()


def add_arg_scope(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function, so that `arg_scope` sets its defaults."""
    key = _key(func)

    @functools.wraps(func)
    def with_defaults(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **{**current_arg_scope().get(key, {}), **kwargs})

    parameters = inspect.signature(func).parameters.values()
    _settable[key] = tuple(each.name for each in parameters if each.default is not each.empty)
    vars(with_defaults)['_key_op'] = key
    return with_defaults


def has_arg_scope(func: Any) -> bool:
    """Returns whether a function is decorated with `add_arg_scope`."""
    return _key(func) in _settable


def arg_scoped_arguments(func: Any) -> tuple[str, ...]:
    """Returns the names of the arguments of a decorated function that have defaults."""
    return _settable[_key(func)]


def arg_scope_func_key(op: Any) -> Any:
    """Returns the key of a function in a scope."""
    return _key(op)


if importlib.util.find_spec('tf_slim') is not None:
    # The layers of both packages share one stack of scopes.
    for _name in [name for name in globals() if 'arg_scope' in name]:
        globals()[_name] = getattr(importlib.import_module('tf_slim.ops.arg_scope'), _name)
