"""Images as waves: their gradient against finite differences, the covariance of colours, and Adam."""

import numpy as np
import pytest

from estimator_lab.inference.inceptionism.fourier import COLOUR_COVARIANCE, Adam, Waves, colour_axes
from estimator_lab.tf1 import tf


@pytest.mark.parametrize('shape', [(2, 6, 8, 3), (1, 7, 9, 1), (1, 5, 8, 3), (1, 1, 2, 1)])
def test_the_gradient_by_the_amplitudes_is_that_of_finite_differences(shape):
    rng = np.random.default_rng(1)
    waves, uphill = Waves(shape, rng), rng.standard_normal(shape, np.float32)
    start = rng.standard_normal(waves.amplitudes.shape)  # in float64, for small steps
    waves.amplitudes = start
    gradient = waves.gradient(waves.images(), uphill)
    assert gradient.shape == start.shape

    def objective(change):
        waves.amplitudes = start + change
        return np.sum(waves.images().astype(float) * uphill)

    for _ in range(4):
        step = 0.01 * rng.standard_normal(start.shape)
        rise = objective(step) - objective(-step)
        assert np.sum(2 * step * gradient) == pytest.approx(rise, rel=0.01, abs=1e-4)


def test_colours_are_decorrelated():
    axes = colour_axes(3).astype(float)
    share = axes @ axes.T / COLOUR_COVARIANCE
    assert share == pytest.approx(share[0, 0], rel=1e-4)
    assert np.linalg.norm(axes, axis=0).max() == pytest.approx(1)
    pixels = np.random.default_rng(1).multivariate_normal([0.5] * 3, COLOUR_COVARIANCE, 20_000)
    correlations = np.corrcoef((pixels @ np.linalg.inv(axes).T).T)
    assert correlations == pytest.approx(np.eye(3), abs=0.03)
    assert colour_axes(1).tolist() == [[1]]


def test_images_start_as_faint_noise_of_all_frequencies():
    images = Waves((3, 64, 48, 3), np.random.default_rng(1)).images()
    assert images.shape == (3, 64, 48, 3) and images.dtype == np.float32
    assert images.mean() == pytest.approx(0.5, abs=0.01) and 0.02 < images.std() < 0.04
    assert not np.allclose(images[0], images[1])
    power = np.abs(np.fft.fft2(images[..., 0] - 0.5)).mean(0)  # amplitudes fall with the frequency
    assert power[1, 1] > 3 * power[8, 8] > 4 * power[24, 24]


def test_the_same_steps_as_tensorflows_adam():
    start = np.array([1.0, -2.0, 0.0], np.float32)
    gradients = [np.array(row, np.float32) for row in ([1, 2, 0], [-3, 0.5, 0], [0.1, 1, 0])]
    found = start.copy()
    adam = Adam(found, 0.1)
    with tf.Graph().as_default(), tf.Session() as session:
        variable, given = tf.Variable(start), tf.placeholder(tf.float32, [3])
        step = tf.train.AdamOptimizer(0.1).apply_gradients([(-given, variable)])
        session.run(tf.global_variables_initializer())
        for gradient in gradients:
            session.run(step, {given: gradient})
            adam.climb(gradient)
        assert found == pytest.approx(session.run(variable), rel=1e-4)
