"""Gradients against central differences, in float64, on a smooth network."""

import numpy as np
import pytest

from estimator_lab.inference.saliency import grad_cam, pixel_gradient, saliency
from estimator_lab.tf1 import tf

SHAPE = (1, 5, 4, 3)
STEP = 1e-5


@pytest.fixture
def network():
    """A convolution, tanh and a dense layer; in a graph of its own."""
    rng = np.random.default_rng(1)
    with tf.Graph().as_default(), tf.Session() as session:
        images = tf.placeholder(tf.float64, SHAPE)
        maps = tf.nn.tanh(tf.nn.conv2d(images, tf.constant(rng.normal(size=(3, 3, 3, 2))), 1, 'SAME'))
        score = tf.reduce_sum(tf.reshape(maps, [-1]) * tf.constant(rng.normal(size=40)))
        yield session, images, maps, score, rng.random(SHAPE)


def differences(of, at):
    """Returns d of / d at by central differences, of the shape of `at`."""
    found = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        step = np.zeros_like(at)
        step[place] = STEP
        found[place] = (of(at + step) - of(at - step)) / (2 * STEP)
    return found


def test_saliency_is_the_largest_change_of_the_score_by_a_channel(network):
    session, images, _, score, image = network
    expected = differences(lambda at: session.run(score, {images: at}), image)
    gradient = pixel_gradient(score, images)
    assert session.run(gradient, {images: image}) == pytest.approx(expected, abs=1e-6)
    assert session.run(saliency(gradient), {images: image}) == pytest.approx(
        np.abs(expected).max(axis=3), abs=1e-6
    )


def test_grad_cam_weighs_each_map_by_the_mean_change_of_the_score(network):
    session, images, maps, score, image = network
    at = session.run(maps, {images: image})
    # The maps themselves are fed, so that the score can be asked what it makes of slightly other ones.
    weights = differences(lambda changed: session.run(score, {maps: changed}), at).mean(axis=(1, 2))[0]
    expected = np.maximum(sum(weights[k] * at[..., k] for k in range(2)), 0)
    assert 0 < np.count_nonzero(expected) < expected.size
    assert session.run(grad_cam(score, maps), {images: image}) == pytest.approx(expected, abs=1e-6)


def test_what_does_not_depend_has_no_gradient(network):
    _, images, maps, *_ = network
    assert pixel_gradient(tf.constant(1.0), images) is None
    assert grad_cam(tf.reduce_sum(images), maps) is None
