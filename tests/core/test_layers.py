"""The dense layer with its own gradient against `tf.layers.Dense`; activations and normalisation, NumPy."""

import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.core.layers import (
    ACTIVATIONS,
    MEAN_IMAGE,
    ActivationParams,
    FastDense,
    batch_norm,
    class_logits,
    dense,
    hidden_layers,
    image_pixels,
    network_pixels,
)
from estimator_lab.core.noise import Noise
from estimator_lab.core.params import ClassifierParams, Pixels
from estimator_lab.models import cnn
from estimator_lab.tf1 import tf
from tests.support.graphs import evaluate

pytestmark = pytest.mark.both

X = np.linspace(-3, 3, 25, dtype=np.float32)
EXACT = {
    'elu': np.where(X > 0, X, np.expm1(X)),
    'leaky_relu': np.where(X > 0, X, 0.1 * X),
    'linear': X,
    'relu': np.maximum(X, 0),
    'selu': 1.0507009873554805 * np.where(X > 0, X, 1.6732632423543772 * np.expm1(X)),
    'sigmoid': 1 / (1 + np.exp(-X)),
    'softplus': np.log1p(np.exp(X)),
    'tanh': np.tanh(X),
}


def test_activations_match_numpy():
    assert set(EXACT) == set(ACTIVATIONS)
    for name, exact in EXACT.items():
        function = ActivationParams(activation=name, slope=0.1).activation_function
        assert np.allclose(evaluate(lambda f=function: f(tf.constant(X))), exact, atol=1e-6), name


@pytest.mark.parametrize('name', EXACT)
def test_activations_follow_a_normalised_convolution(name):
    """TensorFlow fuses all three where nothing is trained, and has no kernel for some."""
    function = ActivationParams(activation=name, slope=0.1).activation_function

    def build():
        pixels = tf.placeholder_with_default(X.reshape(1, 5, 5, 1), [None, 5, 5, 1])
        maps = tf.nn.conv2d(pixels, np.ones([1, 1, 1, 1], np.float32), 1, 'SAME')
        return function(batch_norm(maps, None, 'norm'))

    assert np.allclose(evaluate(build).ravel(), EXACT[name], atol=1e-4)


def outputs_and_gradients(layer, values, factors):
    """Returns the layer's outputs and the gradients of (outputs * factors) by input, kernel and bias."""

    def build():
        inputs = tf.constant(values)
        outputs = layer(5, tf.nn.relu, name='dense', kernel_initializer=tf.glorot_uniform_initializer())(
            inputs
        )
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
        for layer in (FastDense, tf.layers.Dense)
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

    assert first_factors(FastDense) == [[3, 4], [2, 3]]  # the kernel; the input
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
    gradients = [name for name in devices if 'gradients/dense/MatMul_grad' in name]
    assert gradients
    for name in ('dense/MatMul', 'dense/Relu', *gradients):
        assert devices[name] == '/job:ps/task:0', name
    for name in ('conv2d/Conv2D', 'dense_1/MatMul'):
        assert devices[name] == '/job:worker/task:0', name


def test_dense_layers_of_one_name_share_their_variables():
    def build():
        values = tf.ones([2, 3])
        both = [dense(values, 4, 'layer', tf.nn.relu) for _ in range(2)]
        assert [v.op.name for v in tf.trainable_variables()] == ['layer/kernel', 'layer/bias']
        return both

    assert np.array_equal(*evaluate(build))


def test_hidden_layers_are_yielded_before_dropout_and_returned_after_it():
    def build():
        layers, noise = {}, Noise(tf.constant([1, 2], tf.int64))

        def network():
            layers['last'] = yield from hidden_layers(tf.ones([4, 6]), (5, 3), tf.sigmoid, noise, 0.5)

        layers.update(network())
        return layers

    found = evaluate(build)
    assert [found[name].shape for name in ('layer_1', 'layer_2', 'last')] == [(4, 5), (4, 3), (4, 3)]
    assert set(np.unique(found['last'] / found['layer_2']).round(5)) == {0, 2}


def test_a_classifier_needs_labels():
    with tf.Graph().as_default(), pytest.raises(FlagError, match='needs labels'):
        class_logits(tf.ones([2, 3]), ClassifierParams(vocabulary=()))


RNG = np.random.default_rng(0)


@pytest.mark.parametrize('counts', [True, False])
@pytest.mark.parametrize('shape', [(6, 3), (4, 2, 5, 3)])
def test_batch_normalisation(shape, counts, session):
    values = RNG.normal(2, 3, shape).astype(np.float32)
    axes = tuple(range(len(shape) - 1))
    mean, variance = values.mean(axes), values.var(axes)
    noise = Noise(tf.constant([1, 2], tf.int64), tf.constant(counts))
    trained = batch_norm(tf.constant(values), noise, 'norm')
    quiet = batch_norm(tf.constant(values), None, 'norm')
    updates = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    assert len(tf.trainable_variables()) == len(updates) == 2
    session.run(tf.global_variables_initializer())
    still, trained = session.run([quiet, trained])
    session.run(updates)
    moved = session.run({variable.op.name: variable for variable in tf.global_variables()})
    assert np.allclose(trained, (values - mean) / np.sqrt(variance + 1e-5), atol=1e-4)
    assert np.allclose(still, values / np.sqrt(1 + 1e-5), atol=1e-4), 'initial moving averages: 0 and 1'
    unbiased = values.var(axes, ddof=1)
    wanted = (0.1 * mean, 0.9 + 0.1 * unbiased) if counts else (np.zeros(3), np.ones(3))
    assert np.allclose(moved['norm/moving_mean'], wanted[0], atol=1e-4)
    assert np.allclose(moved['norm/moving_variance'], wanted[1], atol=1e-3)


def test_frozen_normalisation_is_not_trained(graph):
    batch_norm(tf.ones([2, 3]), None, 'norm', trainable=False)
    assert not tf.trainable_variables() and not tf.get_collection(tf.GraphKeys.UPDATE_OPS)


def test_pixels_are_scaled_then_centred_then_multiplied_and_back_again(session):
    images = tf.constant(np.array([0.8, 0.9, 1], np.float32).reshape(1, 1, 3, 1))
    params = ClassifierParams(pixels=Pixels(0.8, 1.0, mean=0.25, gain=2.0))
    read = network_pixels(images, params)
    assert session.run(read).ravel() == pytest.approx([-0.5, 0.5, 1.5], abs=1e-5)
    assert session.run(image_pixels(read, params)).ravel() == pytest.approx([0.8, 0.9, 1], abs=1e-6)
    assert network_pixels(images, ClassifierParams()) is images is image_pixels(images, ClassifierParams())


def test_a_mean_image_is_one_variable_that_is_not_trained_and_fits_other_sizes(session):
    first = np.arange(4, dtype=np.float32).reshape(2, 2, 1)
    params = ClassifierParams(image_shape=(2, 2, 1), pixels=Pixels(mean_image=True), first_mean=first)
    found = [network_pixels(tf.ones(shape), params) for shape in ([3, 2, 2, 1], [1, 2, 4, 1])]
    back = image_pixels(found[0], params)
    assert [variable.op.name for variable in tf.global_variables()] == [MEAN_IMAGE]
    assert not tf.trainable_variables()
    session.run(tf.global_variables_initializer())
    small, wide = session.run(found)
    assert np.array_equal(session.run(back), np.ones([3, 2, 2, 1]))
    assert np.array_equal(small, np.tile(1 - first, [3, 1, 1, 1]))
    assert wide[0, :, :, 0].tolist() == [[1, 0.5, 0, 0], [-1, -1.5, -2, -2]]
