import numpy as np

from estimator_lab.core.style.network import OPERATIONS, RANDOM_LAYERS, random_network, without_weights
from estimator_lab.tf1 import tf


def test_random_filters_against_numpy():
    """The first layer, at a pixel in the middle; it is the same network each time."""
    network = random_network(3)
    picture = np.random.default_rng(0).random((1, 5, 6, 3)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        maps = network.in_graph()(tf.constant(picture), list(RANDOM_LAYERS))
        session.run(tf.local_variables_initializer())
        found = session.run(maps)
    kernel = network.weights['conv1']
    by_hand = np.maximum(np.tensordot(picture[0, 1:4, 2:5] - 0.5, kernel, 3), 0)
    assert np.allclose(found['conv1'][0, 2, 3], by_hand, atol=1e-5)
    assert found['conv2'].shape == (1, 3, 3, RANDOM_LAYERS['conv2'])
    assert np.array_equal(kernel, random_network(3).weights['conv1'])
    assert {node.op for node in network.graph.node} <= OPERATIONS


def test_weights_are_neither_trained_nor_saved_nor_in_the_graph():
    network = random_network(1)
    with tf.Graph().as_default() as graph:
        network.in_graph()(tf.zeros([1, 8, 8, 1]), ['conv4'])
        assert not tf.global_variables() and not tf.trainable_variables()
        assert len(tf.local_variables()) == len(RANDOM_LAYERS)
        assert graph.as_graph_def().ByteSize() < min(
            w.nbytes for n, w in network.weights.items() if n != 'conv1'
        )


def test_without_weights():
    with tf.Graph().as_default() as graph:
        tf.constant([1.0, 2.0], name='kernel')
        tf.constant(3.0, name='mean')
    parted, weights = without_weights(graph.as_graph_def(), ['kernel'])
    assert list(weights) == ['kernel'] and weights['kernel'].tolist() == [1, 2]
    assert {node.name: node.op for node in parted.node} == {'kernel': 'Placeholder', 'mean': 'Const'}
    assert graph.as_graph_def().node[0].op == 'Const', 'the given one stays as it is'
