"""Which TensorFlow the modules of a program get, decided from their text."""

import ast
import importlib
import sys

import pytest

from estimator_lab.tf1.evidence import evidence_of
from estimator_lab.tf1.programs import Programs, with_version_1

pytestmark = [pytest.mark.both, pytest.mark.trains]

V1, V2 = (importlib.import_module(name) for name in ('tensorflow.compat.v1', 'tensorflow'))


@pytest.mark.parametrize(
    ('text', 'version', 'behaviour'),
    [
        ('import tensorflow as tf; tf.layers.dense', 1, True),
        ('import tensorflow; tensorflow.train.AdamOptimizer', 1, True),
        ('from tensorflow import gfile', 1, True),
        ('from tensorflow.gfile import Exists', 1, True),
        ('import tensorflow as tf; tf.metrics.accuracy', 1, True),
        ('import tensorflow as tf; tf.estimator.inputs.numpy_input_fn; tf.feature_column', 1, True),
        ('import tensorflow as tf; tf.estimator.inputs.pandas_input_fn', 1, True),
        ('import tensorflow as tf; tf.layers.dense; tf.losses.Reduction.SUM', 1, True),
        ('import tensorflow as tf; tf.layers.dense; tf.metrics.AUC', 1, True),
        ('import tensorflow as tf; tf.losses.Reduction.SUM', None, False),
        ('import tensorflow as tf; tf.losses.Reduction.AUTO', 2, False),
        ('import tensorflow as tf; tf.losses.Reduction.SUM_BY_NONZERO_WEIGHTS', 1, True),
        ('import tensorflow as tf; tf.reduce_sum(x, keep_dims=True)', 1, True),
        ('import tensorflow as tf; layers = tf.layers; layers.dense', 1, True),
        ('import tensorflow.contrib.slim as slim', 1, True),
        ('from tensorflow.contrib import layers', 1, True),
        ('import tensorflow as tf; tf.contrib.layers; tf.compat.v1.flags', 1, True),
        ('import tensorflow as tf; tf.function; tf.metrics.AUC; tf.estimator', 2, False),
        ('import tensorflow as tf; tf.compat.v1.layers.dense', None, False),
        ('import tensorflow as tf; tf.compat.v1.Session', None, False),
        ('import tensorflow as tf; tf.nn.relu; tf.estimator.Estimator; tf.losses', None, False),
        ('import tensorflow as tf; tf.keras.layers.Dense', None, False),
        ('import tensorflow.compat.v1 as tf; tf.layers.dense', None, False),
        ('import tensorflow.compat.v1 as tf; tf.placeholder', None, True),
        ('from tensorflow.compat import v1 as tf; x.shape[0].value', None, True),
        ('import tensorflow.compat.v1 as tf; tf.placeholder; tf.enable_v2_behavior()', None, False),
        ('import tensorflow.compat.v1 as tf; tf.GradientTape; tf.Session', None, False),
        ('from tensorflow.python.ops import nn', None, False),
        ('import numpy', None, False),
        ('import tensorflow as tf; tf.function; tf.estimator.DNNClassifier', 2, False),
        ('import tensorflow as tf; tf.saved_model.load("x")', 2, False),
        ('import tensorflow as tf; tf.saved_model.load(s, ["x"], "y"); tf.Session', 1, True),
        ('import tensorflow as tf; tf.enable_eager_execution(); tf.GradientTape', 1, False),
        ('import tensorflow.train as train; train.AdamOptimizer', 1, True),
        ('import tensorflow.keras.backend as K; K.get_session', 1, True),
        ('import tensorflow as tf; tf.keras.optimizers.AdamW', 2, False),
        ('import tensorflow as tf; tf.keras.optimizers.Adam', None, False),
        ('import tensorflow as tf; tf.initializers.zeros', None, False),
        ('from tensorflow import gfile; gfile = x; gfile.Open', 1, True),
        ('from tensorflow.examples.tutorials.mnist import input_data', 1, True),
        ('import tensorflow as tf; tf.mul', 1, True),
        ('import tensorflow as tf; tf.scalar_summary', 1, True),
    ],
)
def test_the_names_that_a_module_uses_decide(text, version, behaviour):
    evidence = evidence_of(ast.parse(text.replace('; ', '\n')))
    assert (evidence.version, evidence.behaviour) == (version, behaviour)


@pytest.mark.parametrize(
    ('before', 'after'),
    [
        ('import tensorflow as tf, os', 'import tensorflow.compat.v1 as tf, os'),
        ('import tensorflow', 'import tensorflow.compat.v1 as tensorflow'),
        ('from tensorflow import gfile as files', 'from tensorflow.compat.v1 import gfile as files'),
        (
            'from tensorflow.train import AdamOptimizer',
            'from tensorflow.compat.v1.train import AdamOptimizer',
        ),
        (
            'import tensorflow.contrib.slim',
            'import tensorflow.contrib.slim\nimport tensorflow.compat.v1 as tensorflow',
        ),
        *[
            (f'import tensorflow.{name} as x', f'from tensorflow.compat.v1 import {name} as x')
            for name in (
                *('feature_column', 'train', 'layers', 'metrics', 'nn', 'losses', 'summary', 'image', 'data'),
                *('random', 'keras', 'estimator', 'gfile', 'initializers'),
            )
        ],
        (
            'import tensorflow.keras.backend as K, os',
            'import os\nfrom tensorflow.compat.v1.keras import backend as K',
        ),
        (
            'import tensorflow.train',
            'import tensorflow.train\nimport tensorflow.compat.v1 as tensorflow',
        ),
        ('from tensorflow.layers import dense', 'from tensorflow.compat.v1.layers import dense'),
        ('from tensorflow import python', 'from tensorflow.compat.v1 import python'),
        ('from tensorflow.keras import layers', 'from tensorflow.compat.v1.keras import layers'),
        (
            'from tensorflow.estimator import DNNClassifier as C',
            'from tensorflow.compat.v1.estimator import DNNClassifier as C',
        ),
        *[
            (same, same)
            for same in (
                'from tensorflow.compat import v1',
                'from tensorflow.contrib.layers import conv2d',
                'import tensorflow.contrib.eager as tfe',
                'import tensorflow.python.ops.nn as nn',
                'from tensorflow.python.ops import nn',
                'import tensorflow.compat.v2 as tf',
                'from .tensorflow import x',
            )
        ],
    ],
)
def test_imports_of_tensorflow_1(before, after):
    assert ast.unparse(with_version_1(ast.parse(before))) == after


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Returns a function that writes modules and imports one of them as part of a program."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, 'meta_path', list(sys.meta_path))
    monkeypatch.setattr(V1, 'disable_v2_behavior', lambda: None)  # of the process, and so of later tests
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(vars(module).get('__file__')).startswith(str(tmp_path)):
            del sys.modules[name]


SPELLINGS = """
import tensorflow
import tensorflow.feature_column as fc, tensorflow.keras.backend as K
import tensorflow.train, tensorflow.python.framework.ops
import tensorflow.metrics as metrics
from tensorflow.estimator import DNNClassifier
from tensorflow.keras.layers import GRU
from tensorflow import losses as costs, python
import tensorflow.gfile as gf
found = (
    tensorflow.train.AdamOptimizer, tensorflow.python.framework.ops.Tensor, python.framework,
    fc.input_layer, K.get_session, metrics.accuracy, costs.absolute_difference, DNNClassifier, GRU, gf.Exists,
)
"""


def test_every_spelling_of_an_import_gives_tensorflow_1(program):
    (program / 'spellings.py').write_text(SPELLINGS)
    sys.meta_path.insert(0, Programs())
    found = importlib.import_module('spellings').found
    assert found[0] is V1.train.AdamOptimizer and found[3] is V1.feature_column.input_layer
    assert found[-3:-1] == (V1.estimator.DNNClassifier, V1.keras.layers.GRU)
    assert V1.keras.layers.GRU is not V2.keras.layers.GRU


def write(folder, **modules):
    for name, text in modules.items():
        (folder / f'{name}.py').write_text(f'import tensorflow as tf\n{text}\n')


def test_a_module_with_names_of_both_follows_the_main_module(program):
    write(program, main_one='tf.gfile', main_two='tf.compat.v1', undecided_a='tf.nn', undecided_b='tf.nn')
    for main, other, expected in (('main_one', 'undecided_a', V1), ('main_two', 'undecided_b', V2)):
        finder = Programs()
        sys.meta_path.insert(0, finder)
        finder.read_main(str(program / f'{main}.py'))
        assert importlib.import_module(other).tf is expected
        sys.meta_path.remove(finder)


@pytest.mark.parametrize(
    ('main', 'module', 'version', 'says'),
    [
        ('tf.nn.relu', 'tf.nn', V1, False),
        ('tf.function', 'tf.nn', V2, False),
        ('tf.compat.v1.flags', 'tf.nn', V2, False),
        ('tf.constant(1).numpy()', 'tf.nn', V2, False),
        ('data.make_one_shot_iterator()', 'tf.nn', V1, False),
        ('tf.nn.relu', 'tf.metrics.AUC', V2, False),
        ('tf.nn.relu', 'tf.estimator.DNNClassifier', V1, True),
        ('tf.compat.v1.flags', 'tf.losses.mean_squared_error', V2, True),
        ('tf.gfile', 'tf.estimator.DNNClassifier', V1, False),
        ('tf.estimator.LinearRegressor', 'tf.keras.optimizers.Adam', V1, True),
        ('tf.nn.relu', 'tf.estimator.Estimator; tf.keras.layers.Dense', V1, False),
    ],
)
def test_a_main_module_without_a_name_of_tensorflow_2_is_tensorflow_1(
    program, capsys, main, module, version, says
):
    write(program, main=main, module_of_both=f'def never():\n    {module}')
    finder = Programs()
    sys.meta_path.insert(0, finder)
    finder.read_main(str(program / 'main.py'))
    assert importlib.import_module('module_of_both').tf is version
    taken, other = (1, 2) if version is V1 else (2, 1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == says
    for line in lines:
        assert f' TensorFlow {taken} is taken; for TensorFlow {other}, give the flag --v{other}.' in line


def test_without_a_main_module_of_tensorflow_the_first_module_that_decides_does(program):
    (program / 'main.py').write_text('import first_module')
    write(program, first_module='tf.function', second_module='tf.nn')
    finder = Programs()
    sys.meta_path.insert(0, finder)
    finder.read_main(str(program / 'main.py'))
    assert [importlib.import_module(f'{name}_module').tf for name in ('first', 'second')] == [V2, V2]


@pytest.mark.parametrize(('forced', 'expected'), [(1, V1), (2, V2)])
def test_a_flag_decides_for_all_modules(program, capsys, forced, expected):
    write(program, forced_a='tf.gfile', forced_b='tf.estimator.DNNClassifier', forced_c='tf.function')
    sys.meta_path.insert(0, Programs(forced))
    found = {importlib.import_module(f'forced_{name}').tf for name in 'bc' if expected is V2 or name != 'a'}
    assert found == {expected} and not capsys.readouterr().err


def test_a_helper_of_tensorflow_1_leaves_the_behaviour_that_the_main_module_chose(program, monkeypatch):
    monkeypatch.setattr(V1, 'disable_v2_behavior', lambda: pytest.fail('behaviour was changed'))
    write(program, main='tf.enable_eager_execution()', eager_helper='def never():\n    tf.layers.dense')
    finder = Programs()
    sys.meta_path.insert(0, finder)
    finder.read_main(str(program / 'main.py'))
    assert importlib.import_module('eager_helper').tf is V1


def test_installed_packages_are_decided_alone_and_change_no_behaviour(program, monkeypatch):
    write(
        program,
        library_old='tf.placeholder',
        library_new='tf.compat.v1',
        library_mixed='def never():\n    return tf.gfile, tf.compat.v1',
    )
    monkeypatch.setattr(V1, 'disable_v2_behavior', lambda: pytest.fail('behaviour was changed'))
    sys.meta_path.insert(0, Programs(installed=(str(program),)))
    found = [importlib.import_module(f'library_{name}').tf for name in ('old', 'new', 'mixed')]
    assert found == [V1, V2, V2]


def test_old_uses_of_numpy_run_in_modules_of_the_program_only(program, monkeypatch):
    text = 'import numpy as np\nFOUND = int(np.array([3]))\n'
    (program / 'own_numbers.py').write_text(text)
    sys.meta_path.insert(0, Programs())
    assert importlib.import_module('own_numbers').FOUND == 3
    installed = program / 'installed'
    (installed / 'some-1.0.dist-info').mkdir(parents=True)
    (installed / 'others_numbers.py').write_text(text)
    monkeypatch.syspath_prepend(str(installed))
    programs = Programs()
    assert programs.code(text.encode(), str(installed / 'others_numbers.py'), own=True) is None
    assert programs.code(text.encode(), str(program / 'numbers.py'), own=False) is None
    assert programs.code(text.encode(), str(program / 'numbers.py'), own=True)


def test_files_that_are_not_python_fail_as_without_us(program):
    (program / 'broken_a.py').write_text("import tensorflow\nprint 'x'\n")
    (program / 'broken_b.py').write_bytes(b'import tensorflow\0')
    sys.meta_path.insert(0, Programs())
    for name in ('broken_a', 'broken_b'):
        with pytest.raises(SyntaxError):
            importlib.import_module(name)


def test_code_that_numba_reads_is_adapted_by_its_import_alone(program):
    """TensorFlow 2's is left as it is."""
    write(program, main='tf.gfile')
    finder = Programs()
    finder.read_main(str(program / 'main.py'))
    source, names = b'import tensorflow as tf  # numba\ntf.%s', {}
    exec(finder.code(source % b'gfile', 'one.py', own=True), names)
    assert names['tf'] is V1
    assert finder.code(source % b'function', 'two.py', own=True) is None
