import importlib.metadata
import os
import platform

import pytest

from estimator_lab.tf1 import packages as found
from estimator_lab.tf1.packages import ONEDNN_VARIABLE, Packages, choose_variables, find_problem, installed

pytestmark = [pytest.mark.both, pytest.mark.trains]


@pytest.mark.slow
def test_app_run_prints_each_log_line_once(run_python, tmp_path):
    program = tmp_path / 'program.py'
    program.write_text(
        'from absl import logging\n'
        'from estimator_lab.tf1 import tf\n'
        'def main(arguments):\n'
        "    tf.logging.info('from TensorFlow')\n"
        "    logging.info('from absl')\n"
        'tf.app.run()\n'
    )
    done = run_python(program)
    assert done.returncode == 0
    assert done.stderr.count('from TensorFlow') == 1 and done.stderr.count('from absl') == 1


GOOD = Packages('2.21.0', estimator='2.15.0', keras='3.15.1', tf_keras='2.21.0', protobuf='7.1.0')


@pytest.mark.parametrize(
    'packages',
    [
        GOOD,
        GOOD._replace(tensorflow='2.16.2', tf_keras='2.16.0'),
        GOOD._replace(tensorflow='2.20.0', tf_keras='2.20.1', protobuf='6.33.0'),
        GOOD._replace(tensorflow='2.15.1', keras='2.15.0', tf_keras=None),
        GOOD._replace(tensorflow='2.15.1', keras='3.0.5', tf_keras='2.15.1'),
        GOOD._replace(tensorflow='2.21.0-rc1'),
    ],
)
def test_combinations_that_work_have_no_problem(packages):
    assert find_problem(packages) is None


@pytest.mark.parametrize(
    ('packages', 'words'),
    [
        (GOOD._replace(tensorflow='2.22.0'), ['TensorFlow 2.22.0', "'tensorflow>=2.15,<2.22'"]),
        (GOOD._replace(tensorflow='2.14.1'), ['TensorFlow 2.14.1', '2.15 to 2.21']),
        (GOOD._replace(estimator=None), ['not installed', 'pip install tensorflow-estimator==2.15.0']),
        (GOOD._replace(estimator='2.14.0'), ['2.14.0 is installed']),
        (GOOD._replace(tf_keras=None), ['tf-keras', "pip install 'tf-keras==2.21.*'"]),
        (GOOD._replace(tf_keras='2.20.1'), ['tf-keras 2.20.1', 'TensorFlow 2.21.0', '==2.21.*']),
        (GOOD._replace(tensorflow='2.20.0', tf_keras='2.20.1'), ['protobuf 7.1.0', "'protobuf<7'"]),
    ],
)
def test_a_problem_is_one_sentence_that_says_what_to_install(packages, words):
    problem = find_problem(packages)
    assert all(word in problem for word in words)
    assert '\n' not in problem and problem.endswith('.')


def test_a_nightly_build_counts_as_the_package(monkeypatch):
    found = {'tf-keras-nightly': '2.23.0.dev1', 'keras': '3.15.1'}

    def version(name):
        if name not in found:
            raise importlib.metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(importlib.metadata, 'version', version)
    assert [installed(name) for name in ('tf-keras', 'keras', 'protobuf')] == ['2.23.0.dev1', '3.15.1', None]


@pytest.mark.slow
def test_keras_3_by_environment_is_kept_and_estimator_raises(run_python):
    code = """
import keras
assert keras.__version__ >= '3', 'Keras 2'
from estimator_lab.tf1 import tf
import tensorflow
assert tensorflow.keras.__name__.startswith('keras._tf_keras')
tf.estimator
tf.estimator.Estimator
"""
    done = run_python('-c', code, TF_USE_LEGACY_KERAS='0')
    if 'AssertionError: Keras 2' in done.stderr:
        pytest.skip('the installed Keras is 2')
    assert done.returncode == 1
    assert 'UserWarning: TF_USE_LEGACY_KERAS=0 asks for Keras 3' in done.stderr
    assert 'VersionError: TF_USE_LEGACY_KERAS=0 asks for Keras 3' in done.stderr


@pytest.mark.parametrize(
    ('machine', 'said', 'chosen'),
    [('x86_64', None, '1'), ('AMD64', None, '1'), ('x86_64', '0', '0'), ('aarch64', None, None)],
)
def test_onednn_is_on_where_it_helps_unless_the_user_has_chosen(monkeypatch, machine, said, chosen):
    monkeypatch.delenv(ONEDNN_VARIABLE, raising=False)
    if said is not None:
        monkeypatch.setenv(ONEDNN_VARIABLE, said)
    choose_variables(machine)
    found = os.environ.pop(ONEDNN_VARIABLE, None)
    assert found == chosen


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != 'x86_64', reason='oneDNN is not chosen on other processors')
@pytest.mark.parametrize(('said', 'native'), [('0', False), (None, True)])
def test_convolutions_run_in_onednn(run_python, said, native):
    done = run_python('-c', _KERNEL, **({ONEDNN_VARIABLE: said} if said else {}))
    assert done.stdout.strip() == str(native), done.stderr


_KERNEL = """
from estimator_lab.tf1 import tf
tf.disable_v2_behavior()
options, trace = tf.RunOptions(output_partition_graphs=True), tf.RunMetadata()
convolution = tf.nn.conv2d(tf.random_uniform([1, 8, 8, 1]), tf.random_uniform([3, 3, 1, 1]), padding='SAME')
tf.Session().run(convolution, options=options, run_metadata=trace)
print(any('_Mkl' in node.op for graph in trace.partition_graphs for node in graph.node))
"""


@pytest.mark.parametrize(('keras', 'legacy'), [('2.15.0', None), ('3.0.5', '1'), (None, '1')])
def test_keras_2_is_chosen_where_it_is_not_the_only_one(monkeypatch, keras, legacy):
    monkeypatch.setattr(found, 'installed', lambda name: {'keras': keras}[name])
    monkeypatch.delenv(found.LEGACY_KERAS_VARIABLE, raising=False)
    choose_variables()
    assert os.environ.get(found.LEGACY_KERAS_VARIABLE) == legacy


def test_packages_that_do_not_fit_are_an_error(monkeypatch):
    known = {'keras': '3.12.0', 'tf-keras': '2.21.0'}
    monkeypatch.setattr(found, 'installed', lambda name: known.get(name) or installed(name))
    found.check_packages('2.21.0')
    known['tf-keras'] = '1.0'
    with pytest.raises(found.VersionError, match='tf-keras'):
        found.check_packages('2.21.0')
