"""The dense layer with a gradient of its own, against `tf.layers.Dense`."""

import numpy as np
import pytest

from estimator_lab.core.layers.dense import Dense
from estimator_lab.models import cnn
from estimator_lab.tf1 import tf


def outputs_and_gradients(layer, values, factors):
    """Returns the layer's outputs and the gradients of (outputs * factors) by input, kernel and bias."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(3)
        inputs = tf.constant(values)
        made = layer(5, tf.nn.relu, kernel_initializer=tf.glorot_uniform_initializer())
        outputs = made(inputs)
        assert [v.name for v in tf.trainable_variables()] == ['dense/kernel:0', 'dense/bias:0']
        gradients = tf.gradients(tf.reduce_sum(outputs * factors), [inputs, *tf.trainable_variables()])
        session.run(tf.global_variables_initializer())
        return session.run([outputs, *gradients])


@pytest.mark.parametrize('rows', [1, 4])
def test_it_is_the_layer_of_tensorflow(rows):
    rng = np.random.default_rng(1)
    values, factors = rng.normal(size=(rows, 7)), rng.normal(size=(rows, 5))
    ours, theirs = (
        outputs_and_gradients(layer, values.astype(np.float32), factors.astype(np.float32))
        for layer in (Dense, tf.layers.Dense)
    )
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert any(np.abs(gradient).max() > 0.1 for gradient in ours[1:])


def test_the_gradient_takes_the_kernel_as_it_lies():
    def first_factors(layer):
        with tf.Graph().as_default():
            inputs = tf.ones([2, 3])
            gradients = tf.gradients(layer(4)(inputs), [inputs, tf.trainable_variables()[0]])
            assert [gradient.shape.as_list() for gradient in gradients] == [[2, 3], [3, 4]]
            return [
                operation.inputs[0].shape.as_list()
                for operation in tf.get_default_graph().get_operations()
                if operation.type == 'MatMul' and 'grad' in operation.name
            ]

    assert first_factors(Dense) == [[3, 4], [2, 3]]  # the kernel; the input
    assert first_factors(tf.layers.Dense) == [
        [2, 4],
        [2, 3],
    ]  # the outputs' gradient, by the kernel transposed


def test_products_are_made_where_the_kernel_lies():
    """Else 134 MB would travel each way in each step of the default network."""
    setter = tf.train.replica_device_setter(ps_tasks=1, worker_device='/job:worker/task:0')
    with tf.Graph().as_default(), tf.device(setter):
        features = {'image': tf.zeros([2, 16, 16, 1])}
        params = {'image_shape': (16, 16, 1), 'optimizer': 'sgd'}
        cnn.model_fn(features, tf.zeros([2], tf.int64), tf.estimator.ModeKeys.TRAIN, params)
        devices = {op.name: op.device for op in tf.get_default_graph().get_operations()}
    gradients = [name for name in devices if 'gradients/dense/dense/MatMul_grad' in name]
    assert gradients
    for name in ('dense/dense/MatMul', 'dense/dense/Relu', *gradients):
        assert devices[name] == '/job:ps/task:0', name
    for name in ('conv1/conv2d/Conv2D', 'logits/dense/MatMul'):
        assert devices[name] == '/job:worker/task:0', name
