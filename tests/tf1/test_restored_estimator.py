"""Restoring tf.estimator; each test has its own process, because the order of imports matters.

`run_forked` is for programs that import `estimator_lab.tf1` first.
"""

import importlib.util

import pytest

from estimator_lab.tf1 import tf

pytestmark = [pytest.mark.both, pytest.mark.trains]

NATIVE = tf.__version__.startswith('2.15.')
restored_only = pytest.mark.skipif(NATIVE, reason='TensorFlow 2.15 has its own Estimator and Keras 2')


def check(run_python, code, **environment):
    done = run_python('-c', code, **environment)
    assert done.returncode == 0, done.stderr
    return done


def test_every_way_to_name_estimator(run_forked):
    check(
        run_forked,
        """
import estimator_lab.tf1
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.compat.v1 import estimator
from tensorflow.compat.v1.estimator import Estimator
import tensorflow.compat.v1.compat.v1.estimator as far
from tensorflow.compat.v1.compat.v1.estimator.experimental import KMeans
import tensorflow.compat.v1.estimator as module
from tensorflow import estimator as v2
from tensorflow.estimator import RunConfig
assert estimator.Estimator is Estimator is v1.estimator.Estimator is module.Estimator
assert tf.compat.v1.estimator.Estimator is Estimator is far.Estimator
assert tf.estimator.RunConfig is RunConfig is v2.RunConfig
assert tf.compat.v2.estimator.RunConfig is RunConfig
assert tf.estimator.Estimator is not Estimator  # the v2 class
assert issubclass(tf.estimator.Estimator, Estimator)
""",
    )


def test_the_api_is_complete_and_loaded_at_its_first_use(run_forked):
    done = check(
        run_forked,
        """
import sys
from estimator_lab.tf1 import tf
import tensorflow as tf2
assert 'tensorflow_estimator' not in sys.modules or tf.__version__.startswith('2.15.')
print(len([n for n in dir(tf.estimator) if not n.startswith('_')]))
print(len([n for n in dir(tf2.estimator) if not n.startswith('_')]))
""",
    )
    # As counted on TensorFlow 2.15.1 with its built-in Estimator.
    assert done.stdout.split() == ['57', '55']


@pytest.mark.slow
@pytest.mark.parametrize('first', ['tensorflow', 'keras'])
def test_tensorflow_or_keras_may_be_imported_first(run_python, first):
    check(
        run_python,
        f"""
import {first}
from estimator_lab.tf1 import tf
from tensorflow.keras.layers import Dense
assert Dense is tf.keras.layers.Dense
with tf.Graph().as_default():
    assert tf.layers.dense(tf.zeros([2, 3]), 4).shape == [2, 4]
    assert tf.nn.rnn_cell.LSTMCell(3).state_size.c == 3
from tensorflow.compat.v2 import estimator
"""
        + TRAIN_ONE_STEP,
    )


@pytest.mark.slow
@restored_only
def test_users_of_keras_3_are_warned_and_keep_it(run_python):
    done = check(
        run_python,
        """
import tensorflow
tensorflow.keras.layers.Dense(3)
from estimator_lab.tf1 import tf
assert tensorflow.keras.__name__.startswith('keras._tf_keras')
tensorflow.keras.layers.Dense(3)
try:
    tf.estimator.Estimator
except ImportError as error:
    assert 'already Keras 3' in str(error), error
else:
    raise AssertionError('Estimator with Keras 3')
""",
    )
    assert 'UserWarning: tf.keras is already Keras 3' in done.stderr


@restored_only
def test_deleted_classes_raise_one_sentence(run_forked):
    check(
        run_forked,
        """
from estimator_lab.tf1 import tf
tf.estimator.tpu.TPUEstimator
from tensorflow.python.tpu import tpu_embedding, session_support
assert not hasattr(tpu_embedding, '__wrapped__')
removed = tpu_embedding.TPUEmbedding, session_support.ShutdownAllWorkers, tf.tpu.experimental.AdamParameters
for make in removed:
    try:
        make(1, x=2)
    except NotImplementedError as error:
        assert make.__name__ in str(error) and 'deleted in TensorFlow 2.16' in str(error)
    else:
        raise AssertionError(make)
assert tpu_embedding.TPUEmbedding is tpu_embedding.TPUEmbedding
""",
    )


TRAIN = """
import tempfile
import numpy as np
from estimator_lab.tf1 import tf

def model_fn(features, labels, mode):
    hidden = tf.layers.dropout(tf.layers.dense(features['x'], 4), training=True)
    outputs = tf.layers.dense(hidden, 1)
    loss = tf.losses.mean_squared_error(labels, outputs)
    step = tf.train.get_global_step()
    train_op = tf.train.AdamOptimizer().minimize(loss, step)
    metrics = {'mae': tf.metrics.mean_absolute_error(labels, outputs)}
    return tf.estimator.EstimatorSpec(mode, outputs, loss, train_op, metrics)

x = np.ones([32, 3], np.float32)
def input_fn():
    return tf.estimator.inputs.numpy_input_fn({'x': x}, x[:, :1], 8, shuffle=False)()

with tempfile.TemporaryDirectory() as folder:
    # The step counter warns, on all versions, that the step stands still when quick steps are read early.
    config = tf.estimator.RunConfig(log_step_count_steps=None)
    estimator = tf.estimator.Estimator(model_fn, folder, config)
    estimator.train(input_fn)
    assert estimator.evaluate(input_fn)['global_step'] == 4
    columns = [tf.feature_column.numeric_column('x', 3)]
    canned = tf.estimator.DNNRegressor([4], columns, folder + '/canned', config=config)
    canned.train(input_fn)
    assert len(list(canned.predict(input_fn))) == 32
"""


COMMAND = """
from estimator_lab.base.process import hide_optional_packages
hide_optional_packages()
"""


def test_training_prints_nothing(run_python):
    done = check(run_python, TRAIN)
    assert done.stdout == done.stderr == ''


@pytest.mark.slow
def test_errors_of_native_code_alone_are_shown_at_level_2(run_python):
    done = check(run_python, TRAIN, TF_CPP_MIN_LOG_LEVEL='2')
    assert all(line.startswith('E0000 ') or ': E ' in line for line in done.stderr.splitlines())


@pytest.mark.slow
def test_a_command_shows_notes_on_request_and_loads_no_packages_for_other_kinds_of_data(run_python):
    look = """
import sys
assert not {'pandas', 'scipy'} & set(sys.modules)
import scipy.sparse
assert scipy.sparse.issparse(scipy.sparse.eye(2))
"""
    has_scipy = importlib.util.find_spec('scipy') is not None
    done = check(
        run_python, COMMAND + TRAIN + (look if has_scipy and not NATIVE else ''), TF_CPP_MIN_LOG_LEVEL='0'
    )
    assert 'deprecated' in done.stderr
    assert 'oneDNN' in done.stderr or 'cpu_feature_guard' in done.stderr


def test_importing_starts_no_process_and_leaves_tensorflow_alone(run_python):
    """In a user's program: one import finder, no process."""
    code = """
import sys
shells = []
def note(name, arguments):  # TensorFlow itself runs `uname -p`, and TensorFlow 2.15 `lscpu`
    if name == 'subprocess.Popen' and not arguments[0].endswith(('uname', 'lscpu')):
        shells.append(arguments[0])
sys.addaudithook(note)
import estimator_lab.tf1
assert not shells, shells
ours = [each for each in sys.meta_path if type(each).__module__.startswith('estimator_lab')]
assert len(ours) == 1, ours
"""
    check(run_python, code)


def test_importing_the_package_alone_does_not_import_tensorflow(run_python):
    check(run_python, "import sys, estimator_lab; assert 'tensorflow' not in sys.modules")


TRAIN_ONE_STEP = """
import tempfile
import tensorflow.compat.v1 as v1
def model_fn(features, labels, mode):
    w = v1.get_variable('w', [], initializer=v1.zeros_initializer())
    loss = v1.losses.mean_squared_error(labels, w * features['x'])
    step = v1.train.get_global_step()
    return estimator.EstimatorSpec(
        mode, loss=loss, train_op=v1.train.GradientDescentOptimizer(0.1).minimize(loss, step))
data = lambda: v1.data.Dataset.from_tensors(({'x': [1.0]}, [1.0]))
model = estimator.Estimator(model_fn, tempfile.mkdtemp()).train(data)
assert abs(model.get_variable_value('w') - 0.2) < 1e-6
"""


FORMS = """
from estimator_lab.tf1 import tf; estimator = tf.estimator
import estimator_lab.tf1; import tensorflow as tf; estimator = tf.estimator
import estimator_lab.tf1; import tensorflow.compat.v1.estimator as estimator
import estimator_lab.tf1; import tensorflow.compat.v2 as tf; estimator = tf.estimator
import estimator_lab.tf1; import tensorflow_estimator.python.estimator.estimator_lib as estimator
"""


@pytest.mark.slow
@pytest.mark.parametrize('lines', FORMS.strip().splitlines())
def test_each_import_form_trains(run_forked, lines):
    check(run_forked, f'{lines}\n{TRAIN_ONE_STEP}')


@restored_only
def test_keras_3_itself_still_works(run_forked):
    code = """
import numpy, sys
import estimator_lab.tf1
import keras
assert keras.__version__ >= '3'
model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1, kernel_initializer='zeros')])
model.compile('sgd', 'mse')
model.fit(numpy.ones([4, 2]), numpy.ones([4, 1]), verbose=0)
assert model.predict(numpy.ones([1, 2]), verbose=0).shape == (1, 1)
assert keras.ops.sum([1.0, 2.0]) == 3
assert 'tensorflow_estimator' not in sys.modules
from estimator_lab.tf1 import tf
tf.estimator.Estimator
assert keras.ops.sum([1.0, 2.0]) == 3
assert model.predict(numpy.ones([1, 2]), verbose=0).shape == (1, 1)
"""
    assert 'Warning: tf.keras' not in check(run_forked, code).stderr


@restored_only
def test_a_name_of_keras_3_in_tf_keras_says_how_to_import_it(run_forked):
    code = """
import estimator_lab.tf1
import tensorflow as tf
for api in tf.keras, tf.compat.v1.keras:
    assert not hasattr(api, 'ops')
    try:
        api.ops
    except AttributeError as error:
        print(error)
"""
    done = run_forked('-c', code)
    sentence = (
        "tf.keras has no attribute 'ops': with estimator_lab.tf1 it is Keras 2, as TF1 programs need; "
        'Keras 3 is `import keras`.'
    )
    assert done.stdout.splitlines() == [sentence] * 2, done.stderr


@pytest.mark.slow
@restored_only
def test_only_the_restored_names_change(run_python, run_forked):
    """The API and the behaviour of TensorFlow are the same with and without the import."""
    look = """
import tensorflow as tf
for api in tf, tf.compat.v1:
    print(sorted(name for name in dir(api) if not name.startswith('_') and name != 'estimator'))
print(tf.executing_eagerly(), tf.compat.v1.resource_variables_enabled())
print(tf.compat.v1.control_flow_v2_enabled(), tf.Variable(1.0).numpy(), tf.get_logger().level)
"""
    plain = check(run_python, look, TF_USE_LEGACY_KERAS='1')
    assert check(run_forked, 'import estimator_lab.tf1' + look).stdout == plain.stdout
