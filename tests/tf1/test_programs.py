"""Which TensorFlow the modules of a program get, decided from their text."""

import ast
import importlib
import sys

import pytest

from estimator_lab.tf1.programs import Programs, style_of, with_version_1

V1, V2 = (importlib.import_module(name) for name in ('tensorflow.compat.v1', 'tensorflow'))


@pytest.mark.parametrize(
    ('text', 'v1', 'behaviour'),
    [
        ('import tensorflow as tf; tf.layers.dense', True, True),
        ('import tensorflow; tensorflow.train.AdamOptimizer', True, True),
        ('from tensorflow import gfile', True, True),
        ('from tensorflow.gfile import Exists', True, True),
        ('import tensorflow as tf; tf.metrics.accuracy', True, True),
        ('import tensorflow as tf; tf.estimator.inputs.numpy_input_fn; tf.feature_column', True, True),
        ('import tensorflow as tf; tf.estimator.inputs.pandas_input_fn', True, True),
        ('import tensorflow as tf; tf.layers.dense; tf.losses.Reduction.SUM', True, True),
        ('import tensorflow as tf; tf.layers.dense; tf.metrics.AUC', True, True),
        ('import tensorflow as tf; tf.losses.Reduction.SUM', None, False),
        ('import tensorflow as tf; tf.reduce_sum(x, keep_dims=True)', True, True),
        ('import tensorflow as tf; layers = tf.layers; layers.dense', True, True),
        ('import tensorflow.contrib.slim as slim', True, True),
        ('from tensorflow.contrib import layers', True, True),
        ('import tensorflow as tf; tf.contrib.layers; tf.compat.v1.flags', True, True),
        ('import tensorflow as tf; tf.function; tf.metrics.AUC; tf.estimator', False, False),
        ('import tensorflow as tf; tf.compat.v1.layers.dense', False, False),
        ('import tensorflow as tf; tf.compat.v1.Session', False, False),
        ('import tensorflow as tf; tf.nn.relu; tf.estimator.Estimator; tf.losses', None, False),
        ('import tensorflow as tf; tf.keras.layers.Dense', None, False),
        ('import tensorflow.compat.v1 as tf; tf.layers.dense', None, False),
        ('import tensorflow.compat.v1 as tf; tf.placeholder', None, True),
        ('from tensorflow.compat import v1 as tf; x.shape[0].value', None, True),
        ('import tensorflow.compat.v1 as tf; tf.placeholder; tf.enable_v2_behavior()', None, False),
        ('import tensorflow.compat.v1 as tf; tf.GradientTape; tf.Session', None, False),
        ('from tensorflow.python.ops import nn', None, False),
        ('import numpy', None, False),
    ],
)
def test_the_names_that_a_module_uses_decide(text, v1, behaviour):
    style = style_of(ast.parse(text.replace('; ', '\n')))
    assert (style.v1, style.behaviour) == (v1, behaviour)


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
            (same, same)
            for same in (
                'from tensorflow import python',
                'from tensorflow.compat import v1',
                'from tensorflow.contrib.layers import conv2d',
                'from tensorflow.keras import layers',
                'from tensorflow.layers import dense',
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
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


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


def test_files_that_are_not_python_fail_as_without_us(program):
    (program / 'broken_a.py').write_text("import tensorflow\nprint 'x'\n")
    (program / 'broken_b.py').write_bytes(b'import tensorflow\0')
    sys.meta_path.insert(0, Programs())
    for name in ('broken_a', 'broken_b'):
        with pytest.raises(SyntaxError):
            importlib.import_module(name)
