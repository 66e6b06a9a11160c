import numpy as np
import pytest

from estimator_lab.core.endpoints import convolutions, logits_of, receptive_fields
from estimator_lab.tf1 import tf


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_convolutions_in_their_order_behind_their_activation(graph):
    images = tf.placeholder(tf.float32, [1, 8, 8, 3])
    first = tf.layers.conv2d(images, 4, 3, activation=tf.nn.elu)
    pooled = tf.layers.max_pooling2d(first, 2, 2)
    second = tf.layers.conv2d(pooled, 5, 3)
    back = tf.layers.conv2d_transpose(second, 2, 3, activation=tf.nn.sigmoid)
    found = convolutions(graph)
    assert [layer.name for layer in found] == ['conv1', 'conv2', 'transposed_conv1']
    for layer, maps in zip(found, (first, second, back), strict=True):
        assert layer.maps.shape == maps.shape
    assert found[0].maps.op.type == 'Elu' and found[1].maps.op.type == 'BiasAdd'
    assert found[0].kernel.shape == (3, 3, 3, 4)


def test_maps_that_two_layers_use_are_taken_before_these(graph):
    maps = tf.nn.conv2d(tf.zeros([1, 4, 4, 1]), tf.zeros([1, 1, 1, 2]), 1, 'SAME')
    tf.nn.relu(maps), tf.nn.sigmoid(maps)
    assert convolutions(graph)[0].maps is maps


def test_receptive_fields_are_the_weights_of_each_unit_as_an_image(graph):
    weights = np.arange(12 * 5, dtype=np.float32).reshape(12, 5)
    images = tf.placeholder(tf.float32, [1, 2, 3, 2])
    hidden = tf.matmul(tf.reshape(images, [-1, 12]), tf.constant(weights))
    tf.matmul(hidden, tf.constant(weights), transpose_b=True)
    with tf.Session() as session:
        fields = session.run(receptive_fields(graph, (2, 3, 2)))
    assert fields.shape == (2, 3, 2, 5)
    for unit in range(5):
        assert np.array_equal(fields[..., unit].ravel(), weights[:, unit])
    assert receptive_fields(graph, (4, 4, 1)) is None


def test_logits_are_what_the_softmax_was_taken_of(graph):
    logits = tf.constant([[1.0, 2.0]])
    assert logits_of(tf.identity(tf.nn.softmax(logits))).op.name == logits.op.name
    with tf.Session() as session:
        assert session.run(logits_of(tf.constant([[0.25, 0.75]]))) == pytest.approx(
            np.log([[0.25, 0.75]]), abs=1e-6
        )
