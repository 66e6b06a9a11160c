import numpy as np
import pytest

from estimator_lab.core.endpoints import (
    first_filters,
    operation,
    probabilities_of,
    publish,
    published,
    variables_of,
)
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both


@pytest.fixture
def layers(graph):
    """A small network."""
    images = tf.zeros([2, 8, 8, 3])
    conv = tf.layers.conv2d(images, 4, 3, activation=tf.nn.relu, name='conv2d')
    pool = tf.layers.max_pooling2d(conv, 2, 2)
    dense = tf.layers.dense(tf.layers.flatten(pool), 5, name='dense')
    return {'conv1': conv, 'pool1': pool, 'dense': dense}


def test_a_meta_graph_keeps_them(graph, layers):
    publish('conv1', layers['conv1'])
    meta = tf.train.export_meta_graph()
    with tf.Graph().as_default() as other:
        tf.train.import_meta_graph(meta)
        assert published(other)['conv1'].shape.as_list() == [2, 6, 6, 4]


def test_the_operation_looks_through_changes_of_shape(layers):
    assert operation(tf.reshape(tf.identity(layers['conv1']), [2, -1])) == 'Relu'
    assert operation(layers['pool1']) == 'MaxPool'


def test_a_layer_has_the_variables_that_it_adds(layers):
    found = {name: [v.op.name for v in variables] for name, variables in variables_of(layers).items()}
    assert found == {
        'conv1': ['conv2d/kernel', 'conv2d/bias'],
        'pool1': [],
        'dense': ['dense/kernel', 'dense/bias'],
    }


def test_variables_within_a_loop_are_found(graph):
    kernel = tf.get_variable('kernel', [3, 3])
    _, values = tf.while_loop(lambda n, x: n < 3, lambda n, x: (n + 1, x @ kernel), (0, tf.ones([2, 3])))
    assert [v.op.name for v in variables_of({'loop': values})['loop']] == ['kernel']


def test_the_first_filters_of_a_convolution(graph, layers):
    tf.train.create_global_step()
    (filters,) = first_filters(graph, layers, (8, 8, 3)).items()
    assert (filters[0], filters[1].op.name) == ('filters_conv1', 'conv2d/kernel')


def test_the_first_filters_of_a_dense_layer_that_sees_the_whole_image(graph):
    tf.train.create_global_step()
    layers = {'dense': tf.layers.dense(tf.zeros([1, 12]), 5, name='layer_1')}
    fields = first_filters(graph, layers, (2, 2, 3))['receptive_fields']
    assert fields.shape.as_list() == [2, 2, 3, 5]
    assert first_filters(graph, layers, (4, 4, 1)) == first_filters(tf.Graph(), {}, (2, 2, 3)) == {}


def test_probabilities_of_large_logits_are_finite():
    found = probabilities_of(np.array([[1000.0, 1000.0 + np.log(3)], [0.0, -2000.0]]))
    assert np.allclose(found, [[0.25, 0.75], [1.0, 0.0]])
