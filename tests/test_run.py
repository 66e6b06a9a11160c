"""The command `run`: programs as they are, with their own arguments, exit status and tracebacks."""

import subprocess
import sys
import sysconfig
import venv

import pytest

from estimator_lab.run import split
from tests.places import ROOT

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
    done = run_python('-m', 'estimator_lab.run', '--contrib', '-m', 'old', PYTHONPATH=f'{ROOT}:{folder}')
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
        (['--install_hook', '--remove_hook'], '--install_hook and --remove_hook exclude each other.'),
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


@pytest.fixture
def environment(tmp_path):
    """Returns a function that runs Python in an environment of its own, with the packages of this one."""
    venv.create(tmp_path / 'venv', with_pip=False)
    python = next(tmp_path.glob('venv/*/python'))
    (packages,) = (tmp_path / 'venv').rglob('site-packages')
    paths = dict.fromkeys([str(ROOT), sysconfig.get_path('purelib'), *sys.path])
    (packages / 'paths.pth').write_text('\n'.join(filter(None, paths)))

    def run(*arguments):
        done = subprocess.run([python, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run, packages / 'estimator_lab_startup.pth'


def test_the_hook_restores_estimator_in_a_program_that_does_not_import_us(environment):
    run, hook = environment
    status, lines, err = run('-m', 'estimator_lab.run', '--install-hook')
    assert status == 0 and lines[0].startswith(f'Wrote {hook}'), err
    code = """
import sys
assert 'estimator_lab.tf1' not in sys.modules and 'typing' not in sys.modules
from tensorflow.compat.v1 import estimator
import tensorflow as tf
print(estimator.Estimator.__name__, tf.estimator.Estimator.__name__, 'estimator_lab.contrib' in sys.modules)
from tensorflow.contrib.layers import fully_connected
print(fully_connected is tf.contrib.layers.fully_connected)
print(tf.contrib.layers is tf.compat.v1.contrib.layers)
"""
    status, lines, err = run('-c', code)
    assert lines == ['Estimator EstimatorV2 False', 'True', 'True'], err
    assert run('-m', 'estimator_lab.run', '--remove-hook')[1] == [f'Removed {hook}.']
    assert not hook.exists()
    assert run('-m', 'estimator_lab.run', '--remove-hook')[:2] == (0, [f'There is no {hook}.'])


def test_the_hook_does_nothing_without_this_package(environment):
    run, hook = environment
    assert run('-m', 'estimator_lab.run', '--install-hook')[0] == 0
    assert run('-S', '-c', f'exec(open({str(hook)!r}).read())')[::2] == (0, '')


def test_notebooks(run_python):
    code = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
shell.run_line_magic('load_ext', 'estimator_lab')
shell.run_cell('from tensorflow.compat.v1 import estimator; print(estimator.Estimator.__name__)')
"""
    done = run_python('-c', code)
    assert done.stdout.splitlines()[-1] == 'Estimator', done.stderr
