"""How Python is told of modules that TensorFlow has no more, and modules of names that they have no more.

Nothing that exists is ever overridden: the finder of modules stands last, so that it is asked for what nobody
else has, and names are answered by a module's ``__getattr__``, which Python asks for missing ones only.
"""

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

Answer = Callable[[str], Any]


class MissingModules(MetaPathFinder):
    """Asks `loader_of(full name)` for a loader of each module that is found nowhere else; None declines."""

    def __init__(self, loader_of: Callable[[str], Loader | None]) -> None:
        self._loader_of = loader_of

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        loader = self._loader_of(fullname)
        if loader is None:
            return None
        origin = loader.path if isinstance(loader, SourceFileLoader) else None
        # Each counts as a package, as modules may be missing below it, too.
        spec = ModuleSpec(fullname, loader, origin=origin, is_package=True)
        spec.has_location = origin is not None
        return spec


def supply_modules(loader_of: Callable[[str], Loader | None]) -> None:
    """Puts a finder of missing modules behind all others."""
    sys.meta_path.append(MissingModules(loader_of))


def from_file(fullname: str, path: Path) -> Loader:
    """Returns the loader of a module that is a file of ours."""
    return SourceFileLoader(fullname, str(path))


class Forwarder(Loader):
    """A module with the names of others, which are imported with it; the first that has a name gives it.

    Args:
      sources: full names of the others.
      on_use: called with the names of the module and of the first other, when it is imported.
    """

    def __init__(self, sources: Sequence[str], on_use: Callable[[str, str], object] | None = None) -> None:
        self._sources = sources
        self._on_use = on_use

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        sources = [importlib.import_module(name) for name in self._sources]
        if self._on_use:
            self._on_use(module.__name__, self._sources[0])
        for source in reversed(sources):
            # Private names too: programs of that time import them.
            module.__dict__.update({k: v for k, v in vars(source).items() if not k.startswith('__')})

        def late_name(name: str) -> Any:
            for source in sources:
                if not name.startswith('__'):
                    with contextlib.suppress(AttributeError):
                        return look_up(source.__name__, name)
            raise AttributeError(f"module '{module.__name__}' has no attribute '{name}'")

        module.__dict__['__getattr__'] = late_name


def look_up(module: str, name: str) -> Any:
    """Returns what `module` has under a name: one of its own, or a module below it.

    Raises:
      AttributeError: if it has neither.
      ImportError: if there is no such module.
    """
    found = importlib.import_module(module)
    try:
        return getattr(found, name)
    except AttributeError:
        below = hasattr(found, '__path__') and importlib.util.find_spec(f'{module}.{name}')
        if not below:
            raise
        return importlib.import_module(f'{module}.{name}')


def answer_missing_names(answers: Mapping[str, Answer]) -> None:
    """Lets `answers[module]` return, or raise AttributeError for, each name that this module misses.

    At once in modules that are loaded already, in the others when they are.
    """
    for name in answers.keys() & sys.modules.keys():
        _set_answer(sys.modules[name], answers[name])
    sys.meta_path.insert(0, _LoadingFinder(_AnsweringLoader, answers))


def _set_answer(module: Any, answer: Answer) -> None:
    # tf.compat.v1 is wrapped, and the wrapper asks the module it wraps.
    module = vars(module).get('_tfmw_wrapped_module', module)
    own = vars(module).get('__getattr__')

    def own_first(name: str) -> Any:
        if own is not None:
            try:
                return own(name)
            except (AttributeError, ImportError):
                pass
        return answer(name)

    vars(module)['__getattr__'] = own_first


class _AnsweringLoader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, answer: Answer) -> None:
        super().__init__(fullname, path)
        self._answer = answer

    def exec_module(self, module: ModuleType) -> None:
        _set_answer(module, self._answer)  # what the module's code runs may ask already
        ours = vars(module)['__getattr__']
        super().exec_module(module)
        if vars(module)['__getattr__'] is not ours:  # it has one of its own
            _set_answer(module, self._answer)


def change_modules(changes: Mapping[str, Callable[[ModuleType], None]]) -> None:
    """Calls `changes[module]` with this module: at once if it is loaded already, else as soon as it is."""
    for name in changes.keys() & sys.modules.keys():
        changes[name](sys.modules[name])
    sys.meta_path.insert(0, _LoadingFinder(_ChangingLoader, changes))


class _ChangingLoader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, change: Callable[[ModuleType], None]) -> None:
        super().__init__(fullname, path)
        self._change = change

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        self._change(module)


class _LoadingFinder(MetaPathFinder):
    """Finds the modules of `given` as Python does, to be loaded by `loader(name, path, given[name])`."""

    def __init__(self, loader: Callable[[str, str, Any], Loader], given: Mapping[str, Any]) -> None:
        self._loader = loader
        self._given = given

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname not in self._given:
            return None
        spec = PathFinder.find_spec(fullname, path)  # type: ignore[arg-type]
        if spec is None or spec.origin is None:
            return None
        return importlib.util.spec_from_file_location(
            fullname,
            spec.origin,
            loader=self._loader(fullname, spec.origin, self._given[fullname]),
            submodule_search_locations=spec.submodule_search_locations,
        )
