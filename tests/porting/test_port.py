"""The command that finds what stops a program from running."""

import json
import sys

import pytest

from estimator_lab import port
from tests.commands import invoke
from tests.places import ROOT

PROGRAM = """\
import numpy as np
import tensorflow as tf
from tensorflow.contrib import tpu as contrib_tpu
from tensorflow.python.training import training_ops
layers = tf.contrib.layers


def model_fn(features, labels, mode, params):
    size = features['x'].get_shape()[-1].value + features['x'].shape[0].value
    net = layers.fully_connected(features['x'], size)
    net = layers.shared_embedding_columns(net)
    weights = np.zeros(3, np.float)
    np.quantile(weights, 0.5, interpolation='linear')
    for name, value in params.iteritems():
        training_ops.resource_apply_adam
    return contrib_tpu.TPUEstimatorSpec(mode), tf.metrics.AUC, tf.no_such_name


x = tf.placeholder(tf.float32)
tf.estimator.BoostedTreesClassifier
"""
LINES = {
    2: ['from estimator_lab.tf1 import tf'],
    3: ['import estimator_lab.contrib'],
    5: ['import estimator_lab.contrib'],
    9: ['disable_v2_behavior'],
    11: ['tf.feature_column'],
    12: ['builtin'],
    13: ['`method=`'],
    14: ['modernize'],
    16: ['only TensorFlow 2 has', 'tf.no_such_name is not in TensorFlow'],
    19: ['disable_v2_behavior'],
    20: ['2.8'],
}


@pytest.fixture
def places(tmp_path, capsys):
    """Returns what the command finds in files, given as text by name or as that of one file."""

    def find(text='', **files):
        for name, content in (files or {'program': text}).items():
            (tmp_path / f'{name}.py').write_text(content)
        assert invoke(port, '--json', str(tmp_path)) == 0
        return json.loads(capsys.readouterr().out)

    return find


def test_each_line_that_does_not_run_is_listed_with_its_fix(places, tmp_path):
    found = places(PROGRAM)
    assert {place['file'] for place in found} == {str(tmp_path / 'program.py')}
    remedies = dict.fromkeys(LINES, '')
    for place in found:
        remedies[place['line']] += f'{place["reason"]}: {place["remedy"]}\n'
    for line, words in LINES.items():
        assert all(word in remedies[line] for word in words), line


def test_the_most_frequent_comes_first_and_nothing_is_changed(tmp_path, capsys):
    file = tmp_path / 'program.py'
    file.write_text(PROGRAM + 'np.int, np.bool8\n' * 7)
    before = file.read_bytes()
    assert invoke(port, str(tmp_path)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith('places in 1 file will not run unchanged:')
    assert lines[2].startswith('8 x np.float, np.int')
    assert f'    {file}:12  numpy.float' in lines and '    and 3 more' in lines
    assert file.read_bytes() == before
    file.write_text('print "hello"\n')
    assert invoke(port, str(tmp_path)) == 0
    assert capsys.readouterr().out.startswith('1 place in 1 file will not run unchanged:\n')


def test_a_program_that_imports_estimator_lab_is_accepted(capsys):
    assert invoke(port, str(ROOT / 'tests' / 'contrib' / 'programs' / 'census.py')) == 0
    report = capsys.readouterr().out
    assert 'TensorFlow 2, without' not in report and ' is not ' not in report


ONE_LINE = 'from estimator_lab.tf1 import tf\n'
OPTIMIZER = ONE_LINE + '{line}\nclass Own(tf.train.Optimizer):\n    def _apply_dense(self, grad, var): pass\n'


@pytest.mark.parametrize(
    ('program', 'lines'),
    [
        pytest.param('import os\nprint "hello"\n', [2], id='Python 2'),
        pytest.param('(' * 10_000 + ')' * 10_000, [1], id='too deep for the parser'),
        pytest.param(
            f'{ONE_LINE}tf.disable_v2_behavior()\nclass Box:\n    value = 1\nunicode = str\n'
            'def f(np, x):\n'
            '    return np.float, Box.value, x.value, unicode(x), tf.Session(), tf.layers.dense\n',
            [],
            id="the program's own names",
        ),
        pytest.param(
            'import sys\nsys.was_run = True\nraise SystemExit(3)\n', [], id='a program that must not run'
        ),
        pytest.param(
            f'{ONE_LINE}tf.disable_v2_tensorshape()\ndef f(x): return x.shape[0].value\n',
            [],
            id='shapes of version 1',
        ),
        pytest.param(OPTIMIZER.format(line=''), [3], id='an optimizer for reference variables'),
        pytest.param(
            OPTIMIZER.format(line='') + '    def _resource_apply_dense(self, grad, var): pass\n',
            [],
            id='an optimizer for both kinds of variables',
        ),
        pytest.param(
            OPTIMIZER.format(line='tf.disable_resource_variables()'), [], id='reference variables only'
        ),
        pytest.param(
            'import six\nif six.PY3:\n    text = str\nelif six.PY2:\n    text = unicode\n'
            'if six.PY2:\n    numbers = xrange\nelse:\n    numbers = range\nnames = basestring\n',
            [10],
            id='code for Python 2 only',
        ),
        pytest.param(
            'import estimator_lab.tf1\nfrom tensorflow.python.estimator import model_fn\n'
            'from tensorflow.python.framework import ops\n'
            'model_fn.ModeKeys.PREDICT, ops.GraphKeys.UPDATE_OPS\nops.no_such_name\n',
            [5],
            id='attributes of classes in private modules',
        ),
    ],
)
def test_lines_that_do_not_run(places, program, lines):
    assert [place['line'] for place in places(program)] == lines
    assert not hasattr(sys, 'was_run')


def test_an_import_in_one_module_counts_for_all(places):
    model = (
        f'{ONE_LINE}from tensorflow.contrib import layers\n'
        'def f(x):\n    return layers.flatten(x).shape[-1].value\n'
        'tf.contrib.layers.shared_embedding_columns\n'
    )
    (place,) = places(main='import estimator_lab.contrib\n', model=model)
    assert 'shared_embedding_columns' in place['reason']


@pytest.mark.parametrize('code', ['-' * 200_000 + '1', f'if {"a." * 20_000}b: pass'])
def test_a_file_of_a_folder_that_is_nested_too_deep_is_skipped(tmp_path, capsys, code):
    (tmp_path / 'deep.py').write_text(code)
    (tmp_path / 'good.py').write_text('import tensorflow as tf\ntf.Session()\n')
    assert invoke(port, str(tmp_path)) == 0
    out, err = capsys.readouterr()
    assert 'good.py' in out
    assert err == f'Skipped: {tmp_path / "deep.py"} cannot be read: it is nested too deep.\n'
    assert invoke(port, str(tmp_path / 'deep.py')) == 1


@pytest.mark.parametrize('name', ['no_such_file.py', 'empty_folder', 'noise.py'])
def test_an_unreadable_file_is_one_sentence(tmp_path, capsys, name):
    (tmp_path / 'empty_folder').mkdir()
    (tmp_path / 'noise.py').write_bytes(b'x = 1\0')
    assert invoke(port, str(tmp_path / name)) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ') and name in error and error.count('\n') == 1


@pytest.mark.parametrize(
    ('code', 'remedy'),
    [
        ('tf.layers.dense', 'tf1 import tf`: the program uses names of TensorFlow 1'),
        ('tf.contrib.layers.fully_connected', 'tf1 import tf`: the program uses names of TensorFlow 1'),
        ('tf.metrics.AUC', 'keep `import tensorflow as tf` and write `import estimator_lab.tf1` above it'),
        ('tf.keras.optimizers.Adam', 'keep `import tensorflow as tf`'),
        ('tf.feature_column.numeric_column', 'a program for TensorFlow 2 keeps its line'),
        ('tf.layers.dense, tf.metrics.AUC', 'a program for TensorFlow 2 keeps its line'),
    ],
)
def test_the_import_that_a_program_needs_is_decided_by_its_names(places, code, remedy):
    found = places(f'import tensorflow as tf\nmodel = tf.estimator.DNNClassifier\n{code}\n')
    (line,) = (place for place in found if place['line'] == 1)
    assert remedy in line['remedy']
