"""What is found, and what is not, one form of code at a time."""

import json

import pytest

from estimator_lab import port
from tests.commands import invoke

ONE_LINE = 'from estimator_lab.tf1 import tf\n'


@pytest.fixture
def found(tmp_path, capsys):
    """Returns the (line, remedy) of each place that the command finds in a program."""

    def find(text):
        file = tmp_path / 'program.py'
        file.write_text(text)
        status = invoke(port, '--json', str(file))
        out, err = capsys.readouterr()
        assert (status, err) == (0, '')
        return [(place['line'], place['remedy']) for place in json.loads(out)]

    return find


@pytest.mark.parametrize(
    ('program', 'remedy'),
    [
        (
            'import tensorflow.compat.v1 as tf\ntf.estimator.Estimator',
            'write `import estimator_lab.tf1` above it',
        ),
        (
            'from tensorflow.compat import v1 as tf\ntf.estimator.Estimator',
            'write `import estimator_lab.tf1`',
        ),
        ('import tensorflow.compat.v1 as tf\ntf.layers.dense', 'write `import estimator_lab.tf1` above it'),
        ('import tensorflow as tf\ntf.keras.experimental.LinearModel', 'above the first import'),
        ('from tensorflow import estimator as e\ne.Estimator', 'write `import estimator_lab.tf1` once'),
        ('from tensorflow.python.estimator import model_fn', 'write `import estimator_lab.tf1` once'),
        ('from tensorflow.compat.v1.keras.layers import Dense', 'write `import estimator_lab.tf1` once'),
        ('from tensorflow.keras.experimental import LinearModel', 'above the first import'),
        ('from tensorflow import gfile', 'write `from tensorflow.compat.v1 import ...`'),
        (
            'from tensorflow import nn\nnn.rnn_cell.LSTMCell(3)',
            'write `from tensorflow.compat.v1 import ...`',
        ),
        (
            'import tensorflow.compat.v1 as tf\ntf.summary.create_file_writer, tf.keras.Model',
            'keep `import tensor',
        ),
        ('from tensorflow import placeholder, Session', 'write `from tensorflow.compat.v1 import ...`'),
        ('import numpy as np\nnp.zeros(3).tostring()', 'write .tobytes()'),
        ('len(map(int, names))', 'write list(map(...))'),
        ('layers = map(int, names)\nprint(layers[0])', 'write list(map(...))'),
        ('import numpy as np\nnp.array(zip(a, b))', 'write list(map(...))'),
        ('import numpy as np\nnp.sum(x for x in range(3))', 'use the builtin sum'),
        ('def f(tf, x, n):\n    return tf.reshape(x, [-1, n / 2])', 'write a // b'),
        ('half = size / 2\nfor i in range(half): pass', 'write a // b'),
        ('x[: n / 2]', 'write a // b'),
        ('import yaml\nyaml.load(open("f"))', 'write yaml.safe_load'),
        ('lines = iter(x)\nlines.next()', 'write next(iterator)'),
        ('names.values().remove(3)', 'write list(....keys())'),
        ('keys = names.keys()\nkeys.sort()', 'write list(....keys())'),
        ('from tensorflow.keras.wrappers.scikit_learn import KerasClassifier', 'scikeras'),
        ('import tensorflow_model_analysis as tfma\ntfma.export.export_eval_savedmodel', 'tfma.ModelSpec'),
        (
            'import estimator_lab.tf1\nimport tensorflow as tf\n'
            'tf.estimator.DNNClassifier([4], [], optimizer=lambda: tf.keras.optimizers.Adam())',
            'tf.keras.optimizers.legacy',
        ),
        ('import sys\nsys.setdefaultencoding("utf-8")', "see What's New"),
        ('import itertools\nitertools.izip', 'modernize'),
        (
            f'{ONE_LINE}x = tf.placeholder(tf.float32)\ndef serving_input_fn():\n    pass',
            'tf.disable_v2_behavior()',
        ),
    ],
)
def test_what_is_found(found, program, remedy):
    assert any(remedy in text for _, text in found(program)), program


@pytest.mark.parametrize(
    'program',
    [
        pytest.param(
            f'{ONE_LINE}def serving_input_receiver_fn():\n    x = tf.placeholder(tf.float32, [None])\n'
            '    return tf.estimator.export.ServingInputReceiver(x, x)',
            id='a placeholder of a receiver',
        ),
        pytest.param(
            f'{ONE_LINE}def inputs():\n    return tf.placeholder(tf.float32)\n'
            'def build(features, labels, mode):\n    inputs()',
            id='a placeholder that a model function makes',
        ),
        pytest.param(
            f'{ONE_LINE}with tf.Graph().as_default(), tf.Session() as session:\n    pass',
            id='a graph of its own',
        ),
        pytest.param(
            'import estimator_lab.contrib\nfrom tensorflow.contrib.tensorboard.plugins import projector\n'
            'projector.ProjectorConfig()',
            id='the projector',
        ),
        pytest.param('import six\nif six.PY2 and isinstance(x, unicode): pass', id='six.PY2 and'),
        pytest.param(
            'import sys\nx = unicode(y) if sys.version_info[0] < 3 else y', id='a conditional expression'
        ),
        pytest.param(
            'try:\n    import cPickle as pickle\nexcept ImportError:\n    import pickle', id='a fallback'
        ),
        pytest.param('from typing import *\nfrom abc import *', id='everything of a module'),
        pytest.param('from six.moves import xrange\nfor i in xrange(3): pass', id='six.moves'),
        pytest.param(
            'import tensorflow as tf\nif tf.__version__ >= "2.0":\n    tf = tf.compat.v1\n'
            'def f(x): return tf.losses.huber_loss(x, 1)',
            id='compat.v1 for TensorFlow 2',
        ),
        pytest.param(
            'from tensorflow.compiler.tf2xla.python import xla\nxla.replica_id()', id='a module of TensorFlow'
        ),
        pytest.param(
            'import tensorflow.compat.v1 as tf\ntf.losses.huber_loss', id='compat.v1 without an Estimator'
        ),
        pytest.param('import tensorflow as tf\ntf.io.gfile.exists("x")', id='TensorFlow 2'),
        pytest.param('from __future__ import division\nx[: int(n / 2)], range(n / 2)', id='true division'),
        pytest.param('x[: n / 2.0], int(n / 2), tf.reshape(x, [n // 2])', id='other divisions'),
        pytest.param(
            'for a, b in zip(x, y): pass\nz = dict(map(f, x))\nlen(d.keys())', id='iterators as they are'
        ),
        pytest.param('values = hparams.values()\nvalues["rate"]', id='values by name'),
        pytest.param('range(n / tf.cast(m, tf.float32)), x[: 2.0 * n / m]', id='divisions of floats'),
        pytest.param('class Reader:\n    def next(self): pass\nReader().next()', id='a method next'),
        pytest.param(
            'import yaml\nyaml.load(f, Loader=yaml.SafeLoader), yaml.load(f, yaml.Loader)', id='a Loader'
        ),
        pytest.param(
            'import xml.etree.ElementTree as E\nE.tostring(x), x.tostring("utf-8")', id='other tostring'
        ),
        pytest.param('import numpy as np\nnp.sum([x for x in y]), sum(x for x in y)', id='sums'),
        pytest.param(
            'import estimator_lab.contrib\nimport tensorflow as tf\ntf.contrib.layers.flatten',
            id='only contrib',
        ),
        pytest.param('path = "\\d"\n', id='an escape that Python warns of'),
    ],
)
def test_what_is_no_finding(found, program):
    assert found(program) == []


FLAGS = """\
import tensorflow.compat.v1 as tf
from tensorflow.python.platform import flags
from tensorflow.python.platform.flags import FLAGS as ALSO
from absl import flags as absl_flags
tf.flags.DEFINE_string('folder', '', 'help')
tf.app.flags.DEFINE_integer('steps', 1, 'help')
FLAGS = tf.flags.FLAGS
print(FLAGS.folder, tf.app.flags.FLAGS.steps, flags.FLAGS.steps, ALSO.steps, absl_flags.FLAGS.steps)
print(tf.flags.FLAGS.__flags, tf.flags.FLAGS.no_such_flag, hasattr(tf.flags.FLAGS, 'folder'))
"""


def test_flags_are_left_alone(found):
    from absl import flags

    before = set(flags.FLAGS), flags.FLAGS.is_parsed()
    assert found(FLAGS) == []
    assert (set(flags.FLAGS), flags.FLAGS.is_parsed()) == before


@pytest.mark.parametrize(
    'statement', ['print "x"', 'raise ValueError, "x"', 'x = `y`', 'x <> y', 'exec "x"', '0777']
)
def test_python_2(found, statement):
    ((line, remedy),) = found(f'import os\n{statement}\n')
    assert line == 2 and 'python-modernize' in remedy


@pytest.mark.parametrize('statement', ['x = (', 'def f(:', '{% if x %}', 'x = 1 +', 'async = 3'])
def test_a_syntax_error_of_every_version(found, statement):
    ((_, remedy),) = found(f'import os\n{statement}\n')
    assert remedy == 'correct the line'
