import numpy as np
import pytest

from estimator_lab.core.model.endpoints import (
    COLLECTION,
    Endpoint,
    first_filters,
    maps_of,
    publish,
    published,
)
from estimator_lab.tf1 import tf


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def convolution(images, maps):
    layer = tf.layers.Conv2D(maps, 3)
    values = layer(images)
    return Endpoint(values, layer.kernel)


def test_published_endpoints_are_found_again_in_their_order(graph):
    conv = convolution(tf.zeros([1, 8, 8, 3]), 4)
    given = {'conv1': conv, 'pool1': Endpoint(tf.layers.max_pooling2d(conv.values, 2, 2))}
    publish(given)
    found = published(graph)
    assert list(found) == ['conv1', 'pool1']
    assert found['conv1'].values is conv.values and found['pool1'].kernel is None
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert np.array_equal(*session.run([found['conv1'].kernel, conv.kernel]))


def test_they_go_into_a_meta_graph(graph):
    publish({'conv1': convolution(tf.zeros([1, 8, 8, 1]), 2)})
    meta = tf.train.export_meta_graph()
    with tf.Graph().as_default() as other:
        tf.train.import_meta_graph(meta)
        assert published(other)['conv1'].values.shape.as_list() == [1, 6, 6, 2]
    assert COLLECTION in meta.collection_def


def test_a_graph_of_other_peoples_has_none(graph):
    tf.layers.conv2d(tf.zeros([1, 8, 8, 1]), 2, 3)
    assert published(graph) == {}


def test_maps_are_what_convolutions_made(graph):
    conv = convolution(tf.zeros([1, 8, 8, 3]), 4)
    dense = Endpoint(tf.zeros([1, 5]), tf.zeros([9, 5]))
    maps = maps_of({'conv1': conv, 'pool1': Endpoint(conv.values), 'dense': dense})
    assert list(maps) == ['conv1'] and maps['conv1'] is conv.values


def test_filters_of_a_convolution_are_its_kernel(graph):
    conv = convolution(tf.zeros([1, 8, 8, 3]), 4)
    flat = Endpoint(tf.zeros([1, 8, 8, 3]))
    found = first_filters({'whitened': flat, 'conv1': conv}, (8, 8, 3))
    assert list(found) == ['filters_conv1'] and found['filters_conv1'].shape == (3, 3, 3, 4)


def test_receptive_fields_are_the_weights_of_each_unit_as_an_image(graph):
    weights = np.arange(12 * 5, dtype=np.float32).reshape(12, 5)
    endpoints = {'layer1': Endpoint(tf.zeros([1, 5]), tf.constant(weights))}
    with tf.Session() as session:
        fields = session.run(first_filters(endpoints, (2, 3, 2))['receptive_fields'])
    assert fields.shape == (2, 3, 2, 5)
    for unit in range(5):
        assert np.array_equal(fields[..., unit].ravel(), weights[:, unit])
    assert first_filters(endpoints, (4, 4, 1)) == {}, 'it does not see a whole image'
