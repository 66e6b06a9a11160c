"""Programs that the command changes: they run afterwards, and nothing else in them changes."""

import stat

import pytest

from estimator_lab import port
from tests.commands import invoke

PROGRAM = """\
# -*- coding: utf-8 -*-
import collections
from itertools import izip
import numpy as np
import tensorflow as tf  # as ever
from tensorflow import gfile

class Names(collections.Mapping):  # größer
    def __init__(self, names): self.names = names
    def __getitem__(self, key): return self.names[key]
    def __iter__(self): return iter(self.names)
    def __len__(self): return len(self.names)

def model_fn(features, labels, mode, params):
    net = tf.contrib.layers.fully_connected(features['x'], params['size'])
    width = net.shape[1].value
    net = tf.reshape(net, [-1, width / 2, 2])
    loss = tf.losses.mean_squared_error(labels, tf.layers.dense(tf.layers.flatten(net), 1))
    train_op = tf.train.GradientDescentOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

sizes = map(int, ['4', '8'])
print(len(sizes), {'größe': 1}.keys()[0], iter([5]).next())
for name, value in Names({'a': np.float(2)}).names.iteritems(): print(name, value)
print(np.sum(x for x in xrange(3)), np.NaN, np.quantile([1, 2], 0.5, interpolation='lower'))
print(len(np.zeros(2, np.int).tostring()))
x = tf.placeholder(tf.float32)
with tf.Session() as session: print(session.run(x * 2, {x: 3.0}))
model = tf.estimator.Estimator(model_fn, params={'size': 8})
data = {'x': np.ones([4, 3], np.float32)}, np.ones([4, 1], np.float32)
model.train(lambda: tf.data.Dataset.from_tensors(data), steps=1)
print(gfile.Exists('/'), model.get_variable_value('global_step'))
"""
PRINTED = ['2 größe 5', 'a 2.0', '3 nan 1', '16', '6.0', 'True 1']


@pytest.fixture
def program(tmp_path):
    file = tmp_path / 'program.py'
    file.write_text(PROGRAM.replace('from itertools import izip\n', ''), encoding='utf-8')
    return file


def test_a_changed_program_runs(program, run_python, capsys):
    program.chmod(0o755)
    before = program.read_bytes()
    assert invoke(port, '--diff', str(program)) == 0
    shown = capsys.readouterr().out
    assert program.read_bytes() == before
    assert invoke(port, '--write', str(program)) == 0
    out = capsys.readouterr().out
    assert diff_in(out) == diff_in(shown)
    assert shown.splitlines()[-1] == '--write would change 1 file. Nothing is left to change by hand.'
    assert out.splitlines()[-1] == 'Changed 1 file. Nothing is left to change by hand.'
    assert (
        '-import tensorflow as tf  # as ever' in out and '+from estimator_lab.tf1 import tf  # as ever' in out
    )
    assert stat.S_IMODE(program.stat().st_mode) == 0o755
    done = run_python(str(program))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == PRINTED
    assert invoke(port, str(program)) == 0
    assert capsys.readouterr().out == 'Everything found in 1 file runs unchanged.\n'


def diff_in(shown):
    """Returns the lines of the diff, without the lines printed while TensorFlow is loaded."""
    lines = shown.splitlines()
    return lines[next(n for n, line in enumerate(lines) if line.startswith('---')) : -1]


def changed(tmp_path, data):
    file = tmp_path / 'program.py'
    file.write_bytes(data)
    assert invoke(port, '--write', str(file)) == 0
    return file.read_bytes()


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        (b'import tensorflow\ntensorflow.Session\n', b'from estimator_lab.tf1 import tf as tensorflow\n'),
        (
            b'import tensorflow.compat.v1 as tf\r\ntf.estimator.Estimator\r\n',
            b'import estimator_lab.tf1\r\nimport tensorflow.compat.v1 as tf\r\ntf.estimator.Estimator\r\n',
        ),
        (
            b'import tensorflow as tf\ntf.estimator.Estimator, tf.keras.Model\n',
            b'import estimator_lab.tf1\nimport tensorflow as tf\ntf.estimator.Estimator, tf.keras.Model\n',
        ),
        (
            b'def f():\n    from tensorflow.contrib import layers\n',
            b'def f():\n    import estimator_lab.contrib\n    from tensorflow.contrib import layers\n',
        ),
        (b'from collections import Mapping, Set\n', b'from collections.abc import Mapping, Set\n'),
        (b'# coding: latin-1\nx = "\xfc"; xrange(3)\n', b'# coding: latin-1\nx = "\xfc"; range(3)\n'),
        (b'\xef\xbb\xbfxrange(3)\n', b'\xef\xbb\xbfrange(3)\n'),
        (b'range((a) / (b)), range(a /  # half\n b)', b'range((a) // (b)), range(a //  # half\n b)'),
        (b'f(x).iteritems()', b'f(x).items()'),
        (b'a.next().next()', b'next(next(a))'),
        (b'import yaml\nyaml.load(x)\n', b'import yaml\nyaml.safe_load(x)\n'),
    ],
)
def test_each_change(tmp_path, before, after):
    assert changed(tmp_path, before).startswith(after)


@pytest.mark.parametrize(
    'data',
    [
        b'print "x"\n',
        b'import os, tensorflow as tf\ntf.layers.dense\n',
        b'from collections import Mapping, deque\n',
        b'import six\nif six.PY2: range = xrange\n',
        b'',
    ],
)
def test_what_is_left_to_the_user(tmp_path, data):
    assert changed(tmp_path, data) == data


def test_a_link_stays_and_its_file_is_changed(tmp_path):
    (tmp_path / 'real.py').write_text('xrange(3)\n')
    (tmp_path / 'link.py').symlink_to('real.py')
    assert invoke(port, '--write', str(tmp_path / 'link.py')) == 0
    assert (tmp_path / 'link.py').is_symlink() and (tmp_path / 'real.py').read_text() == 'range(3)\n'


@pytest.mark.parametrize('flag', ['--diff', '--write'])
def test_json_lists_only(flag, capsys, program):
    assert invoke(port, '--json', flag, str(program)) == 2
    assert capsys.readouterr().err == 'error: --json prints findings only: leave out --diff and --write.\n'
