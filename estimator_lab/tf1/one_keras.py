"""One Keras for a program: `tensorflow.python.keras`, and `keras` of a TensorFlow 1 program, are `tf.keras`.

In 1.15 these are one library. TensorFlow 2 keeps a copy of its own in `tensorflow.python.keras`, with other
sessions and variables, which `tf.train` and `tf.layers` need: only the imports of programs are redirected.
"""

import ast
import importlib
import importlib.util
import re
from importlib.abc import Loader
from types import ModuleType
from typing import Any

from tensorflow.python import tf2

from estimator_lab.tf1.finder import FINDER, Forwarder
from estimator_lab.tf1.packages import package_of_keras

_LEFTOVER = 'tensorflow.python.keras'
_NAME = 'keras_2'
_ROOT = f'tensorflow.python.{_NAME}'
_OLD = re.compile(
    r'^tensorflow\.(python\.keras(\._impl\.keras)?|contrib\.keras(\.(api|python)\.keras)?)(?=\.|$)'
)
# Where Keras 2 has moved modules of 1.15: the start of a path -> its new start.
_MOVED = (
    ('backend.tensorflow_backend', 'backend'),
    ('engine.network', 'engine.functional'),
    ('mixed_precision.experimental', 'mixed_precision'),
    ('optimizer_v2.learning_rate_schedule', 'optimizers.schedules'),
    ('optimizer_v2', 'optimizers.legacy'),
    ('premade', 'premade_models'),
    ('saving', 'saving.legacy'),
)
# Modules of 1.15 that Keras 2 has under no name of their own.
_GONE = (
    *('advanced_activations', 'convolutional_recurrent', 'cudnn_recurrent', 'embeddings', 'local', 'merge'),
    *('recurrent', 'recurrent_v2', 'topology', 'wrappers'),
)
# Package -> more modules that have names of its modules.
_MORE = {
    'layers': ['layers.rnn', 'layers.merging.base_merge'],
    'engine': ['engine.base_layer', 'engine.input_layer', 'engine.input_spec', 'utils.layer_utils'],
    'utils': ['saving.legacy.serialization', 'utils.control_flow_util'],
    'optimizers': ['optimizers.optimizer_v1'],
}


class _OneKeras(ast.NodeTransformer):
    def __init__(self, with_keras: bool) -> None:
        self._old = re.compile(rf'{_OLD.pattern}|^keras(?=\.|$)') if with_keras else _OLD

    def visit_Import(self, node: ast.Import) -> ast.Import:
        for alias in node.names:
            if alias.name.partition('.')[0] == 'keras' and self._old is not _OLD and not alias.asname:
                alias.name, alias.asname = 'keras', 'keras'  # which finds its modules by itself
            alias.name = self._old.sub(_ROOT, alias.name, count=1)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if not node.level:
            node.module = self._old.sub(_ROOT, node.module or '', count=1)
            for alias in node.names:
                if f'{node.module}.{alias.name}' == _LEFTOVER:
                    alias.name, alias.asname = _NAME, alias.asname or alias.name
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        self.generic_visit(node)
        if node.attr == 'keras' and getattr(node.value, 'attr', '') == 'python':
            node.attr = _NAME
        return node


def with_one_keras(tree: ast.Module, with_keras: bool) -> ast.Module:
    """Returns the tree of a module with `tf.keras` for `tensorflow.python.keras`, and for `keras` too."""
    return _OneKeras(with_keras).visit(tree)


def as_written(text: str) -> str:
    """Returns a message with the name that the program has for Keras."""
    return text.replace(f'python.{_NAME}', 'python.keras')


def install_keras() -> None:
    """Supplies the modules that `with_one_keras` writes."""
    FINDER.supply(_ROOT, lambda fullname: _loader_of(fullname[len(_ROOT) + 1 :]))
    FINDER.answer('tensorflow.python', _root)


def _root(name: str) -> ModuleType:
    if name != _NAME:
        raise AttributeError(f"module 'tensorflow.python' has no attribute '{name}'")
    return importlib.import_module(_ROOT)


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _loader_of(path: str) -> Loader | None:
    new = path
    for old, moved in _MOVED:
        if f'{path}.'.startswith(f'{old}.'):
            new = moved + path[len(old) :]
            break
    parent = path.partition('.')[0]
    library = package_of_keras()
    api = f'{library}.api._v{2 if tf2.enabled() or path.endswith("_v2") else 1}.keras'
    places = [f'{api}.{path}', f'{api}.{parent}', f'{library}.src.{new}']
    places += [f'{library}.src.{each}' for each in (parent, *_MORE.get(parent, ()))]
    found = [place for place in dict.fromkeys(each.rstrip('.') for each in places) if _exists(place)]
    is_known = path in (f'{parent}.{each}' for each in _GONE) or any(
        each.endswith(f'.{new}'.rstrip('.')) for each in found
    )
    return _Keras(found) if is_known else None


class _Keras(Forwarder):
    """Loads a module of 1.15's Keras: the names of its places in Keras 2; the first that has one counts."""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        for name in [name for name, value in vars(module).items() if isinstance(value, ModuleType)]:
            del vars(module)[name]  # which has modules of its own

    def _find_in_sources(self, name: str) -> Any:
        below = f'{self.name}.{name}'
        return importlib.import_module(below) if _exists(below) else super()._find_in_sources(name)
