"""Which names of imported modules a program uses, read from its text."""

import ast

import pytest

from estimator_lab.tf1.uses import uses

pytestmark = pytest.mark.both


def found(text):
    return list(uses(ast.parse(text)))


@pytest.mark.parametrize(
    ('handler', 'is_handled'),
    [
        ('except ImportError:\n    x = None', True),
        ('except (KeyError, AttributeError):\n    x = None', True),
        ('except Exception as error:\n    x = None', True),
        ('except:\n    x = None', True),
        ('except ImportError:\n    raise', False),
        ('except KeyError:\n    x = None', False),
        ('finally:\n    x = None', False),
    ],
)
def test_a_program_that_expects_a_name_to_be_missing(handler, is_handled):
    (imported,) = found(f'try:\n    from tensorflow import no_such as x\n{handler}\n')
    assert (imported.name, imported.is_handled) == ('tensorflow.no_such', is_handled)


@pytest.mark.parametrize(
    ('text', 'name'),
    [
        ('layers = tf.layers\nlayers.dense', 'tensorflow.layers.dense'),
        ('layers = tf.layers\nlayers = mine()\nlayers.dense', ''),
        ('if old:\n    layers = tf.layers\nelse:\n    layers = mine\nlayers.dense', ''),
        ('def f(layers):\n    return layers.dense\nlayers = tf.layers', ''),
        ('layers = tf\nlayers.dense', ''),
        ('def f(tf):\n    return tf.layers.dense', ''),
        ('def f(x):\n    return tf.layers.dense', 'tensorflow.layers.dense'),
    ],
)
def test_a_name_stands_for_what_it_is_assigned_only_if_that_happens_once(text, name):
    names = {use.name for use in found(f'import tensorflow as tf\n{text}\n')}
    assert {each for each in names if each.endswith('dense')} == ({name} if name else set())
