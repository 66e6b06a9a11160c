"""docs/messages.md says what TensorFlow, NumPy and Python really print."""

import json
import re

import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf
from tests.support.places import ROOT

PAGE = (ROOT / 'docs/messages.md').read_text()
HEADINGS = re.findall(r'^### (.+)$', PAGE, re.MULTILINE)
V1 = 'import tensorflow.compat.v1 as tf; '
GRAPH = f'{V1}g = tf.Graph().as_default(); g.__enter__(); x = tf.placeholder(tf.int32, [None, 3]); '
FLAGS = 'from absl import flags; F = flags.FlagValues(); '
# The beginning of a heading that does not say itself what raises it: a line that does.
LINES = {
    "ImportError: cannot import name 'estimator_training'": (
        'import tensorflow_estimator.python.estimator.estimator_lib'
    ),
    'RuntimeError: tf.placeholder()': f'{V1}tf.placeholder(tf.float32)',
    'RuntimeError: The Session graph': f'{V1}tf.Session().run(1)',
    'RuntimeError: v1.summary.FileWriter': f'{V1}tf.summary.FileWriter("x")',
    'RuntimeError: tf.gradients': 'import tensorflow as tf; tf.gradients(tf.constant(1.0), tf.constant(1.0))',
    'AttributeError: Tensor.name': 'import tensorflow as tf; tf.constant(1).name',
    "AttributeError: 'int' object has no attribute 'value'": (
        'import tensorflow as tf; tf.zeros([2]).shape[0].value'
    ),
    'TypeError: Field tensorflow.TensorShapeProto': f'{V1}tf.Graph().as_default().__enter__(); '
    'tf.TensorShape([1, True]).as_proto()',
    'TypeError: Field tensorflow.Int64List': 'import tensorflow as tf; tf.train.Int64List(value=[True])',
    'ValueError: Failed to convert a NumPy array': 'import tensorflow as tf, numpy as np; '
    'tf.convert_to_tensor(np.array([[1], [1, 2]], dtype=object))',
    "TypeError: object of type 'SparseTensor'": 'import tensorflow as tf; '
    'len(tf.sparse.SparseTensor([[0, 0]], [1.0], [2, 2]))',
    'AttributeError: `dense`': f'{V1}tf.layers.dense',
    'AttributeError: `batch_normalization`': f'{V1}tf.layers.batch_normalization',
    'AttributeError: `LSTMCell`': f'{V1}tf.nn.rnn_cell.LSTMCell',
    'ValueError: File format not supported': 'import tensorflow as tf; tf.keras.models.load_model("/")',
    'TypeError: only 0-dimensional': 'import numpy as np; int(np.array([3]))',
    'ValueError: setting an array element': 'import numpy as np; np.zeros(2)[0:1].put(0, np.ones([1])); '
    'a = np.zeros(2); a[0] = np.ones(1)',
    'ValueError: Unable to avoid copy': 'import numpy as np; np.array([1], copy=False)',
    'ValueError: The binary mode': 'import numpy as np; np.fromstring(b"a", np.uint8)',
    "AttributeError: 'numpy.ndarray' object has no attribute 'tostring'": (
        'import numpy as np; np.ones(1).tostring()'
    ),
    "AttributeError: 'numpy.ndarray' object has no attribute 'ptp'": 'import numpy as np; np.ones(1).ptp()',
    "AttributeError: 'numpy.ndarray' object has no attribute 'itemset'": (
        'import numpy as np; np.ones(1).itemset(1)'
    ),
    'TypeError: quantile()': 'import numpy as np; np.quantile([1], 0.5, interpolation="lower")',
    'TypeError: arrays to stack': 'import numpy as np; np.vstack(map(np.ones, [1]))',
    'OverflowError': 'import numpy as np; np.array([-1], np.uint8)',
    "AttributeError: 'FreeTypeFont'": 'from PIL import ImageFont; ImageFont.load_default(10).getsize("x")',
    'TypeError: Population': 'import random; random.sample({1}, 1)',
    'ValueError: `labels.shape.rank`': f'{GRAPH}tf.nn.sparse_softmax_cross_entropy_with_logits(x, x)',
    'ValueError: Dimensions must': f'{GRAPH}tf.raw_ops.Mul(x=tf.zeros([16]), y=tf.zeros([12]))',
    'NotImplementedError: Cannot convert': f'{GRAPH}import numpy; numpy.sqrt(x)',
    'UnrecognizedFlagError': f'{FLAGS}F(["x", "-f", "y"])',
    'DuplicateFlagError': f'{FLAGS}[flags.DEFINE_bool("n", 1, "", flag_values=F) for _ in "ab"]',
    "TypeError: Input 'predictions'": f'{GRAPH}import tensorflow; '
    'tensorflow.nn.in_top_k(tf.zeros([2, 3]), tf.zeros([2], tf.int64), 1)',
    'TypeError: Descriptors': 'from google.protobuf import descriptor; '
    'descriptor.FieldDescriptor("", "", 0, 1, 9, 9, 1, False, "", None, None, None, False, None)',
    'SyntaxError': "print 'x'",
    'NameError': 'xrange(1)',
    'RuntimeError: generator': 'def f():\n    yield\n    raise StopIteration\nlist(f())',
    "AttributeError: 'dict'": '{}.iteritems()',
    "AttributeError: 'str'": '"".decode("utf-8")',
    'TypeError: a bytes-like': 'import pickle; pickle.load(open(__import__("os").devnull))',
    'TypeError: argument should': 'b"".index("")',
    'UnicodeDecodeError': 'import pickle; pickle.loads(b"S\'\\\\xe9\'\\n.")',
    "TypeError: 'float'": 'range(4 / 2)',
    'TypeError: object of': 'len(map(str, []))',
    "TypeError: 'dict_keys'": '{}.keys()[0]',
    'ValueError: Object arrays': 'import io, numpy as np; f = io.BytesIO(); '
    'np.save(f, np.array([{}], object)); f.seek(0); np.load(f)',
    'TypeError: load()': 'import yaml; yaml.load("")',
}
# Where something else is needed.
ELSEWHERE = (
    *('AttributeError: tf.estimator.BoostedTrees', 'uses tf.estimator.DNNClassifier', 'ERROR: No matching'),
    *('ValueError: decay', 'NotImplementedError in', 'ValueError: Please provide a TPU', 'Tensorflow 1 is'),
    *('`type(x)', 'UnimplementedError', "ModuleNotFoundError: No module named 'distutils'"),
    "ModuleNotFoundError: No module named 'pkg_resources'",
    *("ImportError: cannot import name 'core_rnn", 'ImportError: cannot import name rnn_cell'),
    *('TypeError: Expected int32', 'ValueError: Only call', 'NotFoundError: Key', 'TypeError: unsupported'),
    'AttributeError: tf.contrib.learn.monitors',
    *('ValueError: Variable', 'ValueError: Tensor Tensor', 'FailedPrecondition', 'InvalidArgument'),
    *('OutOfRangeError', "AttributeError: 'Tensor'", "AttributeError: 'DataFrame'"),
)
PATTERNS = {
    r"AttributeError: module '([\w.]+)' has no attribute '(\w+)'": 'import {0} as module; module.{1}',
    r"ModuleNotFoundError: No module named '([\w.]+)'": 'import {0}',
    r"ImportError: cannot import name '(\w+)' from '([\w.]+)'": 'from {1} import {0}',
}
PROVOKE = """
import json, sys, warnings
warnings.simplefilter('ignore')
found = []
for line in json.loads(sys.argv[1]):
    try:
        exec(line, {})
        found.append('nothing')
    except BaseException as error:
        found.append(f'{type(error).__name__}: {error}')
print(json.dumps(found))
"""


def line_for(heading):
    """Returns a line of Python that raises what a heading says."""
    for beginning, line in LINES.items():
        if heading.startswith(beginning):
            return line
    for pattern, line in PATTERNS.items():
        if match := re.fullmatch(pattern, heading):
            return line.format(*match.groups())
    raise AssertionError(f'nothing here raises {heading!r}')


@pytest.mark.slow
@pytest.mark.skipif(not tf.__version__.startswith('2.21.'), reason='messages are those of the newest version')
def test_each_message_is_what_is_printed(run_python):
    pytest.importorskip('scipy')
    checked = [heading for heading in HEADINGS if not heading.startswith(ELSEWHERE)]
    lines = [line_for(heading) for heading in checked]
    done = run_python('-c', PROVOKE, json.dumps(lines), TF_CPP_MIN_LOG_LEVEL='3')
    printed = json.loads(done.stdout.splitlines()[-1])
    wrong = {
        heading: text
        for heading, text in zip(checked, printed, strict=True)
        if not text.startswith(heading.rstrip('.'))
    }
    assert not wrong


# The beginnings of headings whose answers begin with "`run` cures it": what a program then may do.
CURED = {
    "ImportError: cannot import name 'core_rnn_cell_impl'": (
        'from tensorflow.contrib.rnn.python.ops.core_rnn_cell_impl import GRUCell'
    ),
    'ImportError: cannot import name rnn_cell': 'from tensorflow.python.ops.rnn_cell import GRUCell',
    "ModuleNotFoundError: No module named 'keras.engine'": 'from keras.engine.topology import Layer',
    "ImportError: cannot import name 'np_utils'": 'from keras.utils import np_utils',
    "AttributeError: 'Tensor' object": 'import keras; x = keras.layers.Input([3]); '
    'tf.keras.models.Model(x, tf.reduce_sum(tf.keras.layers.Dense(1)(x)))',
    "AttributeError: 'str' object": 'from keras.models import *; m = Sequential([keras.layers.Dense(1)]); '
    'm.build([1, 1]); m.save(__file__ + ".h5"); load_model(__file__ + ".h5")',
    'NameError': 'xrange(unicode is str)',
    'RuntimeError: generator': 'def f():\n    yield\n    raise StopIteration\nlist(f())',
    "ModuleNotFoundError: No module named 'cPickle'": 'import cPickle',
    "AttributeError: 'dict' object": '{}.iteritems(), {}.has_key(1)',
}


@pytest.mark.slow
def test_run_cures_what_the_page_says(run_forked, tmp_path):
    cured = re.findall(r'^### (.+)\n\n`run` cures', PAGE, re.MULTILINE)
    assert len(cured) == len(CURED) and all(each.startswith(tuple(CURED)) for each in cured), cured
    path = tmp_path / 'program.py'
    path.write_text('\n'.join(['import tensorflow as tf', *CURED.values(), 'print(tf.placeholder)']))
    done = run_forked('-m', 'estimator_lab.run', str(path))
    assert 'function placeholder' in done.stdout, done.stderr


def test_each_name_of_tensorflow_1_works_here():
    names = re.findall(
        r"^### AttributeError: module 'tensorflow(?:\._api\.v2\.?)?([\w.]*)' .+ '([a-zA-Z]\w+)'$", PAGE, re.M
    )
    assert len(names) > 50
    for module, name in names:
        holder = tf
        for part in filter(None, module.split('.')):
            holder = getattr(holder, part)
        assert hasattr(holder, name), (module, name)


@pytest.mark.parametrize('name', sorted(set(re.findall(r'^In TensorFlow 2: .*?`(tf\.[\w.]+)', PAGE, re.M))))
def test_each_name_of_tensorflow_2_exists(name):
    holder = tf.compat.v2
    for part in name.split('.')[1:]:
        holder = getattr(holder, part)


def test_each_heading_is_whole_and_has_an_answer():
    assert len(set(HEADINGS)) == len(HEADINGS)
    for section in PAGE.split('\n### ')[1:]:
        heading, blank, answer, *_ = section.split('\n')
        assert not blank and answer and not answer.startswith('#'), heading
