import pytest

from estimator_lab.core.endpoints import publish
from estimator_lab.core.layer_sizes import LayerSize, layer_sizes, summary_lines
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both


def test_the_table():
    layers = [LayerSize('conv1', '8x8x2', 52, 0), LayerSize('norm', '', 4, 1000)]
    assert list(summary_lines(layers, '; note')) == [
        'Layer                        output               parameters',
        'conv1                        8x8x2                        52',
        'norm                                                       4',
        'All                          56 parameters, and 1,000 other values; note',
    ]


def test_variables_without_an_endpoint_are_counted_by_scope(graph):
    publish('dense', tf.layers.dense(tf.zeros([2, 3]), 4, name='dense'))
    with tf.variable_scope('more'):
        tf.get_variable('a', [5])
        tf.get_variable('b', [2, 3], trainable=False)
    assert layer_sizes(graph, tf.global_variables()) == [
        LayerSize('dense', '4', 3 * 4 + 4, 0),
        LayerSize('more', '', 5, 6),
    ]
