"""Under `run`, all ways to write Keras lead to one."""

import ast

import pytest

from estimator_lab.tf1.one_keras import with_one_keras

pytestmark = pytest.mark.both

SPELLINGS = """
import numpy as np
import keras
import tensorflow as tf
import tensorflow.python.keras.layers
import tensorflow.python.keras as a
from tensorflow.python import keras as b
from tensorflow.python.keras._impl.keras.layers import Dense as c
from tensorflow.python.keras.layers.core import Dense as d
from tensorflow.keras.layers import Dense as e
from tensorflow.contrib.keras import layers as f
from tensorflow.contrib.keras.api.keras.layers import Dense as g
from keras.layers import Dense as h
from keras.engine.topology import Layer
from tensorflow.python.keras import backend as K, layers
from tensorflow.python.keras.optimizer_v2.adam import Adam
import other

found = [tensorflow.python.keras.layers.Dense, tf.python.keras.layers.Dense, a.layers.Dense, b.layers.Dense]
found += [c, d, e, f.Dense, g, h, keras.layers.Dense, other.Dense]
print([each for each in found if each is not tf.keras.layers.Dense])
print(issubclass(tf.keras.layers.Dense, Layer), Adam is tf.keras.optimizers.Adam)
session = tf.Session()
K.set_session(session)
print(tf.keras.backend.get_session() is session, keras.backend.get_session() is session)
x = tf.keras.layers.Input([4])
model = tf.keras.models.Model(x, layers.Dense(2)(x))
print(model.predict(np.ones([1, 4])).shape, layers.CuDNNLSTM(3)(layers.Input([5, 4])).shape)
"""
# No other name of TensorFlow 1.
SMALL = """
import numpy as np
from tensorflow.python.keras.callbacks import ModelCheckpoint
from tensorflow.python.keras.layers import Dense
from tensorflow.python.keras.models import Sequential, load_model

model = Sequential([Dense(3, input_shape=(4,)), Dense(1)])
model.compile('adam', 'mse')
x = np.ones([16, 4])
model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[ModelCheckpoint('x.hdf5', save_weights_only=True)])
model.save_weights('w.h5')
model.save('rk.h5')
print(np.array_equal(load_model('rk.h5').predict(x), model.predict(x)))
"""
NEW = """
import tensorflow as tf
from tensorflow.python.keras import layers

print(tf.function and layers.LSTM is tf.keras.layers.LSTM, tf.executing_eagerly())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ('text', 'lines'),
    [
        (SPELLINGS, ['[]', 'True True', 'True True', '(1, 2) (?, 3)']),
        (SMALL, ['True']),
        (NEW, ['True True']),
    ],
)
def test_a_program_has_one_keras(run_forked, tmp_path, monkeypatch, text, lines):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'program.py').write_text(text)
    (tmp_path / 'other.py').write_text('from keras.layers import Dense\n')
    done = run_forked('-m', 'estimator_lab.run', str(tmp_path / 'program.py'))
    assert done.stdout.splitlines() == lines, done.stderr


@pytest.mark.parametrize(
    'text',
    [
        'import tensorflow.python.keras_other, tensorflow.python.keras_2.backend as K',
        'from tensorflow.python import framework',
        'from .keras import layers',
        'x.keras',
    ],
)
def test_what_stays(text):
    assert ast.unparse(with_one_keras(ast.parse(text), with_keras=True)) == text


def test_a_name_that_keras_lacks(run_forked, tmp_path):
    (tmp_path / 'program.py').write_text('from tensorflow.python.keras.layers import Nix\n')
    done = run_forked('-m', 'estimator_lab.port', str(tmp_path / 'program.py'))
    assert f'{tmp_path}/program.py:1: tf.python.keras.layers.Nix is not in TensorFlow 2.' in done.stdout
