"""The objects that the names of tf.contrib lead to, and the messages for missing names."""

import importlib
import importlib.util
import operator
import re
import sys
import types

import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.contrib.modules import names_in
from estimator_lab.contrib.remedies import REMEDIES
from estimator_lab.contrib.sources import SOURCES
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both

# Names whose objects state neither the name of 1.15 nor that of their source.
OTHER_NAMES = {
    'compiler.jit': 'tensorflow.contrib.compiler.jit',
    'compiler.xla': 'tensorflow.contrib.compiler.xla',
    'data.read_batch_features': 'make_batched_features_dataset',
    'distribute.DistributionStrategy': 'Strategy',
    'eager.py_func': 'eager_py_func',
    'tfprof.tfprof_logger': 'tensorflow.python.profiler.tfprof_logger',
    'util.make_ndarray': 'MakeNdarray',
}
if not tf.__version__.startswith('2.15.'):
    OTHER_NAMES['tpu.AsyncCheckpointSaverHook'] = 'CheckpointSaverHook'


@pytest.mark.parametrize('package', SOURCES)
def test_each_name_leads_to_the_object_of_that_name(package):
    """Functions and classes state their own name, independently of our tables."""
    module = importlib.import_module(f'tensorflow.contrib.{package}')
    new_names = {old: new for names in SOURCES[package].values() for old, new in names.items()}
    for name in new_names.keys() - {'*'}:
        value = getattr(module, name)
        if not name.isupper():  # not one of the constants of tf.contrib.eager
            stated = re.sub(r'^_|(V|_v)1$', '', value.__name__)  # tf-slim's own are private
            assert stated in (name, new_names[name], OTHER_NAMES.get(f'{package}.{name}'))


# Objects of another module of TensorFlow that have the same name and do something else.
NAMESAKES = [
    ('data', 'data', 'Dataset FixedLengthRecordDataset TFRecordDataset TextLineDataset'),
    ('eager', '', 'Variable py_func'),
    ('layers', 'layers', 'conv1d conv2d conv2d_transpose conv3d dropout flatten separable_conv2d'),
    ('layers', 'nn', 'avg_pool2d bias_add conv2d dropout max_pool2d separable_conv2d softmax'),
    ('layers', '', 'stack repeat variance_scaling_initializer'),
    ('learn', 'estimator', 'DNNClassifier DNNRegressor Estimator LinearClassifier ModeKeys RunConfig'),
    ('losses', 'losses', 'absolute_difference cosine_distance hinge_loss log_loss softmax_cross_entropy'),
    ('metrics', 'metrics', 'accuracy'),
    ('summary', 'summary', 'audio histogram image scalar'),
    ('tpu', 'estimator', 'RunConfig'),
    ('training', 'data.experimental', 'bucket_by_sequence_length'),
]


@pytest.mark.parametrize(('package', 'place', 'names'), NAMESAKES)
def test_a_name_does_not_lead_to_a_namesake(package, place, names):
    module, others = getattr(tf.contrib, package), operator.attrgetter(place)(tf) if place else tf
    for name in names.split():
        assert getattr(module, name) is not getattr(others, name), name


@pytest.mark.parametrize('package', SOURCES)
def test_dir_has_what_leads_to_an_object(package):
    module = importlib.import_module(f'tensorflow.contrib.{package}')
    assert dir(module) == module.__all__ == names_in(package)
    assert all(hasattr(module, name) for name in dir(module))
    listed = {name for names in SOURCES[package].values() for name in names} - {'*'}
    assert listed <= {*dir(module)} and not any(name.startswith('_') for name in dir(module))


def test_all_names_of_a_package_are_imported_by_a_star():
    names = {}
    exec('from tensorflow.contrib.layers import *', names)
    assert {'fully_connected', 'conv2d', 'batch_norm', 'embed_sequence', 'optimize_loss'} <= names.keys()
    assert not {'array_ops', 'absolute_import', 'shared_embedding_columns'} & names.keys()
    distributions = tf.contrib.distributions
    classes = [name for name in dir(distributions) if isinstance(getattr(distributions, name), type)]
    assert {'Bernoulli', 'Normal', 'Uniform'} < {*classes}


@pytest.mark.parametrize(
    'path',
    [
        *('layers.fully_connected', 'layers.conv2d', 'layers.batch_norm', 'layers.optimize_loss'),
        *('layers.xavier_initializer', 'framework.arg_scope', 'framework.get_model_variables'),
        *('metrics.streaming_pearson_correlation', 'losses.metric_learning.triplet_semihard_loss'),
        *('slim.nets.resnet_v1.resnet_v1_50', 'losses.python.metric_learning.npairs_loss'),
    ],
)
def test_names_of_tf_slim(path):
    found = operator.attrgetter(path)(importlib.import_module('tensorflow.contrib'))
    original = getattr(found, '__wrapped__', found)
    assert original.__module__.startswith('tf_slim.')


def test_tables_of_contrib_lookup(session):
    lookup = tf.contrib.lookup
    index = lookup.index_table_from_tensor(mapping=tf.constant(['a', 'b']), default_value=7)
    key = lookup.index_to_string_table_from_tensor(mapping=tf.constant(['a', 'b']), default_value='?')
    pairs = tf.lookup.KeyValueTensorInitializer(['x'], [5])
    hashed = lookup.HashTable(pairs, default_value=3)
    found = [
        index.lookup(tf.constant(['b', 'c'])),
        key.lookup(tf.constant([1, 2], tf.int64)),
        hashed.lookup(tf.constant(['x', 'y'])),
        lookup.string_to_index_table_from_tensor(['a', 'b']).lookup(tf.constant(['b', 'c'])),
    ]
    session.run(tf.tables_initializer())
    values = [each.tolist() for each in session.run(found)]
    assert values == [[1, 7], [b'b', b'?'], [5, 3], [1, -1]]


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
    assert 'layers' in dir(tf.contrib) and 'embed_sequence' in dir(layers)


def test_whole_modules_are_tensorflows():
    contrib = tf.contrib
    assert contrib.tpu.RunConfig is tf.estimator.tpu.RunConfig
    assert contrib.data.AUTOTUNE == tf.data.experimental.AUTOTUNE
    assert contrib.data.map_and_batch is tf.data.experimental.map_and_batch
    assert contrib.summary.all_summary_ops is tf.summary.all_v2_summary_ops
    assert contrib.framework.nest.flatten([[1], 2]) == [1, 2]
    assert contrib.framework.nest.is_sequence([1])


@pytest.mark.slow
def test_dimensions_have_values_as_in_tensorflow_1(run_forked):
    code = """
from estimator_lab.tf1 import tf
import estimator_lab.contrib
print(tf.TensorShape([None, 3])[1].value, tf.executing_eagerly())
tf.enable_v2_tensorshape()
print(tf.TensorShape([None, 3])[1] * 2)
"""
    done = run_forked('-c', code)
    assert done.stdout.splitlines() == ['3 True', '6'], done.stderr


def test_the_compiler_and_modules_of_tpus():
    from tensorflow.contrib.compiler import jit, xla
    from tensorflow.contrib.tpu.proto import compilation_result_pb2

    assert tf.contrib.compiler.jit.experimental_jit_scope is jit.experimental_jit_scope
    assert xla.compile and compilation_result_pb2.CompilationResultProto


@pytest.mark.parametrize(
    ('path', 'name'),
    [
        ('cluster_resolver.python.training.tpu_cluster_resolver', 'TPUClusterResolver'),
        ('layers.python.layers.initializers', 'xavier_initializer'),
        ('layers.python.layers.layers', 'fully_connected'),
        ('opt.python.training.weight_decay_optimizers', 'AdamWOptimizer'),
        ('tpu.python.tpu.tpu_config', 'TPUConfig'),
        ('tpu.python.tpu.tpu_estimator', 'TPUEstimator'),
        ('training.python.training.hparam', 'HParams'),
    ],
)
def test_paths_below_python(path, name):
    package = getattr(tf.contrib, path.partition('.')[0])
    module = importlib.import_module(f'tensorflow.contrib.{path}')
    assert getattr(module, name) is getattr(package, name)
    assert operator.attrgetter(path)(tf.contrib) is module


@pytest.mark.parametrize(
    ('path', 'words'),
    [
        ('distributions.bijectors', 'tensorflow-probability'),
        ('crf.CrfForwardRnnCell', 'crf_log_norm'),
        ('learn.preprocessing.ByteProcessor', 'numpy.frombuffer'),
        ('layers.shared_embedding_columns', 'tf.feature_column'),
        ('learn.DNNEstimator', 'tf.estimator'),
        ('learn.monitors', 'instead of its ValidationMonitor, tf.estimator.train_and_evaluate'),
        ('learn.python.learn.monitors.ValidationMonitor', 'tf.estimator.train_and_evaluate'),
        ('tpu.keras_to_tpu_model', 'TPUStrategy'),
        ('opt.NadamOptimizer', 'Nadam'),
        ('estimator.SavedModelEstimator', 'tf.saved_model'),
        ('rnn.NASCell', 'tf.nn.rnn_cell.LSTMCell'),
        ('learn.datasets.base.shrink_csv', 'ended with TensorFlow 1'),
        ('rnn.no_such_cell', 'ended with TensorFlow 1'),
        ('layers.python.layers.scattered_embedding_column', 'tf.feature_column'),
        ('no_such_package', 'ended with TensorFlow 1'),
    ],
)
def test_a_missing_name_says_in_one_sentence_what_replaces_it(path, words):
    *before, last = path.split('.')
    module = importlib.import_module('.'.join(['tensorflow.contrib', *before]))
    assert not hasattr(module, last)
    with pytest.raises(AttributeError) as caught:
        getattr(module, last)
    message = str(caught.value)
    assert message.startswith('tf.contrib.') and last in message and words in message
    assert message.endswith('.') and '\n' not in message


def test_a_missing_name_is_not_imported_as_a_module_of_1_15():
    with pytest.raises(
        ImportError, match=r'^tf.contrib.layers.python.*: use the columns of tf.feature_column'
    ):
        from tensorflow.contrib.layers.python.layers import scattered_embedding_column  # noqa: F401
    from tensorflow.contrib.learn.python.learn import monitors

    with pytest.raises(AttributeError, match='stop_if_no_decrease_hook'):
        monitors.ValidationMonitor(every_n_steps=100)


def test_names_that_remedies_mention_exist():
    remedies = ' '.join(remedy for missing in REMEDIES.values() for remedy in missing.values())
    names = set(re.findall(r'\btf(?:\.\w+)+', remedies))
    assert {'tf.nn.rnn_cell.LSTMCell', 'tf.keras.layers.experimental.RandomFourierFeatures'} <= names
    for name in names:
        assert operator.attrgetter(name.removeprefix('tf.'))(tf), name


@pytest.mark.parametrize('name', ['cloud', 'quantize', 'timeseries', 'resampler.python.ops.resampler_ops'])
def test_a_missing_package_can_be_imported_but_not_used(name):
    module = importlib.import_module(f'tensorflow.contrib.{name}')
    assert operator.attrgetter(name)(tf.contrib) is module
    function = module.some_function
    message = rf'^tf\.contrib\.{name}\.some_function is not supported: .*\.$'
    for use in (function, lambda: function.more, lambda: types.resolve_bases([function])):
        with pytest.raises(NotImplementedError, match=message):
            use()
    assert not hasattr(module, '__wrapped__') and not hasattr(function, '__wrapped__')


def test_a_package_that_never_existed_cannot_be_imported():
    with pytest.raises(ImportError, match=r'^tf\.contrib\.no_such is not supported: .*\.$'):
        importlib.import_module('tensorflow.contrib.no_such')


@pytest.mark.parametrize(
    ('path', 'names'),
    [
        ('learn.datasets', 'mnist base'),
        ('learn.python.learn.datasets.mnist', 'read_data_sets DataSet'),
        ('learn.python.learn.datasets', 'base mnist'),
        ('learn.python.learn.learn_runner', 'run'),
        ('learn.python.learn.utils.saved_model_export_utils', 'make_export_strategy'),
        ('learn.python.learn', 'learn_runner Experiment'),
        ('losses.metric_learning', 'triplet_semihard_loss'),
        ('losses.python.metric_learning.metric_loss_ops', 'pairwise_distance'),
        ('tfprof', 'model_analyzer'),
        ('staging', 'StagingArea'),
        ('opt.python.training.lars_optimizer', 'LARSOptimizer'),
        ('rnn.python.ops.rnn_cell', 'LayerNormBasicLSTMCell'),
        ('saved_model.python.saved_model.reader', 'read_saved_model get_saved_model_tag_sets'),
        ('learn.python.learn.learn_io', 'numpy_input_fn'),
    ],
)
def test_modules_of_1_15_have_their_names(path, names):
    module = importlib.import_module(f'tensorflow.contrib.{path}')
    assert all(hasattr(module, name) for name in names.split())


def test_arg_scope_is_a_function_although_its_module_has_the_same_name():
    from tensorflow.contrib.framework.python.ops import arg_scope

    module = importlib.import_module('tensorflow.contrib.framework.python.ops.arg_scope')
    assert arg_scope is module.arg_scope is tf.contrib.framework.arg_scope


def test_arg_scope_sets_defaults_of_layers(graph):
    framework, layers = tf.contrib.framework, tf.contrib.layers
    frozen = [layers.fully_connected, layers.conv2d]
    with framework.arg_scope(frozen, activation_fn=None, trainable=False):
        layers.fully_connected(layers.flatten(layers.conv2d(tf.ones([1, 4, 4, 1]), 2, 3)), 3)
    assert len(tf.global_variables()) == 4 and not tf.trainable_variables()
    assert framework.get_model_variables() == tf.global_variables()
    assert tf.contrib.slim.conv2d is layers.conv2d


def test_nothing_is_loaded_until_it_is_used(run_forked):
    code = """
import sys
import estimator_lab.contrib
from estimator_lab.tf1 import tf
tf.contrib
loaded = [name for name in sys.modules if name.startswith('estimator_lab.contrib.')]
assert [name.rpartition('.')[2] for name in sorted(loaded)] == ['modules', 'remedies', 'sources'], loaded
assert 'tf_slim' not in sys.modules
assert 'tensorflow_estimator' not in sys.modules or tf.__version__ < '2.16'
"""
    done = run_forked('-c', code)
    assert done.returncode == 0, done.stderr


def test_each_import_says_why_contrib_cannot_be_loaded(run_forked):
    code = """
import sys
from estimator_lab.run import adapt_programs
sys.modules['estimator_lab.contrib'] = None
adapt_programs()
for _ in range(2):
    try:
        import tensorflow.contrib
    except ImportError as error:
        print(error)
"""
    done = run_forked('-c', code)
    assert done.stdout.count('estimator_lab.contrib') == 2, done.stdout + done.stderr


def test_metrics_of_eager():
    mean, accuracy = (
        tf.contrib.eager.metrics.Mean('loss', dtype=tf.float32),
        tf.contrib.eager.metrics.Accuracy(),
    )
    assert [float(mean(value)) for value in (1.0, 4.0)] == [1.0, 2.5]
    assert float(accuracy([1, 2, 3, 4], [1, 3, 3, 4])) == 0.75


def test_quantization_names_the_flags_that_avoid_it():
    with pytest.raises(NotImplementedError, match='such as --quantize=False or --quantize_delay_step=-1'):
        tf.contrib.quantize.create_training_graph()
