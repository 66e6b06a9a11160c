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
    net = layers.embedding_column(net)
    weights = np.zeros(3, np.float)
    np.quantile(weights, 0.5, interpolation='linear')
    for name, value in params.iteritems():
        training_ops.resource_apply_adam
    return contrib_tpu.TPUEstimatorSpec(mode), tf.metrics.AUC, tf.no_such_name


x = tf.placeholder(tf.float32)
tf.estimator.BoostedTreesClassifier
"""
LINES = {
    2: 'from estimator_lab.tf1 import tf',
    3: 'import estimator_lab.contrib',
    5: 'import estimator_lab.contrib',
    9: 'disable_v2_behavior',
    10: 'import estimator_lab.contrib',
    11: 'tf.feature_column',
    12: 'builtin',
    13: '`method=`',
    14: '2to3',
}


def places(capsys, *files):
    assert invoke(port, '--json', *map(str, files)) == 0
    return json.loads(capsys.readouterr().out)


def test_each_line_that_does_not_run_is_listed_with_its_fix(tmp_path, capsys):
    file = tmp_path / 'program.py'
    file.write_text(PROGRAM)
    found = places(capsys, file)
    assert {place['file'] for place in found} == {str(file)}
    remedies = {}
    for place in found:
        remedies.setdefault(place['line'], []).append(f'{place["reason"]}: {place["remedy"]}')
    for line, words in LINES.items():
        assert any(words in remedy for remedy in remedies[line]), line
    message = ' '.join(remedies[16])
    assert 'only TensorFlow 2 has' in message and 'tf.no_such_name is not in TensorFlow' in message
    assert 'disable_v2_behavior' in remedies[19][0] and '2.8' in remedies[20][0]
    assert remedies.keys() == {*LINES, 16, 19, 20}


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


def test_one_place_is_singular(tmp_path, capsys):
    (tmp_path / 'program.py').write_text('print "hello"\n')
    assert invoke(port, str(tmp_path)) == 0
    assert capsys.readouterr().out.startswith('1 place in 1 file will not run unchanged:\n')


def test_a_program_that_imports_estimator_lab_is_accepted(capsys):
    assert invoke(port, str(ROOT / 'tests' / 'contrib' / 'programs' / 'census.py')) == 0
    report = capsys.readouterr().out
    assert 'TensorFlow 2, without' not in report and ' is not ' not in report


def test_python_2_is_one_place(tmp_path, capsys):
    file = tmp_path / 'old.py'
    file.write_text('import os\nprint "hello"\n')
    (place,) = places(capsys, file)
    assert (place['line'], place['reason']) == (2, 'Python 2')


def test_names_that_the_program_defines_are_accepted(tmp_path, capsys):
    file = tmp_path / 'own.py'
    file.write_text(
        'from estimator_lab.tf1 import tf\ntf.disable_v2_behavior()\n'
        'class Box:\n    value = 1\nunicode = str\n'
        'def f(np, x):\n    return np.float, Box.value, x.value, unicode(x), tf.Session(), tf.layers.dense\n'
    )
    assert places(capsys, file) == []


@pytest.mark.parametrize('name', ['no_such_file.py', 'empty_folder'])
def test_an_unreadable_file_is_one_sentence(tmp_path, capsys, name):
    (tmp_path / 'empty_folder').mkdir()
    assert invoke(port, str(tmp_path / name)) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ') and name in error and error.count('\n') == 1


def test_bytes_that_are_not_a_program_are_an_error(tmp_path, capsys):
    (tmp_path / 'noise.py').write_bytes(b'x = 1\0')
    status = invoke(port, str(tmp_path / 'noise.py'))
    message = ''.join(capsys.readouterr())
    assert status in (0, 1) and 'noise.py' in message
    deep = tmp_path / 'deep.py'
    deep.write_text('(' * 10_000 + ')' * 10_000)
    invoke(port, str(deep))
    assert 'deep.py' in ''.join(capsys.readouterr())


def test_programs_are_not_run(tmp_path, capsys):
    file = tmp_path / 'loud.py'
    file.write_text('import sys\nsys.was_run = True\nraise SystemExit(3)\n')
    assert places(capsys, file) == []
    assert not hasattr(sys, 'was_run')


def test_an_import_in_one_module_counts_for_all(tmp_path, capsys):
    (tmp_path / 'main.py').write_text('import estimator_lab.contrib\n')
    (tmp_path / 'model.py').write_text(
        'from estimator_lab.tf1 import tf\nfrom tensorflow.contrib import layers\n'
        'def f(x):\n    return layers.flatten(x).shape[-1].value, tf.contrib.seq2seq\n'
    )
    (place,) = places(capsys, tmp_path)
    assert 'seq2seq' in place['reason']


def test_shapes_of_version_1_have_values(tmp_path, capsys):
    file = tmp_path / 'program.py'
    file.write_text(
        'from estimator_lab.tf1 import tf\ntf.disable_v2_tensorshape()\ndef f(x): return x.shape[0].value\n'
    )
    assert places(capsys, file) == []


@pytest.mark.parametrize(
    ('line', 'methods', 'lines'),
    [
        ('', ['_apply_dense'], [3]),
        ('', ['_apply_dense', '_resource_apply_dense'], []),
        ('tf.disable_resource_variables()', ['_apply_dense'], []),
    ],
)
def test_optimizers_for_reference_variables_only(tmp_path, capsys, line, methods, lines):
    file = tmp_path / 'program.py'
    made = ''.join(f'    def {name}(self, grad, var): pass\n' for name in methods)
    file.write_text(f'from estimator_lab.tf1 import tf\n{line}\nclass Own(tf.train.Optimizer):\n{made}')
    assert [place['line'] for place in places(capsys, file)] == lines


def test_code_for_python_2_only_is_skipped(tmp_path, capsys):
    file = tmp_path / 'program.py'
    file.write_text(
        'import six\nif six.PY3:\n    text = str\nelif six.PY2:\n    text = unicode\n'
        'if six.PY2:\n    numbers = xrange\nelse:\n    numbers = range\nnames = basestring\n'
    )
    (place,) = places(capsys, file)
    assert place['line'] == 10


def test_attributes_of_classes_in_private_modules(tmp_path, capsys):
    file = tmp_path / 'program.py'
    file.write_text(
        'from tensorflow.python.estimator import model_fn\nfrom tensorflow.python.framework import ops\n'
        'model_fn.ModeKeys.PREDICT, ops.GraphKeys.UPDATE_OPS, ops.no_such_name\n'
    )
    (place,) = places(capsys, file)
    assert 'ops.no_such_name' in place['reason']


ESTIMATOR = 'import tensorflow as tf\nmodel = tf.estimator.DNNClassifier\n'


@pytest.mark.parametrize(
    ('code', 'remedy'),
    [
        ('tf.layers.dense', 'tf1 import tf`: the program uses names of TensorFlow 1'),
        (
            'tf.contrib.layers.fully_connected',
            'tf1 import tf`: the program uses names of TensorFlow 1',
        ),
        ('tf.metrics.AUC', 'keep `import tensorflow as tf` and write `import estimator_lab.tf1` above it'),
        ('tf.keras.optimizers.Adam', 'keep `import tensorflow as tf`'),
        ('tf.feature_column.numeric_column', 'a program for TensorFlow 2 keeps its line'),
        ('tf.layers.dense, tf.metrics.AUC', 'a program for TensorFlow 2 keeps its line'),
    ],
)
def test_the_import_that_a_program_needs_is_decided_by_its_names(tmp_path, capsys, code, remedy):
    file = tmp_path / 'program.py'
    file.write_text(f'{ESTIMATOR}{code}\n')
    (line,) = (place for place in places(capsys, file) if place['line'] == 1)
    assert remedy in line['remedy']
