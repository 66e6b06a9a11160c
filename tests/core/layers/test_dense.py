"""The dense layer with its own gradient, against `tf.layers.Dense`; sparse initial weights."""

import numpy as np
import pytest

from estimator_lab.core.layers.dense import Dense, SparseInitializer
from estimator_lab.models import cnn
from estimator_lab.tf1 import tf
from tests.graphs import evaluate


def outputs_and_gradients(layer, values, factors):
    """Returns the layer's outputs and the gradients of (outputs * factors) by input, kernel and bias."""

    def build():
        inputs = tf.constant(values)
        outputs = layer(5, tf.nn.relu, kernel_initializer=tf.glorot_uniform_initializer())(inputs)
        assert [v.name for v in tf.trainable_variables()] == ['dense/kernel:0', 'dense/bias:0']
        gradients = tf.gradients(tf.reduce_sum(outputs * factors), [inputs, *tf.trainable_variables()])
        return [outputs, *gradients]

    return evaluate(build)


@pytest.mark.parametrize('rows', [1, 4])
def test_outputs_and_gradients_are_tensorflows(rows):
    rng = np.random.default_rng(1)
    values, factors = rng.normal(size=(rows, 7)), rng.normal(size=(rows, 5))
    ours, theirs = (
        outputs_and_gradients(layer, values.astype(np.float32), factors.astype(np.float32))
        for layer in (Dense, tf.layers.Dense)
    )
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert any(np.abs(gradient).max() > 0.1 for gradient in ours[1:])


def test_the_gradient_does_not_transpose_the_kernel():
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
    # The outputs' gradient, multiplied by the transposed kernel; the input.
    assert first_factors(tf.layers.Dense) == [[2, 4], [2, 3]]


def test_products_are_computed_on_the_kernels_device():
    """Otherwise each step of the default network would transfer 134 MB in both directions."""
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


def kernels(seed, *shapes, incoming=15):
    def build():
        initializer = SparseInitializer(incoming)
        return [
            tf.get_variable(f'kernel_{n}', shape, initializer=initializer) for n, shape in enumerate(shapes)
        ]

    return evaluate(build, seed)


def test_each_unit_has_fifteen_nonzero_weights_of_deviation_1():
    (kernel,) = kernels(1, (200, 1000))
    assert np.all((kernel != 0).sum(axis=0) == 15)
    drawn = kernel[kernel != 0]
    assert abs(drawn.mean()) < 0.03 and abs(drawn.std() - 1) < 0.03
    # Every input is used: by 75 units on average.
    assert (kernel != 0).sum(axis=1).min() > 30


def test_units_with_few_inputs_have_all_weights():
    assert np.all(kernels(1, (4, 6))[0] != 0)
    assert np.all((kernels(1, (30, 6), incoming=3)[0] != 0).sum(axis=0) == 3)


def test_sparse_kernels_depend_on_the_seed_and_differ():
    one, other = kernels(1, (40, 40), (40, 40))
    assert not np.array_equal(one, other)
    assert np.array_equal(kernels(1, (40, 40), (40, 40)), [one, other])
    assert not np.array_equal(kernels(2, (40, 40))[0], one)
