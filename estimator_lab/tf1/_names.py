"""Makes old names of TensorFlow work, and explains names that users look for but TensorFlow lacks.

An alias is made when it is first used. ``ESTIMATOR_LAB_SHOW_MOVED=1`` in the environment prints each line
that uses one, with the new name, as a warning of the category ``MovedName``. A missing name raises
AttributeError, as in any module, so that ``hasattr`` and ``getattr`` with a default work.
"""

import functools
import importlib
import os
import sys
import warnings
from importlib.abc import Loader
from types import ModuleType
from typing import Any

from estimator_lab.tf1._modules import FINDER, Forwarder, look_up
from estimator_lab.tf1._moved_names import NAMES, new_names, sources_of

SHOW_VARIABLE = 'ESTIMATOR_LAB_SHOW_MOVED'
_MACHINERY = (
    'estimator_lab.tf1',
    'estimator_lab.contrib',
    'importlib',
    'tensorflow.python.util.module_wrapper',
)
_V1 = 'tensorflow._api.v2.compat.v1'
# Modules of the TensorFlow 1 API in which programs look for names of TensorFlow 2; '' is `tf` itself.
_API_MODULES = {
    'tensorflow.compat.v1': '',
    **{
        f'{_V1}.{module}': module
        for module in ('metrics', 'losses', 'summary', 'initializers', 'random', 'nn', 'config')
    },
}
# Modules that are found or supplied elsewhere.
_OWN_MODULES = ('contrib', 'estimator', 'keras')
_ESTIMATOR_API = tuple(f'tensorflow_estimator.python.estimator.api._v{n}.estimator' for n in (1, 2))
_KERAS_API = ('tf_keras.api._v1.keras', 'tf_keras.api._v2.keras')
_FEEDING = 'tensorflow_estimator.python.estimator.inputs.queues.feeding_functions'
# The module of Keras 2's base class of layers: on TensorFlow 2.15, and on later versions.
_KERAS_LAYERS = ('keras.src.engine.base_layer', 'tf_keras.src.engine.base_layer')


class MovedName(PendingDeprecationWarning):
    """A program uses a name that TensorFlow has changed; Python hides the warning unless asked."""


def install_names() -> None:
    """Makes old names work, and missing names explain themselves; TensorFlow's own names stay."""
    if os.environ.get(SHOW_VARIABLE, '0') not in ('', '0'):
        warnings.filterwarnings('default', category=MovedName)
    FINDER.supply('tensorflow.', _forwarder_of)
    for module in {*NAMES, *_API_MODULES, *_ESTIMATOR_API, *_KERAS_API}:
        FINDER.answer(module, functools.partial(_answer, module))
    for module in _KERAS_LAYERS:
        FINDER.hook(module, after=_restore_apply)
    FINDER.hook('tensorflow.python.framework.device', after=_restore_device_spec)
    FINDER.hook(_FEEDING, after=_accept_text_columns)


def _forwarder_of(fullname: str) -> Loader | None:
    sources = sources_of(fullname)
    if sources:
        return Forwarder(sources, _warn_of_move)
    name = fullname.partition('.')[2]
    # TensorFlow 1 had its API as modules, such as tensorflow.gfile and tensorflow.layers.
    api = sys.modules.get(_V1)
    if not api or name in _OWN_MODULES or not isinstance(vars(api).get(name), ModuleType):
        return None
    return ApiModule(api, name)


class ApiModule(Loader):
    """Loads a module that has the names of `tf.<name>` of TensorFlow 1."""

    def __init__(self, api: ModuleType, name: str) -> None:
        self._api = api
        self._name = name

    def create_module(self, spec: Any) -> None:
        """Lets importlib create the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Looks names up at their first use, as some modules are loaded then."""

        def look_up_name(name: str) -> Any:
            if name.startswith('__'):
                raise AttributeError(name)
            return getattr(getattr(self._api, self._name), name)

        vars(module)['__getattr__'] = look_up_name


def _answer(module: str, name: str) -> Any:
    """Returns what `module` had under an old name.

    Raises:
      AttributeError: if it had none; the sentence says what to use instead.
    """
    moved = new_names(module).get(name)
    if moved is None:
        raise AttributeError(_explanation(module, name))
    new_module, new_name = moved
    found = look_up(new_module, new_name)
    _warn_of_move(f'{module}.{name}', f'{new_module}.{new_name}')
    setattr(sys.modules[module], name, found)
    return found


def _warn_of_move(old: str, new: str) -> None:
    """Warns at the line of the user's program, the first frame above ours and those of imports."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get('__name__', '').startswith(_MACHINERY):
        frame = frame.f_back
    names = frame.f_globals
    warnings.warn_explicit(
        f'{old} is now {new}.',
        MovedName,
        frame.f_code.co_filename,
        frame.f_lineno,
        names.get('__name__'),
        names.setdefault('__warningregistry__', {}),
    )


def _explanation(module: str, name: str) -> str:
    """Returns the sentence for a name that a module lacks."""
    if module in _ESTIMATOR_API:
        if name.startswith('BoostedTrees'):
            since = '2.9: 2.8 is the last version that has boosted trees.'
            return f'tf.estimator.{name} was removed in TensorFlow {since}'
        return f"tf.estimator has no attribute '{name}'."
    if module in _KERAS_API:
        return (
            f"tf.keras has no attribute '{name}': with estimator_lab.tf1 it is Keras 2, as TF1 programs "
            'need; Keras 3 is `import keras`.'
        )
    if module not in _API_MODULES:
        return f"module '{module}' has no attribute '{name}'"
    path = f'{_API_MODULES[module]}.{name}'.lstrip('.')
    if not name.startswith('_') and _has(sys.modules.get('tensorflow'), path):
        return (
            f"tf.{path} is TensorFlow 2's, and this `tf` is TensorFlow 1's: a program that uses it "
            'keeps `import tensorflow as tf`, with `import estimator_lab.tf1` above it (docs/porting.md).'
        )
    return f"module '{module.replace(_V1, 'tensorflow.compat.v1')}' has no attribute '{name}'"


def _has(holder: Any, path: str) -> bool:
    try:
        for part in path.split('.'):
            holder = getattr(holder, part)
    except Exception:  # noqa: BLE001 - loading a part of TensorFlow can raise anything
        return False
    return True


def _restore_apply(module: ModuleType) -> None:
    """Gives Keras 2's layers `layer.apply(x)`, which TensorFlow 1 had and Keras 2.15 dropped."""
    layers: Any = module.Layer
    if not hasattr(layers, 'apply'):
        layers.apply = _apply


def _restore_device_spec(module: ModuleType) -> None:
    """Makes `DeviceSpec` TensorFlow 1's class, which adds `merge_from` and assignments to that of 2."""
    vars(module)['DeviceSpec'] = importlib.import_module('tensorflow').compat.v1.DeviceSpec


def _accept_text_columns(module: ModuleType) -> None:
    """Lets pandas_input_fn and numpy_input_fn read text columns of pandas 3, which are not NumPy's."""
    names = vars(module)
    enqueue = names['_enqueue_data']

    @functools.wraps(enqueue)
    def with_numpy_types(data: Any, *args: Any, **kwargs: Any) -> Any:
        # A frame, or an ordered dict of arrays.
        if hasattr(data, 'items'):
            text = {name: column for name, column in data.items() if column.dtype.name in ('str', 'string')}
            data = data.copy() if text else data
            for name, column in text.items():
                data[name] = column.astype(object)
        return enqueue(data, *args, **kwargs)

    names['_enqueue_data'] = with_numpy_types


def _apply(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls the layer."""
    return self(inputs, *args, **kwargs)
