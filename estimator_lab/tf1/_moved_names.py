"""The new places of TensorFlow modules and names that programs for 1.15 to 2.15 import: three tables.

Data only, so that `tools/removed_names.py` can read it without TensorFlow. The tables apply to what is
missing: a name that a TensorFlow still has keeps its meaning.
"""

import configparser
from collections.abc import Mapping, Sequence

# Packages whose modules have the same names in another package.
PACKAGES: Mapping[str, str] = {
    'tensorflow.python.estimator': 'tensorflow_estimator.python.estimator',
}

# Old module -> modules that have its contents now, in the order in which names are looked up.
MODULES: Mapping[str, Sequence[str]] = {
    'tensorflow.python.estimator.keras': ['tensorflow_estimator.python.estimator.keras_lib'],
    'tensorflow.python.tpu.tpu_config': ['tensorflow_estimator.python.estimator.tpu.tpu_config'],
    'tensorflow.python.tpu.tpu_context': ['tensorflow_estimator.python.estimator.tpu.tpu_context'],
    'tensorflow.python.tpu.tpu_estimator': ['tensorflow_estimator.python.estimator.tpu.tpu_estimator'],
    'tensorflow.python.tpu.error_handling': ['tensorflow_estimator.python.estimator.tpu.error_handling'],
    'tensorflow.python.tpu.util': ['tensorflow_estimator.python.estimator.tpu.util'],
    'tensorflow.python.tpu.async_checkpoint': ['estimator_lab.tf1._hooks'],
    'tensorflow.python.eager.profiler': ['estimator_lab.tf1._profiler'],
    'tensorflow.python.eager.profiler_client': ['estimator_lab.tf1._profiler'],
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


class _Table(configparser.RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr  # a row's name, which may have capitals


def table(text: str) -> dict[str, dict[str, str]]:
    """Parses {section: {row: names}} from lines `[section]` and `row: names`; indented lines continue it."""
    parser = _Table(delimiters=(':',))
    parser.read_string(text)
    return {section: dict(parser[section]) for section in parser.sections()}


# Old module -> {new module: names separated by white space, `old=new` if the name changed too}.
NAMES: Mapping[str, Mapping[str, str]] = {
    **table("""
[tensorflow.python.framework.ops]
tensorflow.python.framework.tensor: Tensor enable_tensor_equality disable_tensor_equality
tensorflow.python.framework.indexed_slices:
    IndexedSlices IndexedSlicesValue convert_to_tensor_or_indexed_slices convert_n_to_tensor_or_indexed_slices
    internal_convert_to_tensor_or_indexed_slices internal_convert_n_to_tensor_or_indexed_slices
tensorflow.python.framework.tensor_conversion: convert_to_tensor_v2
tensorflow.python.framework.tensor_conversion_registry: register_tensor_conversion_function
[tensorflow.python.framework.graph_util]
tensorflow.python.framework.convert_to_constants: convert_variables_to_constants
[tensorflow.python.ops.array_ops]
tensorflow.python.ops.array_ops_stack: stack unstack
[tensorflow.python.ops.standard_ops]
tensorflow.python.ops.array_ops_stack: stack unstack
[tensorflow.python.ops.math_ops]
tensorflow.python.ops.bincount_ops: bincount_v1
tensorflow.python.ops.special_math_ops: bessel_i0e bessel_i1e
[tensorflow.python.ops.nn]
tensorflow.python.ops.rnn: bidirectional_dynamic_rnn dynamic_rnn raw_rnn static_rnn static_state_saving_rnn
tensorflow.python.ops: rnn_cell
[tensorflow.python.ops.control_flow_ops]
tensorflow.python.ops.cond: cond cond_for_tf_v2
tensorflow.python.ops.while_loop: while_loop while_loop_v2
tensorflow.python.ops.control_flow_case: case case_v2
tensorflow.python.ops.control_flow_switch_case: switch_case
tensorflow.python.ops.control_flow_assert: Assert
[tensorflow.python.ops.variables]
tensorflow.python.ops.variable_v1: VariableV1 is_variable_initialized
tensorflow.python.ops.ref_variable: RefVariable default_variable_creator
[tensorflow.python.ops.variable_scope]
tensorflow.python.ops.ref_variable: default_variable_creator
tensorflow.python.ops.resource_variables_toggle:
    enable_resource_variables disable_resource_variables resource_variables_enabled
tensorflow.python.ops.variable_v1: variable=VariableV1
[tensorflow.python.ops.resource_variable_ops]
tensorflow.python.ops.ref_variable: _from_proto_fn _to_proto_fn
[tensorflow.python.ops.random_ops]
tensorflow.python.ops.random_crop_ops: random_crop
[tensorflow.python.util.nest]
tensorflow.python.util.nest: is_sequence=is_nested
[tensorflow.python.data.util.nest]
tensorflow.python.data.util.nest: is_sequence=is_nested
[tensorflow.python.training.checkpoint_management]
tensorflow.python.checkpoint.checkpoint_management:
    CheckpointManager checkpoint_exists generate_checkpoint_state_proto get_checkpoint_mtimes
    get_checkpoint_state latest_checkpoint meta_graph_filename remove_checkpoint update_checkpoint_state
    update_checkpoint_state_internal
[tensorflow.python.pywrap_tensorflow]
tensorflow.python.training.py_checkpoint_reader: NewCheckpointReader
[tensorflow.python.layers.layers]
tensorflow.compat.v1.layers: BatchNormalization batch_normalization
[tensorflow.python.layers.normalization]
tensorflow.compat.v1.layers: BatchNormalization batch_normalization
[tensorflow.python.data.ops.dataset_ops]
tensorflow.python.data.ops.options: Options
[tensorflow.python.feature_column.feature_column_v2]
tensorflow.python.feature_column.feature_column_v2_types: FeatureColumn
[tensorflow.python.eager.def_function]
tensorflow.python.eager.polymorphic_function.polymorphic_function: Function
"""),
    **{
        module: {'estimator_lab.tf1._hooks': 'CheckpointInputPipelineHook'}
        for module in (
            'tensorflow.python.data.experimental.ops.iterator_ops',
            'tensorflow.python.data.experimental',
            'tensorflow._api.v2.data.experimental',
            'tensorflow._api.v2.compat.v1.data.experimental',
            'tensorflow._api.v2.compat.v2.data.experimental',
        )
    },
}


def sources_of(module: str) -> Sequence[str]:
    """Returns the modules that have the contents of the old module now; none if it is unknown."""
    if module in MODULES:
        return MODULES[module]
    for old, new in PACKAGES.items():
        if module == old or module.startswith(f'{old}.'):
            return [new + module.removeprefix(old)]
    return []


def new_names(module: str) -> dict[str, tuple[str, str]]:
    """Returns {old name: (new module, new name)} for the names that have left `module`."""
    found = {}
    for new, names in NAMES.get(module, {}).items():
        for name in names.split():
            old, _, renamed = name.partition('=')
            found[old] = (new, renamed or old)
    return found
