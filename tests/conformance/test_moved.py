"""Names that left TensorFlow after 2.15, or moved within it since 1.15."""

import importlib
import threading

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import line, run, slope_estimator, slope_model_fn, tf2

pytestmark = pytest.mark.filterwarnings('ignore::estimator_lab.tf1.MovedName')


def test_python_estimator():
    """tensorflow.python.estimator and the modules below it have the names of tensorflow_estimator's."""
    from tensorflow.python.estimator import estimator, run_config
    from tensorflow.python.estimator.canned import dnn, head
    from tensorflow.python.estimator.export.export_output import PredictOutput
    from tensorflow.python.estimator.inputs.queues import feeding_functions
    from tensorflow.python.estimator.keras import model_to_estimator

    assert estimator.Estimator is tf.estimator.Estimator
    assert run_config.RunConfig is tf.estimator.RunConfig
    assert dnn.DNNClassifier is tf.estimator.DNNClassifier
    assert head._binary_logistic_head_with_sigmoid_cross_entropy_loss
    assert PredictOutput is tf.estimator.export.PredictOutput
    assert callable(feeding_functions._enqueue_data) and callable(model_to_estimator)


@pytest.mark.parametrize('name', ['training_ops', 'gen_training_ops'])
def test_training_ops(name):
    """tensorflow.python.training.training_ops updates variables by an optimizer's kernel."""
    module = importlib.import_module(f'tensorflow.python.training.{name}')
    variable = tf.get_variable('v', [], initializer=tf.ones_initializer(), use_resource=True)
    step = module.resource_apply_gradient_descent(variable.handle, 0.5, 1.0)
    assert run(variable, before=[step]) == 0.5


@pytest.mark.parametrize('name', ['tpu_config', 'tpu_estimator', 'tpu_context', 'error_handling', 'util'])
def test_tpu_modules(name):
    """tensorflow.python.tpu's modules for TPUEstimator have the names of tensorflow_estimator's."""
    module = importlib.import_module(f'tensorflow.python.tpu.{name}')
    source = importlib.import_module(f'tensorflow_estimator.python.estimator.tpu.{name}')
    public = [each for each in vars(source) if not each.startswith('_')]
    assert public
    assert all(getattr(module, each) is getattr(source, each) for each in public)


def test_async_checkpoint(tmp_path):
    """tensorflow.python.tpu.async_checkpoint's hook writes every n steps, and finishes by the end."""
    from tensorflow.python.tpu import async_checkpoint

    hook = async_checkpoint.AsyncCheckpointSaverHook(str(tmp_path), save_steps=2)
    assert isinstance(hook, tf.train.CheckpointSaverHook)
    model = slope_estimator(tmp_path)
    model.train(line(), steps=5, hooks=[hook])
    saved = tf.train.get_checkpoint_state(str(tmp_path)).all_model_checkpoint_paths
    assert saved[-1].endswith('model.ckpt-5')
    assert tf.train.load_variable(saved[-1], 'global_step') == 5
    assert not [each for each in threading.enumerate() if each.name == 'checkpoint']


def test_profiler(tmp_path):
    """tensorflow.python.eager.profiler records one profile at a time and saves it for TensorBoard."""
    from tensorflow.python.eager import profiler

    with profiler.Profiler(str(tmp_path)), pytest.raises(profiler.ProfilerAlreadyRunningError):
        profiler.start()
    (trace,) = tmp_path.glob('plugins/profile/*/local.trace')
    assert trace.stat().st_size > 0
    assert list(tmp_path.glob('events*.profile-empty'))
    with pytest.raises(profiler.ProfilerNotRunningError):
        profiler.stop()


def test_profiler_client(tmp_path):
    """tensorflow.python.eager.profiler_client raises where no profiler answers."""
    from tensorflow.python.eager import profiler_client

    with pytest.raises((tf.errors.UnavailableError, RuntimeError), match='connect'):
        profiler_client.monitor('localhost:1', 1)


def test_input_pipeline_hook(tmp_path):
    """CheckpointInputPipelineHook resumes training where its input stopped, in each API."""
    seen = []

    def model_fn(features, labels, mode):
        spec = slope_model_fn({'x': features}, features, mode, {})
        watch = tf.train.SessionRunHook()
        watch.before_run = lambda context: tf.train.SessionRunArgs(features)
        watch.after_run = lambda context, values: seen.extend(values.results)
        return spec._replace(training_hooks=[watch])

    def input_fn():
        return tf.data.Dataset.range(10).map(lambda n: tf.cast(n, tf.float32)).batch(1)

    config = tf.estimator.RunConfig(log_step_count_steps=None)
    model = tf.estimator.Estimator(model_fn, str(tmp_path), config)
    for _ in range(2):
        model.train(input_fn, steps=3, hooks=[tf.data.experimental.CheckpointInputPipelineHook(model)])
    assert seen == [0, 1, 2, 3, 4, 5]
    assert (tmp_path / 'checkpoint_input').exists()
    hook = tf.data.experimental.CheckpointInputPipelineHook
    assert tf2.data.experimental.CheckpointInputPipelineHook is hook
    with pytest.raises(ValueError, match='no such policy'):
        hook(model, external_state_policy='no such policy')


def test_tracking():
    """tensorflow.python.training.tracking has the classes of object-based checkpoints."""
    from tensorflow.python.training.tracking import base, data_structures, tracking, util

    thing = tracking.AutoTrackable()
    thing.values = [tf.get_variable('v', [])]
    assert isinstance(thing, base.Trackable)
    assert isinstance(thing.values, data_structures.List)
    assert util.Checkpoint(thing=thing)


def test_moved_names():
    """Names that moved between TensorFlow's modules are available where 1.15 had them."""
    from tensorflow.python.framework import ops
    from tensorflow.python.ops import array_ops, control_flow_ops, variables
    from tensorflow.python.training import checkpoint_management
    from tensorflow.python.util import nest

    class Pair:
        def __init__(self, *parts):
            self.parts = parts

    ops.register_tensor_conversion_function(
        Pair, lambda value, dtype=None, name=None, as_ref=False: tf.stack(value.parts)
    )
    total = control_flow_ops.cond(
        tf.constant(True), lambda: tf.reduce_sum(Pair(1.0, 2.0)), lambda: tf.constant(0.0)
    )
    stacked = array_ops.stack([total, total])
    assert isinstance(stacked, ops.Tensor)
    assert nest.is_sequence([1]) and not nest.is_sequence(1)
    assert issubclass(variables.RefVariable, variables.VariableV1)
    assert checkpoint_management.latest_checkpoint('/no/such/folder') is None
    assert np.array_equal(run(stacked), [3, 3])
