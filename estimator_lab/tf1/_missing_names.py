"""One sentence for names that people look for and do not find: boosted trees, and Keras 3 in ``tf.keras``.

An import hook gives the modules concerned a ``__getattr__``, which Python asks for missing names only. It
raises AttributeError as any module does, so that ``hasattr`` and ``getattr`` with a default keep their sense.
"""

import functools
import importlib.util
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType


def _in_estimator(name: str) -> str:
    if name.startswith('BoostedTrees'):
        since = '2.9: 2.8 is the last version that has boosted trees.'
        return f'tf.estimator.{name} was removed in TensorFlow {since}'
    return f"tf.estimator has no attribute '{name}'."


def _in_keras(name: str) -> str:
    return (
        f"tf.keras has no attribute '{name}': with estimator_lab.tf1 it is Keras 2, as TF1 programs need; "
        'Keras 3 is `import keras`.'
    )


_SENTENCES: dict[str, Callable[[str], str]] = {
    'tensorflow_estimator.python.estimator.api._v1.estimator': _in_estimator,
    'tensorflow_estimator.python.estimator.api._v2.estimator': _in_estimator,
    'tf_keras.api._v1.keras': _in_keras,
    'tf_keras.api._v2.keras': _in_keras,
}


class _ExplainingLoader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        _explain(module)
        super().exec_module(module)


class _ExplainingFinder(MetaPathFinder):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname not in _SENTENCES:
            return None
        spec = PathFinder.find_spec(fullname, path)  # type: ignore[arg-type]
        if spec is None or spec.origin is None:
            return None
        return importlib.util.spec_from_file_location(
            fullname,
            spec.origin,
            loader=_ExplainingLoader(fullname, spec.origin),
            submodule_search_locations=spec.submodule_search_locations,
        )


def explain_missing_names() -> None:
    """Sets the sentences up: at once in modules that are loaded already, in the others when they are."""
    for name in _SENTENCES.keys() & sys.modules.keys():
        _explain(sys.modules[name])
    sys.meta_path.insert(0, _ExplainingFinder())


def _explain(module: ModuleType) -> None:
    module.__dict__['__getattr__'] = functools.partial(_refuse, _SENTENCES[module.__name__])


def _refuse(sentence: Callable[[str], str], name: str) -> None:
    raise AttributeError(sentence(name))
