"""Looks names up in the installed TensorFlow and Python; neither the program nor its flags are touched."""

import contextlib
import functools
import importlib
import importlib.util
import inspect
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from estimator_lab.tf1._modules import Forwarder
from estimator_lab.tf1._names import ApiModule

TF = 'tensorflow'
_NEVER_IMPORTED = ('antigravity', 'this', 'idlelib', 'test', '__main__', 'turtledemo')


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides warnings, and this command's flags from modules of TensorFlow that parse them when imported."""
    arguments = sys.argv
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # NumPy's FutureWarning: np.object will be defined as ...
        sys.argv = arguments[:1]
        try:
            yield
        finally:
            sys.argv = arguments


@functools.cache
def apis() -> tuple[Any, Any]:
    """Returns the TensorFlow 1 API with Estimators, and TensorFlow itself."""
    v1 = importlib.import_module('estimator_lab.tf1').tf
    return v1, sys.modules[TF]


def is_restored(name: str) -> bool:
    """Returns whether TensorFlow has this module or name only because estimator_lab is imported.

    To be called before anything else looks the name up.
    """
    path = name.partition('.')[2].removeprefix('compat.v1.').removeprefix('compat.v2.')
    if path.partition('.')[0] == 'estimator':
        return not has_own_estimator()
    if not path.startswith('python.'):
        return False
    module, rest = _longest_module(name)
    if isinstance(getattr(module.__spec__, 'loader', None), Forwarder):
        return True
    first = rest.partition('.')[0]
    return bool(first) and first not in _own_names(module) and has(module, first)


def _longest_module(name: str) -> tuple[ModuleType, str]:
    """Returns the module that the longest beginning of a full name denotes, and the rest of the name."""
    apis()
    parts = name.removesuffix('.*').split('.')
    for length in range(len(parts), 1, -1):
        with contextlib.suppress(Exception):  # loading a part of TensorFlow can raise anything
            module = importlib.import_module('.'.join(parts[:length]))
            _own_names(module)
            return module, '.'.join(parts[length:])
    return apis()[1], '.'.join(parts[1:])


@functools.cache
def _own_names(module: ModuleType) -> frozenset[str]:
    """Returns the names of a module without those that it answers to later."""
    return frozenset(vars(module))


def is_of_keras_2(path: str) -> bool:
    """Returns whether `tf.<path>` exists because estimator_lab makes tf.keras Keras 2."""
    first, _, rest = path.partition('.')
    if has_own_estimator() or not rest:
        return False
    if first != 'keras':
        return path.startswith(('layers.', 'nn.rnn_cell.'))
    try:
        return not has(importlib.import_module('keras._tf_keras.keras'), rest)
    except ImportError:
        return False


def has_own_estimator() -> bool:
    """Returns whether this TensorFlow is one of those, up to 2.15, that have tf.estimator and Keras 2."""
    return tuple(int(part) for part in apis()[0].__version__.split('.')[:2]) < (2, 16)


@functools.cache
def imports(name: str) -> bool:
    """Returns whether a module, or an attribute of one, has this full name."""
    module, rest = _longest_module(name)
    return not rest or has(module, rest)


def has(holder: Any, path: str) -> bool:
    """Returns whether a module has an attribute of this path, as far as modules and classes lead."""
    return first_missing(holder, path) is None


def first_missing(holder: Any, path: str) -> tuple[str, str] | None:
    """Follows a path of attributes through modules and classes.

    Attributes of functions and other objects, such as tf.flags.FLAGS, are not looked at.

    Returns:
      The path to the first missing name, and the message of its error; None if nothing is missing.
    """
    names = path.split('.')
    for depth, name in enumerate(names, 1):
        try:
            holder = _attribute(holder, name)
        except Exception as error:  # noqa: BLE001 - loading a part of TensorFlow can raise anything
            return '.'.join(names[:depth]), str(error)
        # Not isinstance, which asks the object: tf.flags.FLAGS may parse the command line to answer.
        if not issubclass(type(holder), ModuleType | type):
            break
    return None


def _attribute(module: Any, name: str) -> Any:
    """Returns an attribute of a module, or the module of that name in a package.

    Raises:
      AttributeError: if it has neither.
    """
    try:
        return getattr(module, name)
    except AttributeError:
        full_name = f'{module.__name__}.{name}'
        with contextlib.suppress(ImportError):
            if hasattr(module, '__path__') and not _is_supplied(full_name):
                return importlib.import_module(full_name)
        raise


def _is_supplied(module: str) -> bool:
    """Returns whether `tf1` supplies a module, which an `import` finds but `tensorflow` does not have."""
    spec = importlib.util.find_spec(module)
    return spec is not None and isinstance(spec.loader, ApiModule)


def value_of(holder: Any, path: str) -> Any:
    """Returns the object at a path of attributes through modules; None if it leads elsewhere."""
    for name in path.split('.'):
        if not issubclass(type(holder), ModuleType):
            return None
        try:
            holder = getattr(holder, name)
        except Exception:  # noqa: BLE001 - loading a part of TensorFlow can raise anything
            return None
    return holder


def accepts(function: Any, keyword: str) -> bool:
    """Returns whether a function has a parameter of this name; true where that is unknown."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return True
    return keyword in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def is_installed(module: str) -> bool:
    """Returns whether a module that Python or a package has removed exists here, such as in setuptools."""
    try:
        return not module.startswith(f'{TF}.') and importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def is_missing_in_python(name: str) -> bool:
    """Returns whether this is a name of a module of the standard library that has no such name."""
    module, _, rest = name.partition('.')
    if rest in ('', '*') or module not in sys.stdlib_module_names or module in _NEVER_IMPORTED:
        return False
    try:
        return not has(importlib.import_module(module), rest)
    except ImportError:  # such as tkinter, which is optional
        return False


def missing_in_contrib(path: str) -> tuple[str, str] | None:
    """Returns the first name of `tf.contrib.<path>` that is missing, and its sentence; None if none is."""
    importlib.import_module('estimator_lab.contrib')
    contrib = apis()[0].contrib
    if not path:
        return None
    missing = first_missing(contrib, path)
    return None if missing and imports(f'{TF}.contrib.{path}') else missing
