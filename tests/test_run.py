"""The command `run`: programs as they are, with their own arguments, exit status and tracebacks."""

import json
import os
import sys

import pytest

from estimator_lab.run import split
from tests.support.halves import HIDDEN
from tests.support.places import ROOT

pytestmark = [pytest.mark.both, pytest.mark.trains]

OLD = """
import sys
import tensorflow as tf
from tensorflow.contrib import layers
import helper

tf.flags.DEFINE_string('end', '', 'how it ends')


def main(_):
    x = tf.placeholder(tf.float32, [None, 3])
    y = layers.fully_connected(x, x.shape[1].value)
    print(__name__, y.shape, tf.estimator.Estimator.__name__, helper.made() is tf, sys.argv)
    if tf.flags.FLAGS.end == 'exit':
        sys.exit(7)
    helper.fail()


if __name__ == '__main__':
    tf.app.run()
"""
HELPER = """
import tensorflow as tf


def made():
    return tf


def fail():
    raise ValueError('no')
"""
NEW = """
import tensorflow as tf
import tensorflow.compat.v1 as tf1
from tensorflow.compat.v1 import estimator

print(tf.executing_eagerly(), tf.shape([1]).shape[0], tf.estimator.DNNClassifier.__name__)
print(estimator.DNNClassifier.__name__, tf1.estimator.Estimator.__name__, tf.GradientTape.__name__)
"""


@pytest.fixture
def folder(tmp_path):
    for name, text in (('old', OLD), ('helper', HELPER), ('new', NEW)):
        (tmp_path / f'{name}.py').write_text(text)
    return tmp_path


def test_a_program_for_tensorflow_1_with_its_arguments_and_exit_status(run_python, folder):
    """It needs nothing of the laboratory."""
    hidden = f"{HIDDEN}import runpy; runpy.run_module('estimator_lab.run', run_name='__main__')"
    program = str(folder / 'old.py')
    done = run_python('-c', hidden, program, '--end=exit')
    assert (done.returncode, done.stderr) == (7, '')
    assert done.stdout == f"__main__ (?, 3) Estimator True ['{program}', '--end=exit']\n"


@pytest.mark.slow
def test_a_module_whose_traceback_shows_the_program_only(run_python, folder):
    done = run_python('-m', 'estimator_lab.run', '-m', 'old', PYTHONPATH=f'{ROOT}:{folder}')
    assert done.returncode == 1
    assert done.stdout == f"__main__ (?, 3) Estimator True ['{folder / 'old.py'}']\n"
    lines = done.stderr.splitlines()
    assert lines[0].startswith('Traceback') and lines[1].startswith(f'  File "{folder / "old.py"}", line ')
    assert lines[-1] == 'ValueError: no'
    assert 'estimator_lab' not in done.stderr.replace(str(folder), '')


@pytest.mark.slow
def test_a_program_for_tensorflow_2_stays_one(run_python, folder):
    done = run_python('-m', 'estimator_lab.run', str(folder / 'new.py'))
    lines = ['True 1 DNNClassifierV2', 'DNNClassifier Estimator GradientTape']
    assert done.stdout.splitlines() == lines, done.stderr


@pytest.mark.slow
def test_a_program_for_python_2(run_python, tmp_path):
    path = tmp_path / 'two.py'
    path.write_text("import tensorflow\nprint 'x'\n")
    done = run_python('-m', 'estimator_lab.run', str(path))
    assert done.returncode == 1 and done.stderr.startswith(f'  File "{path}", line 2\n')
    command = f'python -m modernize -wn -x import {path}'
    advice = f'This is Python 2: `pip install modernize`, and `{command}` rewrites it.'
    assert done.stderr.splitlines()[-1] == advice
    ported = run_python('-m', 'estimator_lab.port', str(path))
    assert ported.stdout.startswith(f'{path}:2: This is not a Python 3 program: ') and advice in ported.stdout


def test_a_module_that_does_not_exist(run_forked):
    """In a separate process, because the command changes it before it looks for the module."""
    done = run_forked('-m', 'estimator_lab.run', '-m', 'no_such.module')
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr == "error: There is no module 'no_such.module'.\n"


def test_the_command_line_is_split_at_the_program():
    assert split(['run', '--v1', 'a.py', '--x', '-m']) == (['run', '--v1'], ['a.py', '--x', '-m'], False)
    assert split(['run', '-m', 'a.b', '--v1']) == (['run'], ['a.b', '--v1'], True)
    assert split(['run', '--help']) == (['run', '--help'], [], False)
    assert split(['run', '-m']) == (['run'], [], True)


CANNED = """
import inspect
import numpy as np
import tensorflow as tf

x = {'x': np.ones([8, 1], np.float)}
linear = tf.estimator.LinearRegressor([tf.feature_column.numeric_column('x')])
linear.train(tf.estimator.inputs.numpy_input_fn(x, x['x'], num_epochs=None, shuffle=True), steps=5)
print(type(linear).__name__, inspect.getargspec(lambda a, axis: a).args, [np.float64(1.5)])
"""


def test_the_plainest_canned_estimator_and_names_that_python_and_numpy_have_dropped(run_forked, tmp_path):
    (tmp_path / 'canned.py').write_text(CANNED)
    done = run_forked('-m', 'estimator_lab.run', str(tmp_path / 'canned.py'))
    assert done.stdout == "LinearRegressor ['a', 'axis'] [1.5]\n", done.stderr


IRIS = """
import sys
import numpy as np
import sklearn.datasets
import tensorflow as tf


def input_fn(features, labels, is_training):
    dataset = tf.data.Dataset.from_tensor_slices((dict(features), labels))
    if is_training:
        dataset = dataset.shuffle(1000, seed=1).repeat()
    return dataset.batch(100)


iris = sklearn.datasets.load_iris()
rows = np.random.RandomState(0).permutation(150)
columns = {f'x{n}': iris.data[rows, n] for n in range(4)}
train, test = ({k: v[part] for k, v in columns.items()} for part in (slice(0, 120), slice(120, 150)))
labels = iris.target[rows]


def classifier(units):
    return tf.estimator.DNNClassifier(
        feature_columns=[tf.feature_column.numeric_column(key=key) for key in train],
        hidden_units=units, n_classes=3, model_dir=sys.argv[1],
        config=tf.estimator.RunConfig(tf_random_seed=1))


model = classifier([10, 10])
model.train(input_fn=lambda: input_fn(train, labels[:120], True), steps=1000)
found = model.evaluate(input_fn=lambda: input_fn(test, labels[120:], False))
print(type(model).__name__, found['accuracy'])
try:
    classifier([20, 20]).train(input_fn=lambda: input_fn(train, labels[:120], True), steps=1)
except Exception as error:
    print(type(error).__name__)
"""
TAKEN = (
    'uses tf.estimator.DNNClassifier, whose results differ between TensorFlow 1 and 2, and nothing says '
    'which is meant. TensorFlow 1 is taken; for TensorFlow 2, give the flag --v2.'
)


@pytest.mark.slow
def test_the_program_of_the_guide_to_premade_estimators_gets_what_the_guide_prints(run_forked, tmp_path):
    pytest.importorskip('sklearn')
    program = tmp_path / 'iris.py'
    program.write_text(IRIS)
    done = run_forked('-m', 'estimator_lab.run', str(program), str(tmp_path / 'one'))
    (kind, accuracy), (error,) = (line.split() for line in done.stdout.splitlines())
    assert kind == 'DNNClassifier' and float(accuracy) > 0.9, done.stderr
    assert error == 'InvalidArgumentError'  # the checkpoint has other hidden units
    assert [line for line in done.stderr.splitlines() if 'WARNING' not in line] == [f'{program} {TAKEN}']


def test_the_flags_take_either_tensorflow_and_say_nothing(run_forked, tmp_path):
    program = tmp_path / 'canned.py'
    program.write_text('import tensorflow as tf\nprint(tf.estimator.DNNClassifier, tf.executing_eagerly())')
    for flag, expected in (('--v1', "DNNClassifier'> False\n"), ('--v2', "DNNClassifierV2'> True\n")):
        done = run_forked('-m', 'estimator_lab.run', flag, str(program))
        assert done.stdout.endswith(expected) and not done.stderr


EAGER = """
import tensorflow as tf
tf.enable_eager_execution()
import eager_helper
print(tf.executing_eagerly(), eager_helper.dense(tf.ones([1, 2])).numpy().shape)
"""


def test_a_helper_with_names_of_tensorflow_1_leaves_eager_execution_on(run_forked, tmp_path):
    helper = 'import tensorflow as tf\n\n\ndef dense(x):\n    return tf.layers.dense(x, 3)\n'
    (tmp_path / 'eager_helper.py').write_text(helper)
    (tmp_path / 'main.py').write_text(EAGER)
    done = run_forked('-m', 'estimator_lab.run', str(tmp_path / 'main.py'))
    assert done.stdout == 'True (1, 3)\n', done.stderr


NOTEBOOK = [
    '%load_ext estimator_lab',
    '%tensorflow_version 1.x\nimport tensorflow as tf, numpy as np',
    'print(tf.estimator.DNNClassifier.__name__)',
    'x = tf.placeholder(tf.float32, [None, 3])\nwith tf.Session() as session:\n'
    '    print(session.run(tf.reduce_sum(x), {x: np.ones([2, 3], np.float)}))\n%pwd',
    'import tensorflow.layers as layers\ndef model(x):\n    return layers.dense(x, 4)\n'
    'print(model(x).shape[1].value)\nraise ValueError("no")',
]


def notebook(cells, folder):
    """Runs cells in a kernel of this Python; returns what each printed, and the last error."""
    nbclient, nbformat = pytest.importorskip('nbclient'), pytest.importorskip('nbformat')
    pytest.importorskip('ipykernel')
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(book, timeout=200, allow_errors=True, kernel_name='python3')
    client.execute(cwd=str(folder), env={**os.environ, 'PYTHONPATH': str(ROOT)})
    outputs = [output for cell in book.cells for output in cell.outputs]
    printed = [each.text for each in outputs if each.output_type == 'stream']
    return printed, [each for each in outputs if each.output_type == 'error']


@pytest.mark.slow
@pytest.mark.once  # a kernel takes long to start
def test_cells_of_a_notebook_are_decided_together(tmp_path):
    printed, errors = notebook(NOTEBOOK, tmp_path)
    text = ''.join(printed)
    assert text.count('This notebook uses tf.estimator.DNNClassifier, whose results differ') == 1
    assert 'TensorFlow 1 is taken; for TensorFlow 2, write `import tensorflow.compat.v2 as tf`.' in text
    assert [line for line in text.splitlines() if 'notebook' not in line] == ['DNNClassifier', '6.0', '4']
    assert [error.ename for error in errors] == ['ValueError']
    assert 'ValueError' in errors[0].traceback[-1]


@pytest.mark.slow
def test_a_notebook_that_turns_out_to_be_for_tensorflow_2_gets_it(tmp_path):
    cells = [
        'import tensorflow as tf',
        '%load_ext estimator_lab\nimport numpy as np',
        'print(tf.__name__)',
        'tf.random.set_seed(1)\nprint(tf.metrics.AUC.__name__, tf.executing_eagerly())',
        'print(tf.__name__)',
    ]
    printed, errors = notebook(cells, tmp_path)
    assert not errors and ''.join(printed).split() == ['tensorflow.compat.v1', 'AUC', 'True', 'tensorflow']


CELLS = [
    ['%matplotlib inline\n', '!pip install nothing \\\n', '    --quiet\n', 'import tensorflow as tf'],
    '%%bash\nexit 1',
    '%%time\nx = tf.placeholder(tf.float32, [None, 2])\n%time y = tf.reduce_sum(x)\nfiles = !ls\nx?',
    'with tf.Session() as session:\n    print(session.run(y, {x: [[1, 2]]}))\nx.shape[1].value',
    "text = '''\n!not a command\n'''\ntext;",
    "%matplotlib inline\ntext = '''\n!no\n%time no\n'''\nprint(len(text), '%d'\n      % 3)",
    'def f():\n    raise ValueError("no")\n\nf()',
    'print("never")',
]


def test_a_notebook_runs_without_ipython(run_python, tmp_path):
    path = tmp_path / 'book.ipynb'
    cells = [{'cell_type': 'code', 'source': cell} for cell in CELLS]
    cells.insert(1, {'cell_type': 'markdown', 'source': ['# Title']})
    path.write_text(json.dumps({'cells': cells}))
    done = run_python('-m', 'estimator_lab.run', str(path))
    assert (done.returncode, done.stdout) == (1, '3.0\n2\n14 3\n'), done.stderr
    lines = done.stderr.splitlines()
    left_out = ['1: left out: %matplotlib inline', '1: left out: !pip install nothing \\']
    left_out += ['2: left out: %%bash', '3: left out: files = !ls', '3: left out: x?']
    left_out += ['6: left out: %matplotlib inline', '7 failed.']
    assert lines[:7] == [f'{path}, cell {text}' for text in left_out]
    assert lines[7].startswith('Traceback') and lines[8] == f'  File "{path}, cell 7", line 4, in <module>'
    assert lines[9] == '    f()' or sys.version_info < (3, 13), 'whose own hook opens the file instead'
    assert lines[-1] == 'ValueError: no'


def test_a_notebook_that_runs_to_its_end(run_forked, tmp_path):
    path = tmp_path / 'book.ipynb'
    cells = [{'cell_type': 'code', 'source': cell} for cell in ('x = 3', 'print(x + 1)\nx * x')]
    path.write_text(json.dumps({'cells': cells}))
    done = run_forked('-m', 'estimator_lab.run', str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, '4\n9\n', '')


@pytest.mark.parametrize('text', ['{}', '[1]', 'x', '{"cells": [1]}', '{"cells": [{"cell_type": 5}]}'])
def test_a_file_that_is_no_notebook(tmp_path, run_forked, text):
    path = tmp_path / 'book.ipynb'
    path.write_text(text)
    done = run_forked('-m', 'estimator_lab.run', str(path))
    assert (done.returncode, done.stderr) == (1, f'error: {str(path)!r} is not a notebook.\n')


def test_a_program_on_standard_input(run_forked):
    done = run_forked('-m', 'estimator_lab.run', '-')
    assert done.returncode == 2
    assert done.stderr == "error: There is no program '-': programs are read from files.\n"


@pytest.mark.slow
def test_files_with_names_of_python_next_to_a_program(run_python, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('types', 'queue', 'random', 'own'):
        (tmp_path / f'{name}.py').write_text('NAME = 1\n')
    (tmp_path / 'program.py').write_text('import tensorflow, own\nprint(own.NAME)\n')
    for program in (['program.py'], ['-m', 'program']):
        done = run_python('-m', 'estimator_lab.run', *program)
        assert done.stdout == '1\n', done.stderr
