"""The one import finder of this package: modules that TensorFlow no longer has, and names in modules.

Nothing that exists is replaced. A module is supplied only if no other finder has it, and names are answered
by a module's ``__getattr__``, which Python calls for missing names only.
"""

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

LoaderOf = Callable[[str], Loader | None]
Hook = Callable[[ModuleType], None]
Answer = Callable[[str], Any]


class Finder(MetaPathFinder):
    """Supplies missing modules, and calls hooks before and after the code of existing ones runs."""

    def __init__(self) -> None:
        self._suppliers: list[tuple[str, LoaderOf]] = []
        self._hooks: dict[str, list[tuple[Hook | None, Hook | None]]] = {}

    def supply(self, prefix: str, loader_of: LoaderOf) -> None:
        """Asks `loader_of(full name)` for missing modules whose name starts with `prefix`; None declines."""
        self._suppliers.append((prefix, loader_of))

    def hook(self, module: str, before: Hook | None = None, after: Hook | None = None) -> None:
        """Calls `before` and `after` with the module around its code; `after` at once if it is loaded."""
        if module not in sys.modules:
            self._hooks.setdefault(module, []).append((before, after))
        elif after:
            after(sys.modules[module])

    def answer(self, module: str, answer: Answer) -> None:
        """Lets `answer(name)` return, or raise AttributeError for, each name that the module lacks."""
        self.hook(module, after=lambda loaded: _set_answer(loaded, answer))

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Implements importlib's protocol."""
        hooks = self._hooks.get(fullname)
        if not hooks and not any(fullname.startswith(prefix) for prefix, _ in self._suppliers):
            return None
        spec = found_by_others(self, fullname, path, target)
        if spec is not None:
            if hooks and spec.loader:
                spec.loader = _HookedLoader(spec.loader, hooks)
            return spec
        for prefix, loader_of in self._suppliers:  # one may add others
            if fullname.startswith(prefix) and (loader := loader_of(fullname)):
                # Each counts as a package, because modules may be missing below it too.
                return ModuleSpec(fullname, loader, is_package=True)
        return None


def found_by_others(finder: MetaPathFinder, fullname: str, path: Any, target: Any) -> ModuleSpec | None:
    """Returns what the finders after `finder` on `sys.meta_path` find."""
    finders = list(sys.meta_path)
    others = finders[finders.index(finder) + 1 :] if finder in finders else finders
    specs = (other.find_spec(fullname, path, target) for other in others if hasattr(other, 'find_spec'))
    return next((spec for spec in specs if spec is not None), None)


FINDER = Finder()
"""The finder that `estimator_lab.tf1` puts first on `sys.meta_path`."""


class _HookedLoader(Loader):
    def __init__(self, loader: Loader, hooks: Sequence[tuple[Hook | None, Hook | None]]) -> None:
        self._loader = loader
        self._hooks = hooks

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__:
            module.__spec__.loader = self._loader
        for before, _ in self._hooks:
            if before:
                before(module)
        self._loader.exec_module(module)
        for _, after in self._hooks:
            if after:
                after(module)


class LazyModule(Loader):
    """Loads a module whose names are looked up at their first use.

    Args:
      find: returns what a name of the module is, or raises AttributeError.

    Attributes:
      name: the full name of the module.
    """

    def __init__(self, find: Answer) -> None:
        self._find = find
        self.name = ''

    def exec_module(self, module: ModuleType) -> None:
        """Lets Python ask `find` for each name that the module lacks."""
        self.name = module.__name__

        def answer(name: str) -> Any:
            if name.startswith('__'):
                raise AttributeError(name)
            return vars(module).setdefault(name, self._find(name))

        vars(module)['__getattr__'] = answer


class Forwarder(LazyModule):
    """Loads a module that has the names of other modules; the first that has a name provides it.

    Args:
      sources: full names of the other modules, imported together with this one.
      message: returns the error message for a name that no source has.
    """

    def __init__(self, sources: Sequence[str], message: Callable[[str], str] | None = None) -> None:
        super().__init__(self._find_in_sources)
        self._sources = sources
        self._message = message or (lambda name: f"module '{self.name}' has no attribute '{name}'")

    def exec_module(self, module: ModuleType) -> None:
        """Copies the names of the sources into the module."""
        for source in reversed(self._sources):
            # Private names too, because programs of that time import them.
            names = vars(importlib.import_module(source))
            vars(module).update({k: v for k, v in names.items() if not k.startswith('__')})
        super().exec_module(module)

    def _find_in_sources(self, name: str) -> Any:
        """Returns what a source has under this name, or the module of that name below this one."""
        for source in self._sources:
            with contextlib.suppress(AttributeError):
                return look_up(source, name)
        try:
            return importlib.import_module(f'{self.name}.{name}')
        except ImportError:
            raise AttributeError(self._message(name)) from None


def look_up(module: str, name: str) -> Any:
    """Returns an attribute of `module`, or the module of that name below it.

    Raises:
      AttributeError: if it has neither.
      ImportError: if `module` does not exist.
    """
    found = importlib.import_module(module)
    try:
        return getattr(found, name)
    except AttributeError:
        if not (hasattr(found, '__path__') and importlib.util.find_spec(f'{module}.{name}')):
            raise
        return importlib.import_module(f'{module}.{name}')


def _set_answer(module: Any, answer: Answer) -> None:
    # tf.compat.v1 is a wrapper that looks names up in the module it wraps.
    module = vars(module).get('_tfmw_wrapped_module', module)
    own = vars(module).get('__getattr__')

    def own_first(name: str) -> Any:
        if own is not None:
            with contextlib.suppress(AttributeError, ImportError):
                return own(name)
        return answer(name)

    vars(module)['__getattr__'] = own_first
