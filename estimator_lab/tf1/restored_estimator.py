"""Restores ``tf.estimator`` on TensorFlow 2.16 and later from the package ``tensorflow-estimator``.

Nothing is loaded until ``tf.estimator`` is used: the names are TensorFlow's own lazy loaders, and the import
finder supplies the modules that ``tensorflow_estimator`` lacks when it is imported.
"""

import contextlib
import importlib
import importlib.util
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import Loader
from pathlib import Path
from typing import Any

from tensorflow.python.util import tf_export
from tensorflow.python.util.lazy_loader import KerasLazyLoader, LazyLoader

from estimator_lab.base.process import without_optional_packages
from estimator_lab.tf1.finder import FINDER, Forwarder, LazyModule
from estimator_lab.tf1.packages import LEGACY_KERAS_VARIABLE, VersionError, keras_3_problem

_ESTIMATOR_PACKAGE = 'tensorflow_estimator'
_API_PACKAGE = f'{_ESTIMATOR_PACKAGE}.python.estimator.api'
_TRAINING = 'tensorflow.python.distribute.estimator_training'
_TPU_MODULES = ('session_support', 'tpu_embedding', 'tpu_embedding_gradient')
_TPU_OPTIMIZERS = ('Adagrad', 'Adam', 'Ftrl', 'StochasticGradientDescent')
_KERAS_NAMES = ('keras', 'layers', 'losses', 'metrics', 'optimizers', 'initializers')
# tensorflow, tensorflow.compat.v1, tensorflow._api.v2.compat.v1 and so on: one API under several names.
_API_MODULE = re.compile(r'tensorflow(\._api\.v2)?(\.compat\.v[12])*')
_API_ESTIMATOR = re.compile(r'tensorflow(\.compat\.v(?P<version>[12]))+\.(?P<name>estimator(\..+)?)')
_KERAS_3_SENTENCE = (
    'tf.keras is already Keras 3 in this process, so tf.layers and tf.estimator cannot work: import '
    'estimator_lab.tf1 before tf.keras is first used (`import keras` itself stays Keras 3), or start the '
    f'process with {LEGACY_KERAS_VARIABLE}=1, for workers of Ray in runtime_env={{"env_vars": ...}}.'
)


def _removed(name: str, module: str) -> type:
    """Returns the stand-in for a class of a module that TensorFlow 2.16 deleted.

    ``tensorflow_estimator`` imports these modules, and subclasses and tests for some of their classes, but
    uses them on a TPU only. Calling one raises NotImplementedError.
    """

    def refuse(cls: type, *args: object, **kwargs: object) -> None:
        raise NotImplementedError(
            f'{cls.__module__}.{cls.__name__} was deleted in TensorFlow 2.16: training an Estimator on a '
            'TPU needs TensorFlow 2.15.'
        )

    return type(name, (), {'__module__': module, '__new__': refuse})


def _stand_in_for(fullname: str) -> Loader | None:
    if fullname == _TRAINING:
        return Forwarder(['estimator_lab.tf1.coordinator'])
    if fullname.removeprefix('tensorflow.python.tpu.') in _TPU_MODULES:
        return LazyModule(lambda name: _removed(name, fullname))
    # The API contains itself under each of its names, without end; we add a search path to the first only.
    if api := _API_ESTIMATOR.fullmatch(fullname):
        return Forwarder([f'{_API_PACKAGE}._v{api["version"]}.{api["name"]}'])
    return None


def restore_estimator() -> None:
    """Makes `tf.estimator` importable under each of its names; does nothing where it is built in."""
    if importlib.util.find_spec(_TRAINING):
        return
    FINDER.supply('tensorflow.', _stand_in_for)
    hiding = contextlib.ExitStack()

    def before(module: types.ModuleType) -> None:
        hiding.enter_context(without_optional_packages())
        _prepare_for_estimator()

    FINDER.hook(_ESTIMATOR_PACKAGE, before, lambda module: hiding.close())
    importlib.import_module('tensorflow.compat.v2')
    for api in _api_modules():
        _add_estimator(api)


def offer(names: Sequence[str], load: Callable[[], object]) -> None:
    """Lets the first use of `tf.<name>` or `tensorflow.<name>` call `load`, which supplies it to FINDER."""

    def load_first(fullname: str) -> None:
        load()

    for name in names:
        module = f'tensorflow.{name}'
        FINDER.supply(module, load_first)
        for api in _api_modules():
            vars(api).setdefault(name, LazyLoader(name, vars(api), module))


def warn_of_keras_3() -> None:
    """Warns a program that uses Keras 3 through TensorFlow, or requests it, without stopping it."""
    problem = _keras_3_problem()
    if problem:
        warnings.warn(problem, stacklevel=3)


def _api_modules() -> list[types.ModuleType]:
    return [
        module
        for name, module in sorted(sys.modules.items())
        if _API_MODULE.fullmatch(name) and '__path__' in vars(module)
    ]


def _is_v1(api: types.ModuleType) -> bool:
    return api.__name__.endswith('.v1')


def _add_estimator(api: Any) -> None:
    """Gives one API module its attribute `estimator`, and the search path for `import <api>.estimator`.

    tf-keras is added to the path as well: a TensorFlow imported before this package looks in Keras 3 only.
    """
    version = '_v1' if _is_v1(api) else '_v2'
    api.estimator = LazyLoader('estimator', vars(api), f'{_API_PACKAGE}.{version}.estimator')
    folders = [
        _folder_of(_ESTIMATOR_PACKAGE) / 'python/estimator/api' / version,
        _folder_of('tf_keras') / 'api' / version,
    ]
    api.__path__ = [*map(str, folders), *api.__path__]


def _folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise VersionError(f'the package {package} has no files: install it again.')
    return Path(spec.origin).parent


def _prepare_for_estimator() -> None:
    """Prepares TensorFlow; called before the first line of `tensorflow_estimator` runs."""
    problem = _keras_3_problem()
    if problem:
        raise VersionError(problem)
    for module in _keras_modules():
        dir(module)  # loads Keras 2 now: the lazy loaders are not thread-safe, and strategies use threads
    _register_export_names()
    _refuse_tpu_parameters()


def _keras_modules() -> Iterator[types.ModuleType]:
    """Yields the modules and unresolved loaders through which TensorFlow provides Keras."""
    for api in _api_modules():
        yield from (vars(api)[name] for name in _KERAS_NAMES if name in vars(api))
        if _is_v1(api):
            yield vars(api)['nn'].rnn_cell


def _is_keras_3(module: types.ModuleType) -> bool:
    # Reading the __name__ of an unresolved loader would resolve it, so its own state is read instead.
    if isinstance(module, KerasLazyLoader):
        state = vars(module)
        version = state.get('_tfll_keras_version', state.get('_keras_version'))  # the latter on 2.15
        return version == 'keras_3'
    return module.__name__.startswith('keras._tf_keras')


def _keras_3_problem() -> str | None:
    in_use = any(map(_is_keras_3, _keras_modules()))
    return keras_3_problem() or (_KERAS_3_SENTENCE if in_use else None)


def _register_export_names() -> None:
    """Adds the API name under which `tensorflow_estimator` exports its symbols."""
    name = 'estimator'
    attributes = type(tf_export.API_ATTRS[tf_export.TENSORFLOW_API_NAME])
    tf_export.ESTIMATOR_API_NAME = name
    tf_export.API_ATTRS[name] = attributes('_estimator_api_names', '_estimator_api_constants')
    tf_export.API_ATTRS_V1[name] = attributes('_estimator_api_names_v1', '_estimator_api_constants_v1')


def _refuse_tpu_parameters() -> None:
    """Restores the names of the deleted TPU optimizer settings; calling one explains why it can't work."""
    experimental = importlib.import_module('tensorflow.compat.v1').tpu.experimental
    for prefix in _TPU_OPTIMIZERS:
        name = f'{prefix}Parameters'
        if not hasattr(experimental, name):
            setattr(experimental, name, _removed(name, 'tf.tpu.experimental'))
