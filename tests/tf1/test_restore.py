"""Restoring tf.estimator; each test starts its own interpreter, because the order of imports matters."""

import re

import pytest

from estimator_lab.tf1 import tf

NATIVE = tf.__version__.startswith('2.15.')
restored_only = pytest.mark.skipif(NATIVE, reason='TensorFlow 2.15 has its own Estimator')


def check(run_python, code, **environment):
    done = run_python('-c', code, **environment)
    assert done.returncode == 0, done.stderr
    return done


def test_every_way_to_name_estimator(run_python):
    check(
        run_python,
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


def test_the_whole_api_is_there(run_python):
    done = check(
        run_python,
        """
from estimator_lab.tf1 import tf
import tensorflow as tf2
print(len([n for n in dir(tf.estimator) if not n.startswith('_')]))
print(len([n for n in dir(tf2.estimator) if not n.startswith('_')]))
""",
    )
    # As counted on TensorFlow 2.15.1 with its built-in Estimator.
    assert done.stdout.split() == ['57', '55']


@restored_only
def test_nothing_is_loaded_before_estimator_is_touched(run_python):
    check(
        run_python,
        """
import sys
from estimator_lab.tf1 import tf
assert 'tensorflow_estimator' not in sys.modules
tf.estimator.Estimator
assert 'tensorflow_estimator' in sys.modules
""",
    )


@pytest.mark.parametrize('first', ['tensorflow', 'keras', 'tensorflow.compat.v2'])
def test_tensorflow_or_keras_may_be_imported_before(run_python, first):
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
tf.estimator.Estimator, estimator.Estimator
""",
    )


@restored_only
def test_keras_3_users_are_told_but_not_broken(run_python):
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
def test_what_tensorflow_deleted_refuses_in_one_sentence(run_python):
    check(
        run_python,
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
from estimator_lab.process import hide_import_messages
hide_import_messages()
"""
# What TensorFlow 2.21 prints before it reads its log level.
NATIVE_LINE = re.compile('WARNING: All log messages before absl::|[IW]0000 00:00:')


def test_training_in_a_users_program_prints_no_notes(run_python):
    done = check(run_python, TRAIN)
    assert done.stdout == ''
    assert [line for line in done.stderr.splitlines() if not NATIVE_LINE.match(line)] == []


def test_training_in_a_command_prints_nothing(run_python):
    done = check(run_python, COMMAND + TRAIN)
    assert done.stdout == done.stderr == ''


def test_notes_are_shown_on_request(run_python):
    done = check(run_python, COMMAND + TRAIN, TF_CPP_MIN_LOG_LEVEL='0')
    assert 'deprecated' in done.stderr
    assert 'oneDNN' in done.stderr or 'cpu_feature_guard' in done.stderr


def test_importing_starts_no_process_and_leaves_tensorflow_alone(run_python):
    """In a user's program: one import finder, no process, no patched class, descriptor 2 untouched."""
    code = """
import os, sys
shells, moved, dup2 = [], [], os.dup2
def note(name, arguments):  # TensorFlow itself runs `uname -p`
    if name == 'subprocess.Popen' and 'uname' not in arguments[0]:
        shells.append(arguments[0])
sys.addaudithook(note)
os.dup2 = lambda *descriptors: moved.append(descriptors) or dup2(*descriptors)
import estimator_lab.tf1
assert not shells and not moved, (shells, moved)
ours = [each for each in sys.meta_path if type(each).__module__.startswith('estimator_lab')]
assert len(ours) == 1, ours
from tensorflow.python.client import session
from tensorflow.python.summary.writer import event_file_writer as events
from tensorflow.python.training import saver
functions = (saver.Saver.save, session.BaseSession.__init__, events.EventFileWriter._initialize,
             events._EventLoggerThread.run)
for function in functions:
    assert 'estimator_lab' not in function.__code__.co_filename, function
"""
    check(run_python, code)


def test_a_failing_import_prints_what_was_hidden(run_python):
    code = """
import os
from estimator_lab import process
process.hide_import_messages()
with process.importing_tensorflow():
    os.write(2, b'native words')
    import missing_module
"""
    done = run_python('-c', code)
    assert done.returncode == 1
    assert 'native words' in done.stderr and 'missing_module' in done.stderr


NATIVE_WORDS = """
import os
from estimator_lab.process import hushed
with hushed():
    os.write(2, b'native words')
    {end}
"""


def test_a_native_abort_prints_what_was_hidden(run_python):
    done = run_python('-c', NATIVE_WORDS.format(end='os.abort()'))
    assert done.returncode < 0
    assert 'native words' in done.stderr


def test_an_interrupt_prints_nothing(run_python):
    done = run_python('-c', NATIVE_WORDS.format(end='raise KeyboardInterrupt'))
    assert done.returncode and 'KeyboardInterrupt' in done.stderr and 'native words' not in done.stderr


def test_hidden_text_is_discarded_on_success(run_python):
    done = check(run_python, NATIVE_WORDS.format(end="os.write(1, b'reached')"))
    assert (done.stdout, done.stderr) == ('reached', '')


def test_without_a_temporary_file_nothing_is_hidden(run_python):
    code = """
import os, tempfile
from estimator_lab.process import hushed
def refuse(*arguments, **more):
    raise FileNotFoundError('no place')
os.memfd_create = tempfile.mkstemp = refuse
with hushed():
    os.write(2, b'native words')
"""
    assert check(run_python, code).stderr == 'native words'


def test_importing_the_package_alone_does_not_import_tensorflow(run_python):
    check(run_python, "import sys, estimator_lab; assert 'tensorflow' not in sys.modules")
