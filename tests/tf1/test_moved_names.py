"""Old names of TensorFlow that lead to their objects, and messages for names that are missing."""

import importlib
import sys
import types

import pytest

from estimator_lab.tf1 import tf
from estimator_lab.tf1.finder import Finder, Forwarder
from estimator_lab.tf1.moved_names import MODULES, NAMES, new_names

pytestmark = [pytest.mark.both, pytest.mark.trains]

# Old modules, with functions and classes that each defined in TensorFlow 1.15, or 2.x if it is younger.
CONTENTS = {
    'tensorflow.core.profiler.protobuf.xplane_pb2': 'XSpace',
    'tensorflow.python.data.experimental.ops.distribute_options': 'DistributeOptions AutoShardPolicy',
    'tensorflow.python.data.experimental.ops.optimization_options': 'OptimizationOptions',
    'tensorflow.python.data.experimental.ops.threading_options': 'ThreadingOptions',
    'tensorflow.python.distribute.distribution_strategy_context': 'get_replica_context has_strategy',
    'tensorflow.python.eager.profiler': 'start stop',
    'tensorflow.python.eager.profiler_client': 'monitor',
    'tensorflow.python.estimator.canned.dnn': 'DNNClassifier DNNRegressor',
    'tensorflow.python.estimator.canned.head': '_multi_class_head_with_softmax_cross_entropy_loss',
    'tensorflow.python.estimator.canned.linear': 'LinearClassifier',
    'tensorflow.python.estimator.estimator': 'Estimator WarmStartSettings',
    'tensorflow.python.estimator.estimator_lib': 'Estimator LinearClassifier RunConfig',
    'tensorflow.python.estimator.export.export_output': 'PredictOutput',
    'tensorflow.python.estimator.inputs.numpy_io': 'numpy_input_fn',
    'tensorflow.python.estimator.inputs.queues.feeding_functions': '_enqueue_data',
    'tensorflow.python.estimator.keras': 'model_to_estimator',
    'tensorflow.python.estimator.model_fn': 'EstimatorSpec',
    'tensorflow.python.estimator.run_config': 'RunConfig TaskType',
    'tensorflow.python.estimator.training': 'TrainSpec train_and_evaluate',
    'tensorflow.python.estimator.util': 'fn_args',
    'tensorflow.python.ops.losses.loss_reduction': 'ReductionV2',
    'tensorflow.python.platform.parameterized': 'parameters TestCase',
    'tensorflow.python.tpu.error_handling': 'ErrorRendezvous',
    'tensorflow.python.tpu.tpu_config': 'TPUConfig RunConfig InputPipelineConfig',
    'tensorflow.python.tpu.tpu_context': 'TPUContext',
    'tensorflow.python.tpu.tpu_estimator': 'TPUEstimator TPUEstimatorSpec',
    'tensorflow.python.tpu.util': 'check_positive_integer parse_iterations_per_loop',
    'tensorflow.python.training.distribute': 'get_strategy StrategyExtendedV2',
    'tensorflow.python.training.distribution_strategy_context': 'get_replica_context has_strategy',
    'tensorflow.python.training.gen_training_ops': 'resource_apply_adam apply_momentum',
    'tensorflow.python.training.saving.functional_saver': 'MultiDeviceSaver',
    'tensorflow.python.training.tracking.base': 'Trackable no_automatic_dependency_tracking',
    'tensorflow.python.training.tracking.data_structures': 'List NoDependency wrap_or_unwrap',
    'tensorflow.python.training.tracking.graph_view': 'ObjectGraphView',
    'tensorflow.python.training.tracking.layer_utils': 'is_layer has_weights',
    'tensorflow.python.training.tracking.python_state': 'PythonState',
    'tensorflow.python.training.tracking.tracking': 'AutoTrackable CapturableResource Asset',
    'tensorflow.python.training.tracking.util': 'Checkpoint TrackableSaver',
    'tensorflow.python.training.training_ops': 'resource_apply_adam apply_momentum',
}
# Packages, a module of native code and one of an alias, which define nothing themselves.
WITHOUT_OWN_NAMES = {
    'tensorflow.core.profiler.protobuf',
    'tensorflow.python.pywrap_tensorflow_internal',
    'tensorflow.python.tpu.async_checkpoint',
    'tensorflow.python.training.tracking',
}
# Module: old name and the name of its object.
RENAMED_IN_1_0 = {
    'tensorflow.compat.v1': ''
    'neg:neg mul:multiply sub:subtract inv:reciprocal pack:stack unpack:unstack select:where '
    'listdiff:setdiff1d complex_abs:abs batch_matmul:matmul batch_cholesky:cholesky '
    'batch_cholesky_solve:cholesky_solve batch_svd:svd batch_self_adjoint_eig:self_adjoint_eig '
    'batch_self_adjoint_eigvals:self_adjoint_eigvals batch_fft:fft batch_fft2d:fft2d batch_fft3d:fft3d '
    'batch_ifft:ifft batch_ifft2d:ifft2d batch_ifft3d:ifft3d batch_matrix_set_diag:matrix_set_diag '
    'batch_matrix_band_part:matrix_band_part batch_matrix_transpose:matrix_transpose '
    'batch_matrix_determinant:matrix_determinant batch_matrix_inverse:matrix_inverse '
    'batch_matrix_solve:matrix_solve batch_matrix_triangular_solve:matrix_triangular_solve '
    'batch_matrix_solve_ls:matrix_solve_ls batch_matrix_diag:matrix_diag '
    'batch_matrix_diag_part:matrix_diag_part scalar_summary:scalar histogram_summary:histogram '
    'audio_summary:audio image_summary:image merge_summary:merge merge_all_summaries:merge_all',
    'tensorflow._api.v2.compat.v1.train': ''
    'SummaryWriter:FileWriter SyncReplicasOptimizerV2:SyncReplicasOptimizer',
    'tensorflow._api.v2.compat.v1.nn': ''
    'rnn:static_rnn bidirectional_rnn:static_bidirectional_rnn deconv2d:conv2d_transpose '
    'state_saving_rnn:static_state_saving_rnn',
    'tensorflow._api.v2.compat.v1.image': 'per_image_whitening:per_image_standardization',
}
# Old names whose objects have another name today.
OTHER_NAMES = {
    **{
        (f'{package}.python.estimator.canned.{kind}', f'_{kind}_logit_fn_builder'): f'{kind}_logit_fn_builder'
        for package in ('tensorflow', 'tensorflow_estimator')
        for kind in ('dnn', 'linear')
    },
    ('tensorflow.python.ops.nn', 'rnn_cell'): 'tensorflow.python.ops.rnn_cell',
    ('tensorflow.python.ops.variable_scope', 'variable'): 'VariableV1',
    ('tensorflow.python.util.nest', 'is_sequence'): 'is_nested',
    ('tensorflow.python.data.util.nest', 'is_sequence'): 'is_nested',
    **{
        (module, old): new
        for module, pairs in RENAMED_IN_1_0.items()
        for old, new in (pair.split(':') for pair in pairs.split())
    },
}


def test_the_contents_of_each_old_module_are_stated():
    assert MODULES.keys() <= CONTENTS.keys() | WITHOUT_OWN_NAMES


@pytest.mark.parametrize('module', CONTENTS)
def test_each_old_module_has_its_names(module):
    loaded = importlib.import_module(module)
    for name in CONTENTS[module].split():
        assert getattr(loaded, name).__name__ == name


def test_packages_lead_to_modules():
    from tensorflow.core.profiler.protobuf import xplane_pb2
    from tensorflow.python import pywrap_tensorflow_internal
    from tensorflow.python.training.tracking import base

    assert isinstance(xplane_pb2, types.ModuleType)
    assert isinstance(pywrap_tensorflow_internal, types.ModuleType)
    assert base.Trackable.__module__ == 'tensorflow.python.trackable.base'


@pytest.mark.parametrize('module', NAMES)
def test_each_old_name_leads_to_the_object_of_that_name(module):
    """Functions and classes state their own name, independently of our tables."""
    found = {name: getattr(importlib.import_module(module), name).__name__ for name in new_names(module)}
    assert found == {name: OTHER_NAMES.get((module, name), name) for name in found}


def test_private_names_of_the_estimator_work_under_its_old_place_too():
    from tensorflow.python.estimator.canned.dnn import _dnn_logit_fn_builder
    from tensorflow.python.estimator.canned.linear import _linear_logit_fn_builder

    assert _dnn_logit_fn_builder is tf.estimator.experimental.dnn_logit_fn_builder
    assert _linear_logit_fn_builder is tf.estimator.experimental.linear_logit_fn_builder


def test_existing_names_are_never_replaced(tmp_path, monkeypatch):
    (tmp_path / 'with_a_name.py').write_text('here = 1\ndef __getattr__(name): return len(name)\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    finder = Finder()
    monkeypatch.setattr(sys, 'meta_path', [finder, *sys.meta_path])
    finder.answer('with_a_name', lambda name: 'ours')
    ours = {'with_a_name', 'without_a_file'}
    finder.supply('with', lambda name: Forwarder(['json']) if name in ours else None)
    try:
        module = importlib.import_module('with_a_name')
        assert (module.here, module.other) == (1, 5)
        assert importlib.import_module('without_a_file').dumps(1) == '1'
    finally:
        for name in ours:
            sys.modules.pop(name, None)


def test_keras_has_a_version(run_forked):
    """In a process of its own, as other tests load Keras in other ways."""
    done = run_forked('-c', 'from estimator_lab.tf1 import tf\nprint(tf.keras.__version__)')
    assert done.stdout.startswith('2.'), done.stderr


def test_keras_layers_have_apply(graph):
    ones = tf.keras.layers.Dense(2, kernel_initializer='ones').apply(tf.ones([1, 3]))
    dropped = tf.keras.layers.Dropout(0.5).apply(tf.ones([1, 3]), training=False)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run([ones, dropped])[0].tolist() == [[3.0, 3.0]]
    assert tf.layers.Dense(2).apply(ones).shape[1] == 2


@pytest.mark.parametrize(
    'path', ['metrics.AUC', 'losses.BinaryCrossentropy', 'optimizers', 'summary.create_file_writer']
)
def test_a_name_of_tensorflow_2_says_what_to_import(path):
    holder, _, name = path.rpartition('.')
    holder = getattr(tf, holder) if holder else tf
    assert not hasattr(holder, name)
    with pytest.raises(AttributeError, match=rf'^tf\.{path} is .*`import estimator_lab\.tf1` above it'):
        getattr(holder, name)


def test_a_name_of_tensorflow_1_in_the_estimator_of_2_says_where_it_is():
    estimator = importlib.import_module('tensorflow').estimator
    if hasattr(estimator, 'inputs'):
        pytest.skip('this TensorFlow has both')
    with pytest.raises(AttributeError, match=r'write tf\.compat\.v1\.estimator\.inputs\.$|no attribute'):
        _ = estimator.inputs


@pytest.mark.parametrize('kind', ['string', object])
def test_text_columns_of_pandas(kind, graph):
    pandas = pytest.importorskip('pandas')
    column = pandas.Series(['red', 'blue'], dtype=kind)
    inputs = tf.estimator.inputs
    frame = pandas.DataFrame({'a': column})
    of_frame = inputs.pandas_input_fn(frame, shuffle=False)()
    of_array = inputs.numpy_input_fn({'a': column.values}, shuffle=False)()
    with tf.train.MonitoredSession() as session:
        found = session.run([of_frame['a'], of_array['a']])
    assert [each.tolist() for each in found] == [[b'red', b'blue']] * 2
    assert frame['a'].dtype == column.dtype


@pytest.mark.parametrize('path', ['gfile.Exists', 'layers.dense', 'logging.info', 'python_io.TFRecordWriter'])
def test_modules_of_the_tensorflow_1_api_can_be_imported(path):
    """Transformer-XL has `from tensorflow.gfile import Exists`."""
    module, _, name = path.partition('.')
    found = importlib.import_module(f'tensorflow.{module}')
    try:
        assert getattr(found, name) is getattr(getattr(tf, module), name)
        assert not hasattr(found, 'no_such_name')
    finally:
        del sys.modules[f'tensorflow.{module}']
        delattr(sys.modules['tensorflow'], module)
