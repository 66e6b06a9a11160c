"""Python's module ``imp``, which ended with Python 3.11, as far as programs load files with it."""

import importlib.util
import sys
from importlib import reload
from types import ModuleType
from typing import Any

PY_SOURCE, PKG_DIRECTORY = 1, 5
new_module = ModuleType


def load_source(name: str, pathname: str, file: Any = None) -> ModuleType:
    """Runs a file as the module `name`, and returns it."""
    spec = importlib.util.spec_from_file_location(name, pathname)
    if spec is None or spec.loader is None:
        raise ImportError(f'{pathname} is not a Python file.', name=name)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find_module(name: str, path: Any = None) -> tuple[Any, str, tuple[str, str, int]]:
    """Returns what `load_module` needs: (no file, path of the module, its kind), searched for in `path`."""
    spec = importlib.machinery.PathFinder.find_spec(name, path)
    if spec is None or spec.origin is None:
        raise ImportError(f'No module named {name!r}', name=name)
    is_package = spec.submodule_search_locations is not None
    return None, spec.origin, ('' if is_package else '.py', 'r', PKG_DIRECTORY if is_package else PY_SOURCE)


def load_module(name: str, file: Any, pathname: str, description: Any) -> ModuleType:
    """Runs what `find_module` found as the module `name`, and returns it."""
    return load_source(name, pathname)


__all__ = ['PKG_DIRECTORY', 'PY_SOURCE', 'find_module', 'load_module', 'load_source', 'new_module', 'reload']
