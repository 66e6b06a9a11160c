import numpy as np
import pytest

from estimator_lab.core.adversarial.kernel_norm import (
    NormalizedConvolution,
    NormalizedDense,
    TransposedConvolution,
    halved,
)
from estimator_lab.tf1 import tf
from tests.differences import assert_gradients
from tests.graphs import evaluate


def test_the_spectral_norm_is_the_first_singular_value():
    """A kernel of 3x3x2 pixels and 5 maps counts as a matrix of 18x5 (Miyato et al. 2018, appendix)."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        layer = NormalizedConvolution('layer', 5, 3, normalization='spectral', bias=False)
        images = tf.eye(6, batch_shape=[1])[..., tf.newaxis] * tf.ones([2])
        made = layer(images)
        step = layer.power_steps()
        session.run(tf.global_variables_initializer())
        for _ in range(60):
            session.run(step)
        kernel, found = session.run([layer.kernel, made])
        norm = np.linalg.svd(kernel.reshape(18, 5), compute_uv=False)[0]
        plain = tf.nn.conv2d(images, kernel / norm, strides=2, padding='SAME')
        assert np.allclose(found, session.run(plain), atol=1e-4)
    assert norm != pytest.approx(1.0, abs=0.05)


def test_the_gradient_passes_through_the_norm():
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(2)
        layer = NormalizedDense('layer', 3, 'spectral', bias=False)
        values = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
        loss = tf.reduce_sum(tf.square(layer(tf.constant(values))) * np.arange(3, dtype=np.float32))
        session.run(tf.global_variables_initializer())
        for _ in range(60):  # at the exact singular vectors, their own derivatives have no effect
            session.run(layer.power_steps())
        assert_gradients(session, loss, [layer.kernel])
        kernel, gradient = session.run([layer.kernel, tf.gradients(loss, layer.kernel)[0]])
    # W / |W| does not change with the length of W.
    assert np.sum(gradient * kernel) == pytest.approx(0, abs=1e-4)


def test_weight_normalization_scales_the_weights_of_each_unit_to_length_1():
    def build():
        layer = NormalizedDense('layer', 4, 'weight')
        assert layer.power_steps() == []
        return layer(tf.eye(7))

    assert np.allclose(np.linalg.norm(evaluate(build), axis=0), 1, atol=1e-5)


def test_all_calls_of_a_layer_share_its_weights():
    with tf.Graph().as_default():
        layer = NormalizedDense('some/layer', 4, 'spectral')
        layer(tf.ones([1, 3]))
        layer(tf.ones([2, 3]))
        names = [v.op.name for v in tf.global_variables()]
        assert sorted(names) == ['some/layer/bias', 'some/layer/direction', 'some/layer/kernel']
        assert len(tf.trainable_variables()) == 2


@pytest.mark.parametrize('sides', [(6, 8), (5, 7)])
def test_a_transposed_convolution_is_the_gradient_of_a_convolution(sides):
    """<conv(x), y> = <x, transposed(y)> for all x and y, also for odd sides."""
    rng = np.random.default_rng(1)
    images = rng.normal(size=(2, *sides, 3)).astype(np.float32)
    maps = rng.normal(size=(2, *map(halved, sides), 4)).astype(np.float32)

    def build():
        layer = TransposedConvolution('layer', 3, 4, sides, bias=False)
        back = layer(tf.constant(maps))
        return back, tf.nn.conv2d(tf.constant(images), layer.kernel, strides=2, padding='SAME')

    made, seen = evaluate(build)
    assert made.shape == images.shape and seen.shape == maps.shape
    assert np.sum(seen * maps) == pytest.approx(np.sum(images * made), rel=1e-3)
