"""Where the names of tf.contrib come from, and what is said of those that are not there."""

import importlib
import importlib.util
import sys

import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.contrib import _modules
from estimator_lab.contrib._gone import NAMES as GONE
from estimator_lab.contrib._gone import PACKAGES as GONE_PACKAGES
from estimator_lab.contrib._names import NAMES
from estimator_lab.tf1 import tf

HAS_SLIM = importlib.util.find_spec('tf_slim') is not None


@pytest.mark.parametrize('package', NAMES)
def test_each_name_of_the_table_is_found(package):
    module = importlib.import_module(f'tensorflow.contrib.{package}')
    for name in _modules.names_in(package):
        assert getattr(module, name) is not None, name


def test_contrib_is_one_module_under_each_name():
    import tensorflow
    import tensorflow.contrib
    import tensorflow.contrib.layers as layers
    from tensorflow.contrib import training

    assert (
        tf.contrib is tensorflow.contrib is tensorflow.compat.v1.contrib is sys.modules['tensorflow.contrib']
    )
    assert layers is tf.contrib.layers
    assert training.HParams is tf.contrib.training.HParams
    assert 'layers' in dir(tf.contrib) and 'fully_connected' in dir(layers)


def test_names_are_those_of_tensorflow_where_it_has_them():
    contrib = tf.contrib
    assert contrib.tpu.TPUEstimator is tf.estimator.tpu.TPUEstimator
    assert contrib.rnn.LSTMCell is tf.nn.rnn_cell.LSTMCell
    assert contrib.data.AUTOTUNE == tf.data.experimental.AUTOTUNE
    assert contrib.data.map_and_batch is tf.data.experimental.map_and_batch
    assert contrib.framework.get_or_create_global_step is tf.train.get_or_create_global_step
    assert contrib.framework.nest.flatten([[1], 2]) == [1, 2]
    assert contrib.framework.nest.is_sequence([1])
    assert contrib.distribute.DistributeConfig
    assert contrib.cluster_resolver.TPUClusterResolver is tf.distribute.cluster_resolver.TPUClusterResolver


def test_dimensions_have_values_as_in_version_1(run_python):
    shape = 'print(tf.TensorShape([None, 3])[1].value, tf.executing_eagerly())'
    done = run_python('-c', f'from estimator_lab.tf1 import tf\nimport estimator_lab.contrib\n{shape}')
    assert done.stdout == '3 True\n', done.stderr
    back = 'tf.enable_v2_tensorshape()\nprint(tf.TensorShape([None, 3])[1] * 2)'
    done = run_python('-c', f'from estimator_lab.tf1 import tf\nimport estimator_lab.contrib\n{back}')
    assert done.stdout == '6\n', done.stderr


def test_the_compiler_and_modules_of_tpus():
    from tensorflow.contrib.compiler import jit, xla
    from tensorflow.contrib.tpu.proto import compilation_result_pb2
    from tensorflow.contrib.tpu.python.tpu import session_support, tpu_context, util

    assert tf.contrib.compiler.jit.experimental_jit_scope is jit.experimental_jit_scope
    assert xla.compile and compilation_result_pb2.CompilationResultProto
    assert session_support.WorkerHeartbeatManager and tpu_context._get_tpu_context
    assert util.check_positive_integer(1, 'one') is None
    assert tf.contrib.summary.all_summary_ops is tf.summary.all_v2_summary_ops


def test_paths_below_python():
    from tensorflow.contrib.cluster_resolver.python.training import tpu_cluster_resolver
    from tensorflow.contrib.layers.python.layers import layers as inner
    from tensorflow.contrib.opt.python.training.weight_decay_optimizers import AdamWOptimizer
    from tensorflow.contrib.tpu.python.tpu import tpu_config, tpu_estimator
    from tensorflow.contrib.training.python.training import hparam
    from tensorflow.contrib.training.python.training.hparam import HParams

    assert hparam.HParams is HParams is tf.contrib.training.HParams
    assert tpu_estimator.TPUEstimator is tf.estimator.tpu.TPUEstimator
    assert tpu_config.TPUConfig is tf.estimator.tpu.TPUConfig
    assert inner.fully_connected is tf.contrib.layers.fully_connected
    assert tpu_cluster_resolver.TPUClusterResolver
    assert AdamWOptimizer is tf.contrib.opt.AdamWOptimizer
    assert tf.contrib.layers.python.layers.initializers.xavier_initializer


@pytest.mark.parametrize(
    ('path', 'words'),
    [
        ('seq2seq', 'tensorflow-addons'),
        ('crf.CrfForwardRnnCell', 'crf_log_norm'),
        ('layers.embedding_column', 'tf.feature_column'),
        ('learn.Experiment', 'train_and_evaluate'),
        ('tpu.keras_to_tpu_model', 'TPUStrategy'),
        ('opt.NadamOptimizer', 'Nadam'),
        ('opt.LARSOptimizer', 'MomentumOptimizer'),
        ('losses.metric_learning', 'TripletSemiHardLoss'),
        ('rnn.no_such_cell', 'ended with TensorFlow 1'),
        ('layers.python.layers.sparse_column_with_keys', 'tf.feature_column'),
        ('no_such_package', 'ended with TensorFlow 1'),
    ],
)
def test_a_name_that_is_not_here_says_so_in_one_sentence(path, words):
    *before, last = path.split('.')
    module = importlib.import_module('.'.join(['tensorflow.contrib', *before]))
    assert not hasattr(module, last)
    with pytest.raises(AttributeError) as caught:
        getattr(module, last)
    said = str(caught.value)
    assert said.startswith('tf.contrib.') and last in said and words in said
    assert said.endswith('.') and '\n' not in said


@pytest.mark.parametrize(
    'line', ['import tensorflow.contrib.seq2seq', 'from tensorflow.contrib import seq2seq']
)
def test_importing_what_is_not_here_says_so_too(line):
    with pytest.raises(ImportError, match=r'^tf\.contrib\.seq2seq is not here: .*\.$'):
        exec(line)


def test_nothing_is_said_to_be_gone_that_is_here():
    assert not GONE_PACKAGES.keys() & set(_modules.names_in(''))
    for package, names in GONE.items():
        assert not names.keys() & set(_modules.names_in(package)), package


@pytest.mark.skipif(HAS_SLIM, reason='tf-slim is installed')
def test_without_tf_slim_its_names_say_what_to_install():
    for path in ('layers.conv2d', 'framework.arg_scope', 'slim'):
        package, _, name = path.rpartition('.')
        module = importlib.import_module(f'tensorflow.contrib.{package}'.rstrip('.'))
        with pytest.raises(AttributeError, match=r'pip install tf-slim\.$'):
            getattr(module, name)
    with pytest.raises(ImportError, match=r'pip install tf-slim\.$'):
        importlib.import_module('tensorflow.contrib.slim')


@pytest.mark.skipif(not HAS_SLIM, reason='tf-slim is not installed')
def test_with_tf_slim_the_layers_take_its_defaults():
    import tensorflow.contrib.slim as slim
    from tensorflow.contrib.slim.nets import resnet_v1

    framework, layers = tf.contrib.framework, tf.contrib.layers
    with tf.Graph().as_default():
        frozen = [layers.fully_connected, layers.conv2d]
        with framework.arg_scope(frozen, activation_fn=None, trainable=False):
            layers.fully_connected(layers.flatten(layers.conv2d(tf.ones([1, 4, 4, 1]), 2, 3)), 3)
        assert len(tf.global_variables()) == 4 and not tf.trainable_variables()
        assert framework.get_model_variables() == tf.global_variables()
    assert slim.conv2d is layers.conv2d
    assert resnet_v1.resnet_v1_50 is slim.nets.resnet_v1.resnet_v1_50


def test_contrib_is_there_for_those_who_ask_only(run_python):
    code = """
import sys
from estimator_lab.tf1 import tf
assert not hasattr(tf, 'contrib')
import estimator_lab.contrib
tf.contrib
loaded = [name for name in sys.modules if name.startswith('estimator_lab.contrib.')]
assert sorted(loaded) == ['estimator_lab.contrib.' + name for name in ('_gone', '_modules', '_names')], loaded
assert 'tensorflow_estimator' not in sys.modules or tf.__version__ < '2.16'
"""
    done = run_python('-c', code)
    assert done.returncode == 0, done.stderr
