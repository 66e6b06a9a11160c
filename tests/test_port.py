"""The command that lists what a program will miss under `run`."""

import re

import pytest

from estimator_lab import port
from tests.support.commands import invoke
from tests.support.places import ROOT

pytestmark = pytest.mark.both

PROGRAM = """\
import numpy as np
import tensorflow as tf
from tensorflow.contrib import cloud, tpu as contrib_tpu
from tensorflow.contrib.layers import scattered_embedding_column
from tensorflow.contrib.learn.python.learn import learn_runner
from tensorflow.python.training import training_ops
from tensorflow.python.framework import no_such_module
layers = tf.contrib.layers
try:
    from tensorflow.contrib.no_such import anything
except ImportError:
    anything = None


def model_fn(features, labels, mode, params):
    net = layers.fully_connected(features['x'], features['x'].shape[1].value)
    net = layers.shared_embedding_columns(net)
    cloud.configure_gcs(net)
    tf.contrib.timeseries.ARRegressor
    tf.contrib.rnn.NASCell, tf.contrib.rnn.LSTMBlockCell, tf.contrib.eager.list_devices
    tf.contrib.slim.conv2d, training_ops.resource_apply_adam, np.float
    return contrib_tpu.TPUEstimatorSpec(mode), tf.layers.dense, tf.no_such_name


tf.flags.FLAGS.anything
tf.estimator.inputs.numpy_input_fn, tf.estimator.Estimator.train
tf.estimator.BoostedTreesClassifier
"""
LINES = {
    4: 'tf.feature_column',
    7: 'tf.python.framework.no_such_module is not in TensorFlow',
    17: 'tf.feature_column',
    18: 'need no settings',
    19: 'recurrent network',
    20: 'tf.nn.rnn_cell.LSTMCell',
    22: 'tf.no_such_name is not in TensorFlow',
    27: '2.8',
}


def found_in(capsys, path, status=1):
    """Returns (line, sentence) of each name that the command reports."""
    assert invoke(port, str(path)) == status
    printed = capsys.readouterr().out.splitlines()
    places = [re.fullmatch(r'(.+\.py):(\d+): (.+)', line) for line in printed]
    assert all(place[1].startswith(str(path)) for place in places if place)
    return [(int(place[2]), place[3]) for place in places if place]


def test_each_line_that_misses_a_name_is_listed(tmp_path, capsys):
    file = tmp_path / 'program.py'
    file.write_text(PROGRAM)
    found = found_in(capsys, file)
    assert {line for line, _ in found} == set(LINES)
    assert [text for line, text in found if LINES[line] not in text] == []
    assert found[0][1].startswith('tf.contrib.layers.scattered_')


def test_a_program_of_tensorflow_2_keeps_its_names(tmp_path, capsys):
    (tmp_path / 'two.py').write_text('import tensorflow as tf\ntf.function, tf.keras.Model, tf.metrics.AUC\n')
    assert found_in(capsys, tmp_path, status=0) == []
    (tmp_path / 'one.py').write_text('import tensorflow.compat.v1 as tf\ntf.layers.dense, tf.metrics.AUC\n')
    assert [line for line, _ in found_in(capsys, tmp_path)] == [2]


def test_programs_that_run_miss_nothing(capsys):
    assert invoke(port, str(ROOT / 'tests' / 'contrib' / 'programs')) == 0
    assert capsys.readouterr().out.startswith('No name is missing in ')


OTHERS = """\
import imp, inspect, collections, fractions, base64, time
import numpy as np
from scipy.misc import imread, no_such_reader
from PIL import Image, ImageDraw
from scipy.sparse.linalg.eigen.arpack import eigsh
from tensorflow.examples.tutorials.mnist import input_data, mnist, fully_connected_feed
import tensorflow as tf
from tensorflow.contrib import cluster_resolver
Image.ANTIALIAS, imread, input_data.read_data_sets, np.asscalar, inspect.formatargspec, collections.Mapping
np.no_such_function, time.no_such_clock, Image.no_such_filter, np.sctypes
try:
    np.no_such_name
except AttributeError:
    pass


def main(_):
    cluster = cluster_resolver.TPUClusterResolver(tf.flags.FLAGS.tpu)
    tf.contrib.data.TextLineDataset('a').map(str, num_threads=2)
    if tf.flags.FLAGS.use_tpu:
        tf.contrib.cluster_resolver.TPUClusterResolver(tf.flags.FLAGS.tpu)


if __name__ == '__main__':
    cluster_resolver.TPUClusterResolver()
"""


@pytest.mark.once  # with NumPy 2
def test_names_of_other_packages_and_what_fails_at_run_time(tmp_path, capsys):
    for package in ('scipy', 'PIL'):
        pytest.importorskip(package)
    (tmp_path / 'others.py').write_text(OTHERS)
    found = found_in(capsys, tmp_path)
    assert [line for line, _ in found] == [3, 6, 10, 10, 10, 10, 18, 25]
    texts = [text for _, text in found]
    assert texts[0].startswith('scipy.misc.no_such_reader is not in scipy ')
    assert texts[1].startswith(
        'tf.examples.tutorials.mnist.fully_connected_feed ended with TensorFlow 1: only '
    )
    assert {text.partition(' ')[0] for text in texts[2:6]} == {
        *('`np.sctypes`', 'numpy.no_such_function', 'time.no_such_clock', 'PIL.Image.no_such_filter')
    }
    assert any('NumPy 2.0 release. Access dtypes explicitly' in text for text in texts[2:6])
    assert all('--tpu=local' in text for text in texts[6:])


OWN = """\
import time
import tensorflow as tf
import numpy as np
from tensorflow.contrib import slim
import tensorflow.train as training
tf.model = object()
tf.model.run, tf.shared.anything, tf.layers.dense, training.AdamOptimizer
tf.distribute.cluster_resolver.TPUClusterResolver('')


def started(time, slim):
    return time.no_such_clock(), slim.no_such_layer


def loop(files):
    for np in files:
        np.no_such_method()
    tf.flags.no_such_flag


class Model:
    np = 3

    def __init__(self):
        np.no_such_function, training.NoSuchOptimizer


slim.conv2d
slim = started
slim.not_a_layer()
try:
    import tensorflow.contrib.layers as layers
except ImportError:
    layers = None
layers.no_such_layer
"""


def test_names_that_a_program_assigns_itself_or_binds_again_are_no_names_of_others(tmp_path, capsys):
    (tmp_path / 'a.py').write_text(OWN)
    (tmp_path / 'b.py').write_text('import tensorflow.compat.v1 as tf\ntf.shared = tf.model\n')
    found = found_in(capsys, tmp_path)
    names = ['tf.flags.no_such_flag', 'numpy.no_such_function', 'tf.train.NoSuchOptimizer']
    assert [text.partition(' ')[0] for _, text in found] == [*names, 'tf.contrib.layers.no_such_layer']
    (_, first), *_ = found_in(capsys, tmp_path / 'a.py')
    assert first.startswith('tf.shared is not in ')


def test_lines_are_printed_as_they_are_found(tmp_path, capsys, monkeypatch):
    for name in ('a', 'b'):
        (tmp_path / f'{name}.py').write_text('import tensorflow as tf\ntf.no_such_name\n')
    read, printed = port.missing, []

    def missing(file, assigned):
        printed.append(capsys.readouterr().out)
        return read(file, assigned)

    monkeypatch.setattr(port, 'missing', missing)
    assert invoke(port, str(tmp_path)) == 1
    assert [text.count('\n') for text in printed] == [0, 1]


@pytest.mark.parametrize(
    ('source', 'line'), [(b'import os\nprint "x"\n', 2), (b'x = 1\0', 1), (b'(' * 10_000 + b')' * 10_000, 1)]
)
def test_files_that_are_no_programs(tmp_path, capsys, source, line):
    (tmp_path / 'other.py').write_bytes(source)
    (place,) = found_in(capsys, tmp_path)
    assert place[0] == line and place[1].startswith('This is not a Python 3 program: ')
    assert not re.search(r'[.?]\.$', place[1]), 'one full stop'


def test_the_program_is_never_run(tmp_path, capsys):
    (tmp_path / 'bomb.py').write_text('raise SystemExit(3)\n')
    assert found_in(capsys, tmp_path, status=0) == []


def test_a_file_that_is_larger_than_a_program(tmp_path, capsys):
    (tmp_path / 'data.py').write_bytes(b'#' * (9 << 20))
    assert invoke(port, str(tmp_path)) == 0
    assert 'Skipped: ' in capsys.readouterr().err
