"""What the text of a module says about the TensorFlow that it was written for.

Nothing is run, and neither Keras nor Estimator is loaded: which names they have is read from their files.
"""

import ast
import functools
import importlib.util
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import tensorflow as tf2
import tensorflow.compat.v1 as tf
from tensorflow.python.util.lazy_loader import LazyLoader

from estimator_lab.tf1.finder import LazyModule
from estimator_lab.tf1.moved_names import new_names
from estimator_lab.tf1.uses import Use, uses

TF = 'tensorflow'
V1 = 'tensorflow.compat.v1'
_INTERNAL = ('python', 'core', 'tools')  # the same modules in both
# Names of TensorFlow 1 whose meaning under v2 behaviour is another one, or that then raise an error.
_NEEDS_V1 = ('placeholder', 'Session', 'InteractiveSession', 'summary.FileWriter', 'contrib')
# Programs that use one of these were written or converted for v2 behaviour.
_NEEDS_V2 = (
    *('function', 'GradientTape', 'compat.v2', 'enable_v2_behavior', 'enable_eager_execution'),
    *('disable_v2_behavior', 'compat.v1.disable_v2_behavior', 'compat.v1.enable_v2_behavior'),
    *('disable_eager_execution', 'compat.v1.disable_eager_execution', 'compat.v1.enable_eager_execution'),
)
# Names of both that, without one of TensorFlow 1, mean TensorFlow 2.
_MEANS_V2 = ('function', 'GradientTape', 'compat.v2', 'saved_model.load')
# Methods that objects of one version have; they decide if no name does.
_METHODS_OF_1 = ('make_one_shot_iterator', 'make_initializable_iterator', 'export_savedmodel')
_METHODS_OF_2 = ('numpy',)
# Names of tf.metrics and tf.losses in both; in TensorFlow 2 they are Keras's.
_IN_BOTH = ('mean_squared_error', 'mean_absolute_error', 'Reduction')
_REDUCTIONS_OF_2 = ('AUTO', 'NONE', 'SUM', 'SUM_OVER_BATCH_SIZE')
# Names of both whose results differ: canned Estimators, metrics and losses, and what Keras has in two kinds.
_DIFFERENT = re.compile(
    r'estimator\.(Baseline|DNN|Linear|DNNLinearCombined)(Classifier|Estimator|Regressor)'
    r'|(metrics|losses)\.mean_\w+|keras\.(optimizers|layers)\.\w+'
)


class Evidence(NamedTuple):
    """What a module's text says about its TensorFlow.

    Attributes:
      version: the TensorFlow that its names mean, 1 or 2; None if it uses only names that both have.
      methods: the TensorFlow whose objects alone have the methods that it calls; 1 for TensorFlow 1's Keras.
      converted: whether it calls TensorFlow 1 by `tf.compat.v1`.
      behaviour: whether it needs TensorFlow 1's behaviour: no eager execution, `shape[0].value`.
      chooses_behaviour: whether it switches TensorFlow's behaviour itself, or relies on TensorFlow 2's.
      different: the names whose results differ between the versions, such as 'tf.estimator.DNNClassifier'.
      is_none: whether it does not use TensorFlow.
    """

    version: int | None = None
    methods: int | None = None
    converted: bool = False
    behaviour: bool = False
    chooses_behaviour: bool = False
    different: tuple[str, ...] = ()
    is_none: bool = False


def evidence_of(tree: ast.AST) -> Evidence:
    """Returns what the syntax tree of a module says."""
    found = list(uses(tree))
    paths, explicit = _paths(found, TF), _paths(found, V1)
    only = {path: _only_version(path, words) for path, words in paths.items()}
    one = [path for path, version in only.items() if version == 1]
    two = [path for path, version in only.items() if version == 2 and not path.startswith('compat')]
    converted = bool(explicit) or any(path.startswith('compat.v') for path in paths)
    # At a tie, a module that only TensorFlow 1 has decides.
    older = len(one) > len(two) or (len(one) == len(two) and any(map(_is_in_module_of_1, one)))
    newer = bool(two) or (not one and any(_begins(path, _MEANS_V2) for path in paths))
    version = 1 if older else 2 if newer else None
    used = {path.removeprefix('compat.v1.') for path in paths} | explicit.keys()
    has_old = any(_begins(path, _NEEDS_V1) for path in used) or _has_dimension_values(tree)
    chooses = any(_begins(path, _NEEDS_V2) for path in (*paths, *explicit))
    from_contrib = any(_begins(path, ('contrib',)) for path in used)
    needs = version == 1 or from_contrib or (has_old and not paths)
    different = sorted(set(filter(None, map(_different, paths))))
    none = not any(use.name == TF or use.name.startswith(f'{TF}.') for use in found)
    needs = needs and not chooses
    methods = _methods(tree) or (1 if any('tensorflow.python.keras' in use.name for use in found) else None)
    return Evidence(version, methods, converted, needs, chooses, tuple(different), none)


def path_below(use: Use, module: str) -> str:
    """Returns the path of a use below `tensorflow` or `tensorflow.compat.v1`; '' if it is elsewhere."""
    name = use.name.replace('estimator_lab.tf1.tf', V1)
    imported = use.module.replace('estimator_lab.tf1.tf', V1)
    is_v1 = imported == V1 or imported.startswith(f'{V1}.')
    if is_v1 != (module == V1) or not name.startswith(f'{module}.'):
        return ''
    return name[len(module) + 1 :].removesuffix('.*')


def _paths(found: Iterable[Use], module: str) -> dict[str, frozenset[str]]:
    """Returns {path: keywords of its calls} for the names of a module that both versions may have."""
    words: dict[str, frozenset[str]] = {}
    for use in found:
        path = path_below(use, module)
        if path and not _begins(path, _INTERNAL):
            words[path] = words.get(path, frozenset()) | use.keywords
    return words


def _begins(path: str, names: tuple[str, ...]) -> bool:
    return any(path == name or path.startswith(f'{name}.') for name in names)


def _methods(tree: ast.AST) -> int | None:
    """Returns the version whose objects alone have the methods that a module calls."""
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    if called.intersection(_METHODS_OF_2):
        return 2
    return 1 if called.intersection(_METHODS_OF_1) or _has_dimension_values(tree) else None


def _has_dimension_values(tree: ast.AST) -> bool:
    """Whether the file has an expression like `x.shape[0].value` or `x.get_shape()[0].value`."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == 'value'
        and isinstance(node.value, ast.Subscript)
        and 'shape' in ast.unparse(node.value.value)
        for node in ast.walk(tree)
    )


def _is_in_module_of_1(path: str) -> bool:
    first = path.partition('.')[0]
    return first in ('contrib', 'examples') or (
        isinstance(_member(tf, first), ModuleType) and _member(tf2, first) is None
    )


def _only_version(path: str, keywords: frozenset[str]) -> int | None:
    """Returns the version of TensorFlow that alone has the path, or accepts these keywords there.

    None if both or neither do.
    """
    first, second, third = [*path.split('.'), '', ''][:3]
    if first in ('contrib', 'examples'):
        return 1
    if first in new_names(V1):
        return 1
    if first in ('estimator', 'keras'):
        one, two = (_export(path, version) for version in (1, 2))
        return None if bool(one) == bool(two) else 1 if one else 2
    one, two = _member(tf, first), _member(tf2, first)
    if (first, second) == ('losses', 'Reduction') and third:
        older, newer = hasattr(one.Reduction, third), third in _REDUCTIONS_OF_2
        return None if older == newer else 1 if older else 2
    if first in ('metrics', 'losses') and second:  # TensorFlow 2 has Keras's
        return None if second in _IN_BOTH else 2 if _member(one, second) is None else 1
    if one is not None and isinstance(two, LazyLoader):
        return None
    if second and isinstance(one, ModuleType) and isinstance(two, ModuleType):
        one, two = _member(one, second), _member(two, second)
    if one is None or two is None:
        return 1 if one is not None else 2 if two is not None else None
    if any(_accepts(one, word) and not _accepts(two, word) for word in keywords):
        return 1
    return 2 if any(_accepts(two, word) and not _accepts(one, word) for word in keywords) else None


def _different(path: str) -> str:
    """Returns the name at the start of a path that gives other results in the other version, or ''."""
    match = _DIFFERENT.match(path)
    name = match[0] if match else ''
    is_same = name.startswith('keras') and _export(name, 1) == _export(name, 2)
    return f'tf.{name}' if name and not is_same else ''


def _export(path: str, version: int) -> str:
    """Returns where a name of tf.keras or tf.estimator comes from in a version; '' if it lacks the name."""
    package, *names = path.split('.')
    spec = importlib.util.find_spec(f'{TF}.compat.v{version}.{package}')
    if spec is None or not spec.submodule_search_locations:
        return ''
    folder = Path(spec.submodule_search_locations[0])
    while names and (folder / names[0]).is_dir():
        folder /= names.pop(0)
    return _exports(folder / '__init__.py').get(names[0], '') if names else str(folder)


@functools.cache
def _exports(file: Path) -> dict[str, str]:
    """Returns {name: 'module.name there'} for the imports of a file of an API."""
    lines = re.findall(r'^from (\S+) import (\w+)(?: as (\w+))?', file.read_text(), re.MULTILINE)
    return {name or there: f'{module}.{there}' for module, there, name in lines}


def _member(api: Any, name: str) -> Any:
    found = vars(vars(api).get('_tfmw_wrapped_module', api)).get(name)
    supplied = isinstance(found, ModuleType) and isinstance(vars(found).get('__loader__'), LazyModule)
    return None if supplied else found


def _accepts(function: Any, keyword: str) -> bool:
    """Whether a function has a parameter of this name; true where that is unknown."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return True
    return keyword in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())
