"""The module ``tensorflow.contrib`` and its submodules.

A package is loaded at its first use, with the names that `SOURCES` lists; the others when they are used.
"""

import contextlib
import importlib
import importlib.util
import operator
import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from estimator_lab.contrib.remedies import REMEDIES, sentence, short
from estimator_lab.contrib.sources import FORWARDED, PYTHON_MODULES, SOURCES
from estimator_lab.tf1 import tf
from estimator_lab.tf1.finder import FINDER, Forwarder, LazyModule, look_up

ROOT = 'tensorflow.contrib'
_EXAMPLES = 'tensorflow.examples'
_TUTORIALS = {
    f'{_EXAMPLES}.tutorials.mnist.input_data': 'estimator_lab.contrib.datasets',
    f'{_EXAMPLES}.tutorials.mnist.mnist': 'estimator_lab.contrib.mnist_network',
}


def install() -> None:
    """Makes `tf.contrib` and `import tensorflow.contrib` work, unless TensorFlow has its own."""
    FINDER.supply(ROOT, _loader_of)
    FINDER.supply(_EXAMPLES, _example)
    contrib = importlib.import_module(ROOT)
    apis: list[Any] = [sys.modules['tensorflow'], tf, tf.compat.v1]
    for api in apis:
        if not hasattr(api, 'contrib'):
            api.contrib = contrib


def _loader_of(fullname: str) -> Loader | None:
    if not f'{fullname}.'.startswith(f'{ROOT}.'):
        return None
    path = fullname[len(ROOT) + 1 :]
    if target := _forwarded(path):
        package = target.partition('.')[0]
        if importlib.util.find_spec(package) is None:
            package = package.replace('_', '-')
            raise ImportError(
                f'tf.contrib.{path} comes from the package {package}, which is not installed: '
                f'pip install {package}.',
                name=fullname,
            )
        return Forwarder([target], message=lambda name: sentence(f'{path}.{name}'))
    package, _, inner = path.partition('.')
    if package in REMEDIES['']:
        return LazyModule(lambda name: StandIn(f'{path}.{name}'))
    exists = package in SOURCES and inner.partition('.')[0] in ('', 'python')
    # A program may import a name as it imports a module: `from tensorflow.contrib.x.python.y import name`.
    is_name = inner.rpartition('.')[2] in REMEDIES.get(package, {}).keys() - PYTHON_MODULES.keys()
    if path and (is_name or not exists):
        # Not ModuleNotFoundError, whose message `from tensorflow.contrib import x` would hide.
        raise ImportError(sentence(path), name=fullname)
    return _Package(package, bool(inner))


def _example(fullname: str) -> Loader:
    if fullname in _TUTORIALS:
        return Forwarder([_TUTORIALS[fullname]])
    if any(name.startswith(f'{fullname}.') for name in _TUTORIALS):
        return Forwarder([])  # a package that leads to them
    path = fullname.replace('tensorflow', 'tf', 1)
    supported = ' and '.join(_TUTORIALS)
    raise ImportError(f'{path} ended with TensorFlow 1: only {supported} are supported.', name=fullname)


def _forwarded(path: str) -> str:
    """Returns the module that replaces the whole of `tf.contrib.<path>`, or ''."""
    path = short(path)
    for old in sorted(FORWARDED, key=len, reverse=True):
        if path == old or path.startswith(f'{old}.'):
            return FORWARDED[old] + path[len(old) :]
    return ''


class StandIn:
    """A name of a missing package, which programs may import: using it raises NotImplementedError.

    To use it is to call it, to subclass it or to read a name of it. `path` is its path below `tf.contrib`.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raises NotImplementedError."""
        raise NotImplementedError(sentence(self._path))

    def __mro_entries__(self, bases: Any) -> Any:
        raise NotImplementedError(sentence(self._path))

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__'):
            raise AttributeError(name)
        raise NotImplementedError(sentence(self._path))


class _Package(LazyModule):
    """Loads a module with the names of a package.

    Args:
      package: the package of `tf.contrib` whose names it has; '' for `tf.contrib` itself.
      below_python: whether it is one of 1.15's modules `tf.contrib.<package>.python.*`.
    """

    def __init__(self, package: str, below_python: bool) -> None:
        super().__init__(self._find)
        self._package = package
        self._below_python = below_python

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        # `tf.contrib` exists already if looking for it has imported this package: see `run.adapt_programs`.
        return None if self._package else sys.modules.get(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        names = names_in(self._package)
        vars(module).update(__dir__=lambda: names, __all__=names)
        loaded = set(names) - (PYTHON_MODULES.keys() if self._below_python else set())
        for name in loaded if self._package else ():  # programs iterate `tf.contrib.rnn.__dict__`
            with contextlib.suppress(AttributeError, ImportError):
                getattr(module, name)
        if self.name == f'{ROOT}.framework.python.ops':
            # A function and its module have the same name, and 1.15's `import arg_scope` gives the function.
            importlib.import_module(f'{self.name}.arg_scope')
            vars(module)['arg_scope'] = find('framework', 'arg_scope')

    def _find(self, name: str) -> Any:
        is_module = name == 'python' or (self._below_python and name in PYTHON_MODULES)
        if self._package and not is_module:
            return find(self._package, name)
        try:
            return importlib.import_module(f'{self.name}.{name}')
        except ImportError as error:
            raise AttributeError(str(error)) from None


def names_in(package: str) -> list[str]:
    """Returns the names of `tf.contrib.<package>` that lead to an object; '' is `tf.contrib` itself."""
    if not package:
        return sorted({path for path in (*SOURCES, *FORWARDED) if '.' not in path})
    sources = SOURCES.get(package, {})
    names = {name for listed in sources.values() for name in listed} - {'*'}
    names.update(*(_public(source) for source, listed in sources.items() if '*' in listed))
    return sorted(names - REMEDIES.get(package, {}).keys())


def _source(name: str) -> Any:
    """Returns a source of names: `tf` with a path below it, or a module."""
    is_api = name.partition('.')[0] == 'tf'
    return operator.attrgetter(name.removeprefix('tf.'))(tf) if is_api else importlib.import_module(name)


def _public(source: str) -> list[str]:
    """Returns the names that a source defines, without what it imports for its own use."""
    holder = _source(source)
    if source.startswith('tf.') or hasattr(holder, '__all__'):
        return [name for name in getattr(holder, '__all__', dir(holder)) if not name.startswith('_')]
    package = source.partition('.')[0] if source.startswith('tf_slim') else source
    return [
        name
        for name, value in vars(holder).items()
        if not name.startswith('_') and f'{getattr(value, "__module__", "")}.'.startswith(f'{package}.')
    ]


def find(package: str, name: str) -> Any:
    """Returns the object that is `tf.contrib.<package>.<name>`.

    Raises:
      AttributeError: if there is none; the sentence says what to do.
    """
    path = f'{package}.{name}'
    if path in FORWARDED:
        return importlib.import_module(f'{ROOT}.{path}')
    if name not in REMEDIES.get(package, {}):
        sources = SOURCES.get(package, {}).items()
        listed = [(source, names[name]) for source, names in sources if name in names]
        for source, new_name in listed or [(source, name) for source, names in sources if '*' in names]:
            with contextlib.suppress(AttributeError):
                if source.partition('.')[0] != 'tf':
                    return look_up(source, new_name)
                return operator.attrgetter(f'{source}.{new_name}'.removeprefix('tf.'))(tf)
    raise AttributeError(sentence(path))
