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
}
# Where something else is needed.
ELSEWHERE = (
    *('AttributeError: tf.estimator.BoostedTrees', 'uses tf.estimator.DNNClassifier', 'ERROR: No matching'),
    *('ValueError: decay', 'NotImplementedError in', 'ValueError: Please provide a TPU', 'Tensorflow 1 is'),
    *('`type(x)', 'UnimplementedError', "ModuleNotFoundError: No module named 'distutils'"),
    "ModuleNotFoundError: No module named 'pkg_resources'",
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


def test_each_name_of_tensorflow_1_works_here():
    names = re.findall(
        r"^### AttributeError: module 'tensorflow(?:\._api\.v2\.?)?([\w.]*)' .+ '(\w+)'$", PAGE, re.M
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
