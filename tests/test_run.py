"""The command `run`: programs as they are, with their own arguments, exit status and tracebacks."""

import pytest

from estimator_lab.run import split
from tests.support.places import ROOT

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
    program = str(folder / 'old.py')
    done = run_python('-m', 'estimator_lab.run', program, '--end=exit')
    assert done.returncode == 7, done.stderr
    assert done.stdout == f"__main__ (?, 3) Estimator True ['{program}', '--end=exit']\n"
    assert not done.stderr


def test_a_module_whose_traceback_shows_the_program_only(run_python, folder):
    done = run_python('-m', 'estimator_lab.run', '-m', 'old', PYTHONPATH=f'{ROOT}:{folder}')
    assert done.returncode == 1
    assert done.stdout == f"__main__ (?, 3) Estimator True ['{folder / 'old.py'}']\n"
    lines = done.stderr.splitlines()
    assert lines[0].startswith('Traceback') and lines[1].startswith(f'  File "{folder / "old.py"}", line ')
    assert lines[-1] == 'ValueError: no'
    assert 'estimator_lab' not in done.stderr.replace(str(folder), '')


def test_a_program_for_tensorflow_2_stays_one(run_python, folder):
    done = run_python('-m', 'estimator_lab.run', str(folder / 'new.py'))
    lines = ['True 1 DNNClassifierV2', 'DNNClassifier Estimator GradientTape']
    assert done.stdout.splitlines() == lines, done.stderr


@pytest.mark.parametrize(
    ('arguments', 'error'),
    [
        (['no_such.py'], "There is no program 'no_such.py'."),
        ([], 'PROGRAM is missing, see --help.'),
        (['-m'], '-m is not followed by the name of a module.'),
        (['--nothing', 'x.py'], 'There is no flag --nothing'),
    ],
)
def test_what_cannot_run_says_why(run_command, arguments, error):
    status, out, err = run_command('estimator_lab.run', *arguments)
    assert (status, out) == (2, '') and err.startswith(f'error: {error}')


def test_a_module_that_does_not_exist_and_a_program_for_python_2(run_python, tmp_path):
    done = run_python('-m', 'estimator_lab.run', '-m', 'no_such.module')
    assert (done.returncode, done.stderr) == (2, "error: There is no module 'no_such.module'.\n")
    path = tmp_path / 'two.py'
    path.write_text("import tensorflow\nprint 'x'\n")
    done = run_python('-m', 'estimator_lab.run', str(path))
    assert done.returncode == 1 and done.stderr.startswith(f'  File "{path}", line 2\n')


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


def test_the_plainest_canned_estimator_and_names_that_python_and_numpy_have_dropped(run_python, tmp_path):
    (tmp_path / 'canned.py').write_text(CANNED)
    done = run_python('-m', 'estimator_lab.run', str(tmp_path / 'canned.py'))
    assert done.stdout == "LinearRegressor ['a', 'axis'] [1.5]\n", done.stderr


def test_notebooks(run_python):
    code = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
shell.run_line_magic('load_ext', 'estimator_lab')
shell.run_cell('from tensorflow.compat.v1 import estimator; print(estimator.Estimator.__name__)')
"""
    done = run_python('-c', code)
    assert done.stdout.splitlines()[-1] == 'Estimator', done.stderr
