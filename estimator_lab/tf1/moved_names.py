"""Old names of TensorFlow: three tables of their new places, and how they are answered.

The tables apply to what is missing: a name that a TensorFlow still has keeps its meaning. A new TensorFlow
that moves a name needs one line here; tests/tf1/test_names.py finds it. A name that is missing raises
AttributeError, as in any module, so that ``hasattr`` and ``getattr`` with a default work.
"""

import functools
import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader
from types import ModuleType
from typing import Any

from estimator_lab.tf1.finder import FINDER, Forwarder, LazyModule, look_up

_V1 = 'tensorflow._api.v2.compat.v1'
# Modules of the TensorFlow 1 API in which programs look for names of TensorFlow 2; '' is `tf` itself.
_API_MODULES = {
    'tensorflow.compat.v1': '',
    **{
        f'{_V1}.{module}': module
        for module in ('metrics', 'losses', 'summary', 'initializers', 'random', 'nn', 'config')
    },
}
_INTERNAL = ('python', 'core', 'tools')  # TensorFlow 1's API was the package that has these
# Modules that are found or supplied elsewhere.
_OWN_MODULES = ('contrib', 'estimator', 'keras')
_ESTIMATOR_API = tuple(f'tensorflow_estimator.python.estimator.api._v{n}.estimator' for n in (1, 2))
_KERAS_API = ('tf_keras.api._v1.keras', 'tf_keras.api._v2.keras')

# A package whose modules have the same names in another package.
_ESTIMATOR, _NEW_ESTIMATOR = 'tensorflow.python.estimator', 'tensorflow_estimator.python.estimator'

# Old module -> modules that have its contents now, in the order in which names are looked up.
MODULES: Mapping[str, Sequence[str]] = {
    'tensorflow.python.estimator.keras': ['tensorflow_estimator.python.estimator.keras_lib'],
    'tensorflow.python.tpu.tpu_config': ['tensorflow_estimator.python.estimator.tpu.tpu_config'],
    'tensorflow.python.tpu.tpu_context': ['tensorflow_estimator.python.estimator.tpu.tpu_context'],
    'tensorflow.python.tpu.tpu_estimator': ['tensorflow_estimator.python.estimator.tpu.tpu_estimator'],
    'tensorflow.python.tpu.error_handling': ['tensorflow_estimator.python.estimator.tpu.error_handling'],
    'tensorflow.python.tpu.util': ['tensorflow_estimator.python.estimator.tpu.util'],
    'tensorflow.python.tpu.async_checkpoint': ['estimator_lab.tf1.hooks'],
    'tensorflow.python.eager.profiler': ['tensorflow.python.profiler.profiler_v2'],
    'tensorflow.python.eager.profiler_client': ['tensorflow.python.profiler.profiler_client'],
    'tensorflow.python.training.training_ops': ['tensorflow.python.ops.gen_training_ops'],
    'tensorflow.python.training.gen_training_ops': ['tensorflow.python.ops.gen_training_ops'],
    'tensorflow.python.training.tracking': ['tensorflow.python.trackable'],
    'tensorflow.python.training.tracking.base': ['tensorflow.python.trackable.base'],
    'tensorflow.python.training.tracking.data_structures': ['tensorflow.python.trackable.data_structures'],
    'tensorflow.python.training.tracking.graph_view': ['tensorflow.python.checkpoint.graph_view'],
    'tensorflow.python.training.tracking.layer_utils': ['tensorflow.python.trackable.layer_utils'],
    'tensorflow.python.training.tracking.python_state': ['tensorflow.python.trackable.python_state'],
    'tensorflow.python.training.tracking.tracking': [
        'tensorflow.python.trackable.autotrackable',
        'tensorflow.python.trackable.resource',
        'tensorflow.python.trackable.asset',
    ],
    'tensorflow.python.training.tracking.util': ['tensorflow.python.checkpoint.checkpoint'],
    'tensorflow.python.training.saving.functional_saver': ['tensorflow.python.checkpoint.functional_saver'],
    'tensorflow.python.training.distribute': ['tensorflow.python.distribute.distribute_lib'],
    'tensorflow.python.training.distribution_strategy_context': [
        'tensorflow.python.distribute.distribute_lib'
    ],
    'tensorflow.python.distribute.distribution_strategy_context': [
        'tensorflow.python.distribute.distribute_lib'
    ],
    'tensorflow.python.data.experimental.ops.distribute_options': ['tensorflow.python.data.ops.options'],
    'tensorflow.python.data.experimental.ops.optimization_options': ['tensorflow.python.data.ops.options'],
    'tensorflow.python.data.experimental.ops.threading_options': ['tensorflow.python.data.ops.options'],
    'tensorflow.python.ops.losses.loss_reduction': ['tensorflow.python.keras.utils.losses_utils'],
    'tensorflow.python.platform.parameterized': ['absl.testing.parameterized'],
    'tensorflow.python.pywrap_tensorflow_internal': ['tensorflow.python.pywrap_tensorflow'],
    'tensorflow.core.profiler.protobuf': ['tensorflow.tsl.profiler.protobuf'],
    'tensorflow.core.profiler.protobuf.xplane_pb2': ['tensorflow.tsl.profiler.protobuf.xplane_pb2'],
}


def names(kept: str = '', **renamed: str) -> dict[str, str]:
    """Returns {old name: new name} of names separated by white space, which are the same, and of others.

    Examples:
        >>> names('stack unstack', concat='concat_v2')
        {'stack': 'stack', 'unstack': 'unstack', 'concat': 'concat_v2'}
    """
    return {name: name for name in kept.split()} | renamed


_BATCH_MATRIX = 'set_diag band_part transpose determinant inverse solve triangular_solve solve_ls'

# Old module -> {new module: {old name: new name}}.
NAMES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    'tensorflow.python.framework.ops': {
        'tensorflow.python.framework.tensor': names('Tensor enable_tensor_equality disable_tensor_equality'),
        'tensorflow.python.framework.indexed_slices': names(
            'IndexedSlices IndexedSlicesValue convert_to_tensor_or_indexed_slices '
            'convert_n_to_tensor_or_indexed_slices internal_convert_to_tensor_or_indexed_slices '
            'internal_convert_n_to_tensor_or_indexed_slices'
        ),
        'tensorflow.python.framework.tensor_conversion': names('convert_to_tensor_v2'),
        'tensorflow.python.framework.tensor_conversion_registry': names(
            'register_tensor_conversion_function'
        ),
    },
    'tensorflow.python.framework.graph_util': {
        'tensorflow.python.framework.convert_to_constants': names('convert_variables_to_constants')
    },
    'tensorflow.python.ops.array_ops': {'tensorflow.python.ops.array_ops_stack': names('stack unstack')},
    'tensorflow.python.ops.standard_ops': {'tensorflow.python.ops.array_ops_stack': names('stack unstack')},
    'tensorflow.python.ops.math_ops': {
        'tensorflow.python.ops.bincount_ops': names('bincount_v1'),
        'tensorflow.python.ops.special_math_ops': names('bessel_i0e bessel_i1e'),
    },
    'tensorflow.python.ops.nn': {
        'tensorflow.python.ops.rnn': names(
            'bidirectional_dynamic_rnn dynamic_rnn raw_rnn static_rnn static_state_saving_rnn'
        ),
        'tensorflow.python.ops': names('rnn_cell'),
    },
    'tensorflow.python.ops.control_flow_ops': {
        'tensorflow.python.ops.cond': names('cond cond_for_tf_v2'),
        'tensorflow.python.ops.while_loop': names('while_loop while_loop_v2'),
        'tensorflow.python.ops.control_flow_case': names('case case_v2'),
        'tensorflow.python.ops.control_flow_switch_case': names('switch_case'),
        'tensorflow.python.ops.control_flow_assert': names('Assert'),
    },
    'tensorflow.python.ops.variables': {
        'tensorflow.python.ops.variable_v1': names('VariableV1 is_variable_initialized'),
        'tensorflow.python.ops.ref_variable': names('RefVariable default_variable_creator'),
    },
    'tensorflow.python.ops.variable_scope': {
        'tensorflow.python.ops.ref_variable': names('default_variable_creator'),
        'tensorflow.python.ops.resource_variables_toggle': names(
            'enable_resource_variables disable_resource_variables resource_variables_enabled'
        ),
        'tensorflow.python.ops.variable_v1': names(variable='VariableV1'),
    },
    'tensorflow.python.ops.resource_variable_ops': {
        'tensorflow.python.ops.ref_variable': names('_from_proto_fn _to_proto_fn')
    },
    'tensorflow.python.ops.random_ops': {'tensorflow.python.ops.random_crop_ops': names('random_crop')},
    'tensorflow.python.util.nest': {'tensorflow.python.util.nest': names(is_sequence='is_nested')},
    'tensorflow.python.data.util.nest': {'tensorflow.python.data.util.nest': names(is_sequence='is_nested')},
    'tensorflow.python.training.checkpoint_management': {
        'tensorflow.python.checkpoint.checkpoint_management': names(
            'CheckpointManager checkpoint_exists generate_checkpoint_state_proto get_checkpoint_mtimes '
            'get_checkpoint_state latest_checkpoint meta_graph_filename remove_checkpoint '
            'update_checkpoint_state update_checkpoint_state_internal'
        )
    },
    'tensorflow.python.pywrap_tensorflow': {
        'tensorflow.python.training.py_checkpoint_reader': names('NewCheckpointReader')
    },
    'tensorflow.python.layers.layers': {
        'tensorflow.compat.v1.layers': names('BatchNormalization batch_normalization')
    },
    'tensorflow.python.layers.normalization': {
        'tensorflow.compat.v1.layers': names('BatchNormalization batch_normalization')
    },
    'tensorflow.python.data.ops.dataset_ops': {'tensorflow.python.data.ops.options': names('Options')},
    'tensorflow.python.feature_column.feature_column_v2': {
        'tensorflow.python.feature_column.feature_column_v2_types': names('FeatureColumn')
    },
    'tensorflow.python.eager.def_function': {
        'tensorflow.python.eager.polymorphic_function.polymorphic_function': names('Function')
    },
    # What TensorFlow 1.0 renamed.
    'tensorflow.compat.v1': {
        'tensorflow.compat.v1': names(
            **{'neg': 'negative', 'mul': 'multiply', 'sub': 'subtract', 'inv': 'reciprocal'},
            **{'pack': 'stack', 'unpack': 'unstack', 'select': 'where', 'listdiff': 'setdiff1d'},
            **{'complex_abs': 'abs', 'batch_matmul': 'matmul'},
            **{f'batch_{name}': name for name in ('cholesky', 'cholesky_solve', 'svd')},
            **{f'batch_{name}': name for name in ('self_adjoint_eig', 'self_adjoint_eigvals')},
            **{f'batch_{kind}fft{n}': f'{kind}fft{n}' for kind in ('', 'i') for n in ('', '2d', '3d')},
            **{f'batch_matrix_{name}': f'matrix_{name}' for name in _BATCH_MATRIX.split()},
        ),
        f'{_V1}.linalg': names(batch_matrix_diag='diag', batch_matrix_diag_part='diag_part'),
        f'{_V1}.summary': names(
            **{f'{kind}_summary': kind for kind in ('scalar', 'histogram', 'audio', 'image')},
            **{'merge_summary': 'merge', 'merge_all_summaries': 'merge_all'},
        ),
    },
    f'{_V1}.train': {
        f'{_V1}.summary': names(SummaryWriter='FileWriter'),
        f'{_V1}.train': names(SyncReplicasOptimizerV2='SyncReplicasOptimizer'),
    },
    f'{_V1}.nn': {
        f'{_V1}.nn': names(
            **{'rnn': 'static_rnn', 'bidirectional_rnn': 'static_bidirectional_rnn'},
            **{'state_saving_rnn': 'static_state_saving_rnn', 'deconv2d': 'conv2d_transpose'},
        )
    },
    f'{_V1}.image': {f'{_V1}.image': names(per_image_whitening='per_image_standardization')},
    # Of the Estimator's package, and of the one with its contents that TensorFlow 2.15 still has.
    **{
        f'{package}.canned.{kind}': {
            f'{_NEW_ESTIMATOR}.canned.{kind}': {f'_{kind}_logit_fn_builder': f'{kind}_logit_fn_builder'}
        }
        for package in (_ESTIMATOR, _NEW_ESTIMATOR)
        for kind in ('dnn', 'linear')
    },
    **{
        module: {'estimator_lab.tf1.hooks': names('CheckpointInputPipelineHook')}
        for module in (
            'tensorflow.python.data.experimental.ops.iterator_ops',
            'tensorflow.python.data.experimental',
            'tensorflow._api.v2.data.experimental',
            'tensorflow._api.v2.compat.v1.data.experimental',
            'tensorflow._api.v2.compat.v2.data.experimental',
        )
    },
}


def new_names(module: str) -> dict[str, tuple[str, str]]:
    """Returns {old name: (new module, new name)} for the names that have left `module`."""
    found = NAMES.get(module, {}).items()
    return {old: (source, new) for source, pairs in found for old, new in pairs.items()}


def install_names() -> None:
    """Makes old names work, and missing names explain themselves; TensorFlow's own names stay."""
    FINDER.supply('tensorflow.', _forwarder_of)
    for module in {*NAMES, *_API_MODULES, *_ESTIMATOR_API, *_KERAS_API}:
        FINDER.answer(module, functools.partial(_answer, module))
    for module in (*_ESTIMATOR_API, *_KERAS_API):  # the same files, imported as modules of TensorFlow
        version, name = module.split('.')[-2:]
        FINDER.answer(f'tensorflow.compat.{version[1:]}.{name}', functools.partial(_answer, module))


def _forwarder_of(fullname: str) -> Loader | None:
    if fullname in MODULES:
        return Forwarder(MODULES[fullname])
    if fullname == _ESTIMATOR or fullname.startswith(f'{_ESTIMATOR}.'):
        return Forwarder([_NEW_ESTIMATOR + fullname.removeprefix(_ESTIMATOR)])
    name = fullname.partition('.')[2]
    # TensorFlow 1 had its API as modules, such as tensorflow.gfile and tensorflow.layers.
    api = sys.modules.get(_V1)
    if not api or name in _OWN_MODULES or not isinstance(vars(api).get(name), ModuleType):
        return None
    return LazyModule(lambda member: getattr(getattr(api, name), member))


def _answer(module: str, name: str) -> Any:
    """Returns what `module` had under an old name.

    Raises:
      AttributeError: if it had none; the sentence says what to use instead.
    """
    if module == 'tensorflow.compat.v1' and name in _INTERNAL:
        return importlib.import_module(f'tensorflow.{name}')
    moved = new_names(module).get(name)
    if moved is None:
        raise AttributeError(_explanation(module, name))
    new_module, new_name = moved
    found = look_up(new_module, new_name)
    setattr(sys.modules[module], name, found)
    return found


def _explanation(module: str, name: str) -> str:
    """Returns the sentence for a name that a module lacks."""
    if module in _ESTIMATOR_API:
        if name.startswith('BoostedTrees'):
            since = '2.9: 2.8 is the last version that has boosted trees.'
            return f'tf.estimator.{name} was removed in TensorFlow {since}'
        if module == _ESTIMATOR_API[1] and _has(sys.modules.get('tensorflow.compat.v1'), f'estimator.{name}'):
            return f"tf.estimator.{name} is TensorFlow 1's: write tf.compat.v1.estimator.{name}."
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
