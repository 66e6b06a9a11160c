"""What classes and functions of TensorFlow, Keras 2 and Estimator did in TensorFlow 1 and no longer do.

Each is changed in place when its module is loaded, so that programs get it under any name.
"""

import functools
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from estimator_lab.tf1.finder import FINDER

_FEEDING = 'tensorflow_estimator.python.estimator.inputs.queues.feeding_functions'
_RUN_CONFIG = 'tensorflow_estimator.python.estimator.run_config'
# Modules of Keras 2: on TensorFlow 2.15, and on later versions.
_KERAS_LAYERS = ('keras.src.engine.base_layer', 'tf_keras.src.engine.base_layer')
_KERAS_APIS = tuple(f'{package}.api._v{n}.keras' for package in ('keras', 'tf_keras') for n in (1, 2))


def adapt_tensorflow() -> None:
    """Changes what is loaded already, and the rest when it is loaded."""
    for module in _KERAS_LAYERS:
        FINDER.hook(module, after=_restore_apply)
    for module in _KERAS_APIS:
        FINDER.hook(module, after=_restore_version)
    FINDER.hook('absl.logging', after=_let_flags_be_replaced)
    for api in ('tensorflow.compat.v1', 'tensorflow._api.v2.compat.v1'):  # one API under two names
        FINDER.answer(f'{api}.logging', _old_name_of_logging)
    FINDER.hook('tensorflow.python.framework.device', after=_restore_device_spec)
    FINDER.hook('tensorflow.python.framework.tensor_shape', after=_accept_whole_numbers)
    FINDER.hook('tensorflow.python.training.basic_session_run_hooks', after=_warn_of_a_standstill_only)
    FINDER.hook(_FEEDING, after=_accept_text_columns)
    FINDER.hook(_RUN_CONFIG, after=_accept_workers_alone)


def _let_flags_be_replaced(module: ModuleType) -> None:
    """Lets a program define `log_dir`, `verbosity` and the like, which absl.logging defines first.

    TensorFlow loads that module since 1.14.
    """
    for flag in importlib.import_module('absl.flags').FLAGS.flags_by_module_dict()[module.__name__]:
        flag.allow_override = True


def _old_name_of_logging(name: str) -> Any:
    """Returns `tf.logging._logger`, which programs silence or add handlers to."""
    if name == '_logger':
        return importlib.import_module('tensorflow').get_logger()
    raise AttributeError(f"module 'tensorflow.compat.v1.logging' has no attribute '{name}'")


def _restore_apply(module: ModuleType) -> None:
    """Gives Keras 2's layers `layer.apply(x)`, which TensorFlow 1 had and Keras 2.15 dropped."""
    layers: Any = module.Layer
    if not hasattr(layers, 'apply'):
        layers.apply = _apply


def _restore_version(module: ModuleType) -> None:
    """Gives `tf.keras` the version of Keras as `__version__`, as in TensorFlow 1."""
    vars(module)['__version__'] = importlib.import_module(module.__name__.partition('.')[0]).__version__


def _restore_device_spec(module: ModuleType) -> None:
    """Makes `DeviceSpec` TensorFlow 1's class, which adds `merge_from` and assignments to TensorFlow 2's."""
    vars(module)['DeviceSpec'] = importlib.import_module('tensorflow').compat.v1.DeviceSpec


def _accept_whole_numbers(module: ModuleType) -> None:
    """Makes dimensions of truth values and of floats such as 2.0; protobuf and TensorFlow reject them now."""
    dimension: Any = module.Dimension
    make = dimension.__init__

    @functools.wraps(make)
    def init(self: Any, value: Any) -> None:
        is_other = isinstance(value, bool | float | np.bool_ | np.floating)
        make(self, int(value) if is_other and float(value).is_integer() else value)

    dimension.__init__ = init


def _warn_of_a_standstill_only(module: ModuleType) -> None:
    """Keeps StepCounterHook from warning that the step stands still after it reads a step twice.

    It reads the step before or after it is increased, so two equal values mean nothing; three do.
    """
    hook: Any = module.StepCounterHook
    after_run = hook.after_run

    @functools.wraps(after_run)
    def compare(self: Any, run_context: Any, run_values: Any) -> None:
        last = self._last_global_step
        if getattr(self, '_step_before_last', None) != last:
            self._last_global_step = None
        after_run(self, run_context, run_values)
        self._step_before_last = last

    hook.after_run = compare


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


def first_worker_as_chief(tf_config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a TF_CONFIG whose first worker is the chief, if its cluster has workers but no chief.

    So tf.distribute reads it, and so Ray and Kubernetes' TFJobs write it; RunConfig wants a chief by name.

    Examples:
        >>> workers = {'cluster': {'worker': ['a:1', 'b:1']}, 'task': {'type': 'worker', 'index': 1}}
        >>> first_worker_as_chief(workers)
        {'cluster': {'chief': ['a:1'], 'worker': ['b:1']}, 'task': {'type': 'worker', 'index': 0}}
    """
    cluster, task = tf_config.get('cluster') or {}, tf_config.get('task') or {}
    workers = cluster.get('worker')
    if not (workers and isinstance(workers, list)) or {'chief', 'master'} & cluster.keys():
        return tf_config
    if 'type' not in task:
        return tf_config
    rest = {job: addresses for job, addresses in cluster.items() if job != 'worker'}
    cluster = {'chief': workers[:1], **({'worker': workers[1:]} if workers[1:] else {}), **rest}
    if task.get('type') == 'worker':
        index = int(task.get('index', 0))
        task = {**task, **({'index': index - 1} if index else {'type': 'chief', 'index': 0})}
    return {**tf_config, 'cluster': cluster, 'task': task}


def _accept_workers_alone(module: ModuleType) -> None:
    """Lets RunConfig read a TF_CONFIG without a chief."""
    config: Any = module.RunConfig
    read = config._init_distributed_setting_from_environment_var
    config._init_distributed_setting_from_environment_var = lambda self, tf_config: read(
        self, first_worker_as_chief(tf_config)
    )


def _apply(self: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls the layer."""
    return self(inputs, *args, **kwargs)
