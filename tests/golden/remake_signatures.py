"""Regenerates contrib_signatures_tf115.json: parameters of what `estimator_lab.contrib` implements.

    python3.7 -m pip install tensorflow==1.15.5 'protobuf<3.21' numpy
    python3.7 tests/golden/remake_signatures.py tests/golden/contrib_signatures_tf115.json

The keys of the file, paths below `tf.contrib`, stay; for a new one, add it with the value null first. A value
is {method: {parameter: [default]}}, with [] for a parameter without one; the method '' is the object itself.
"""

import importlib
import inspect
import json
import sys
from pathlib import Path


def signatures(thing):
    """Returns {method: {parameter: [default]}} of a function, or of a class and the methods of its module."""
    if not inspect.isclass(thing):
        return {'': parameters(thing)}
    found = {'': parameters(thing.__init__, bound=True)}
    for name, member in inspect.getmembers(thing, inspect.isroutine):
        own = 'contrib' in str(getattr(inspect.unwrap(member), '__module__', ''))
        if own and not name.startswith('_'):
            is_static = isinstance(inspect.getattr_static(thing, name), staticmethod)
            found[name] = parameters(member, bound=not is_static and not inspect.ismethod(member))
    return found


def parameters(function, bound=False):
    """Returns {name: [default]} in order; `*` and `**` are the names of those that collect others."""
    try:
        each = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return {}
    names = {inspect.Parameter.VAR_POSITIONAL: '*', inspect.Parameter.VAR_KEYWORD: '**'}
    return {names.get(one.kind, one.name): default(one.default) for one in each[int(bound) :]}


def default(value):
    """Returns [] for none, otherwise a list of the value, or of its name if JSON has no such value."""
    if value is inspect.Parameter.empty:
        return []
    if isinstance(value, (tuple, list)):
        return [[default(one) for one in value]]
    if value is None or isinstance(value, (bool, int, float, str)):
        return [value]
    return [getattr(value, '__name__', None) or getattr(value, 'name', None) or type(value).__name__]


def find(contrib, path):
    """Returns what a path below `tf.contrib` leads to."""
    module, _, name = path.rpartition('.')
    return getattr(importlib.import_module(f'{contrib}.{module}'), name)


if __name__ == '__main__':
    file = Path(sys.argv[1])
    paths = sorted(json.loads(file.read_text()))
    found = {path: signatures(find('tensorflow.contrib', path)) for path in paths}
    rows = [f' "{path}": {json.dumps(found[path])}' for path in paths]
    file.write_text('{\n' + ',\n'.join(rows) + '\n}\n')
