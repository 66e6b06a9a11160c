"""Every way to write the import, each in an interpreter of its own, and what an import leaves alone."""

import pytest

from estimator_lab.tf1 import tf

NATIVE = tf.__version__.startswith('2.15.')
restored_only = pytest.mark.skipif(NATIVE, reason='TensorFlow 2.15 has its own Estimator and Keras 2')

TRAIN = """
import tempfile
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

V1 = 'import tensorflow.compat.v1 as v1\n'
FORMS = {
    'one line': """
from estimator_lab.tf1 import tf
estimator, v1 = tf.estimator, tf
""",
    'tensorflow': """
import estimator_lab.tf1
import tensorflow as tf
estimator, v1 = tf.estimator, tf.compat.v1
""",
    'tensorflow.compat.v1 as tf': """
import estimator_lab.tf1
import tensorflow.compat.v1 as tf
estimator, v1 = tf.estimator, tf
""",
    'attribute of compat': """
import estimator_lab.tf1
import tensorflow as tf
estimator, v1 = tf.compat.v1.estimator, tf.compat.v1
""",
    'from compat.v1': V1
    + """
import estimator_lab.tf1
from tensorflow.compat.v1 import estimator
""",
    'from compat.v1.estimator': V1
    + """
import types
import estimator_lab.tf1
from tensorflow.compat.v1.estimator import Estimator, EstimatorSpec
estimator = types.SimpleNamespace(Estimator=Estimator, EstimatorSpec=EstimatorSpec)
""",
    'submodule': """
import estimator_lab.tf1
import tensorflow.compat.v1.estimator as estimator
from tensorflow.compat.v1.estimator.experimental import KMeans
from tensorflow.compat.v1.estimator.inputs import numpy_input_fn
import tensorflow.compat.v1 as v1
""",
    'compat.v2': """
import estimator_lab.tf1
import tensorflow.compat.v2 as tf
estimator, v1 = tf.estimator, tf.compat.v1
""",
    'from compat.v2': V1
    + """
import estimator_lab.tf1
from tensorflow.compat.v2 import estimator
""",
    'tensorflow_estimator': """
import estimator_lab.tf1
from tensorflow_estimator.python.estimator import estimator
from tensorflow_estimator.python.estimator.model_fn import EstimatorSpec
estimator.EstimatorSpec = EstimatorSpec
import tensorflow.compat.v1 as v1
""",
    'after tensorflow': """
import tensorflow as tf
import estimator_lab.tf1
estimator, v1 = tf.estimator, tf.compat.v1
""",
}


@pytest.mark.parametrize('form', FORMS)
def test_each_import_form_trains(run_python, form):
    done = run_python('-c', FORMS[form] + TRAIN)
    assert done.returncode == 0, done.stderr


@restored_only
def test_keras_3_itself_stays_whole(run_python):
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
    done = run_python('-c', code)
    assert done.returncode == 0, done.stderr
    assert 'Warning: tf.keras' not in done.stderr


@restored_only
def test_a_name_of_keras_3_in_tf_keras_says_where_keras_3_is(run_python):
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
    done = run_python('-c', code)
    sentence = (
        "tf.keras has no attribute 'ops': with estimator_lab.tf1 it is Keras 2, as TF1 programs need; "
        'Keras 3 is `import keras`.'
    )
    assert done.stdout.splitlines() == [sentence] * 2, done.stderr


@restored_only
def test_nothing_but_the_restored_names_changes(run_python):
    """The API and the behaviour of TensorFlow are the same with and without the import."""
    look = """
import tensorflow as tf
for api in tf, tf.compat.v1:
    print(sorted(name for name in dir(api) if not name.startswith('_') and name != 'estimator'))
print(tf.executing_eagerly(), tf.compat.v1.resource_variables_enabled())
print(tf.compat.v1.control_flow_v2_enabled(), tf.Variable(1.0).numpy(), tf.get_logger().level)
"""
    plain = run_python('-c', look, TF_USE_LEGACY_KERAS='1')
    restored = run_python('-c', 'import estimator_lab.tf1' + look)
    assert plain.returncode == restored.returncode == 0, restored.stderr
    assert restored.stdout == plain.stdout
