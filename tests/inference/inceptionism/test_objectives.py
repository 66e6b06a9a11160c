"""Objectives against NumPy."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from estimator_lab.inference.inceptionism.objectives import (
    energy,
    filtered,
    gaussian,
    log_odds,
    of_channels,
    total_variation,
)
from estimator_lab.tf1 import tf


def run(make, *arrays):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(make(*(tf.constant(array) for array in arrays)))


@pytest.fixture
def values():
    return np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(np.float32)


def test_energy_is_the_mean_square(values):
    assert run(energy, values) == pytest.approx((values**2).mean(axis=(1, 2, 3)), rel=1e-5)


def test_one_channel_of_each_image(values):
    channels = np.array([4, 1], np.int32)
    expected = [values[0, :, :, 4].mean(), values[1, :, :, 1].mean()]
    assert run(of_channels, values, channels) == pytest.approx(expected, rel=1e-5)
    assert run(of_channels, values[:, 0, 0], channels) == pytest.approx(
        [values[0, 0, 0, 4], values[1, 0, 0, 1]]
    )


def test_log_odds_of_a_class():
    logits = np.array([[1, 2, -3], [0, 50, 0]], np.float32)
    shares = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(1, keepdims=True)
    expected = np.log(shares[0, 2] / (1 - shares[0, 2])), 50 - np.log(2)
    assert run(log_odds, logits, np.array([2, 1], np.int32)) == pytest.approx(expected, rel=1e-5)


def test_log_odds_have_a_gradient_for_every_class():
    with tf.Graph().as_default(), tf.Session() as session:
        logits = tf.constant([[1.0, 2.0, 2.0]])
        (gradient,) = tf.gradients(log_odds(logits, tf.constant([0])), logits)
        assert session.run(gradient)[0] == pytest.approx([1, -0.5, -0.5])


def test_total_variation():
    image = np.zeros((1, 3, 3, 1), np.float32)
    image[0, 1, 1] = 1  # seen from itself, from above and from the left
    assert run(total_variation, image) == pytest.approx(2**0.5 + 1 + 1, abs=0.01)


@pytest.mark.parametrize('deviation', [0, 0.5, 2.0])
def test_the_gaussian_filter_is_scipys(deviation):
    images = np.random.default_rng(3).normal(size=(2, 9, 12, 3)).astype(np.float32)
    radius = (len(gaussian(deviation)) - 1) // 2
    expected = gaussian_filter(
        images, (0, deviation, deviation, 0), mode='constant', radius=(0, radius, radius, 0)
    )
    assert run(filtered, images, gaussian(deviation)) == pytest.approx(expected, abs=1e-5)
