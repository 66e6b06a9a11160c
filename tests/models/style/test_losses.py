"""Losses against NumPy, gradients against finite differences."""

import numpy as np
import pytest

from estimator_lab.models.style.losses import content_losses, gram_matrices, style_losses, total_variation
from estimator_lab.tf1 import tf
from tests.core.helpers import values_of
from tests.support.differences import assert_gradients

pytestmark = pytest.mark.usefixtures('graph')

RNG = np.random.default_rng(0)
MAPS = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)


def gram(maps):
    flat = maps.reshape(-1, maps.shape[-1])
    return flat.T @ flat / len(flat)


def test_style_losses_are_the_mean_of_relative_distances():
    other = RNG.normal(size=(2, 2, 2, 3)).astype(np.float32)
    targets = {'a': np.stack([np.eye(5), 2 * np.eye(5)]), 'b': np.ones((2, 3, 3))}
    found = style_losses(
        {'a': tf.constant(MAPS), 'b': tf.constant(other), 'unused': tf.constant(other)},
        {name: tf.constant(target, tf.float32) for name, target in targets.items()},
    )
    for n, loss in enumerate(values_of(found)):
        distances = [
            np.sum((gram(maps[n]) - targets[name][n]) ** 2) / np.sum(targets[name][n] ** 2)
            for name, maps in (('a', MAPS), ('b', other))
        ]
        assert loss == pytest.approx(np.mean(distances), rel=1e-5)


def test_a_picture_without_activations_has_a_loss_of_1():
    nothing = tf.zeros(MAPS.shape)
    targets = gram_matrices(tf.constant(MAPS))
    assert np.allclose(values_of(style_losses({'a': nothing}, {'a': targets})), 1)
    assert np.allclose(values_of(content_losses(nothing, tf.constant(MAPS))), 1)
    assert np.allclose(values_of(content_losses(tf.constant(MAPS), nothing)), 0), 'no division by zero'


def test_content_losses():
    wanted = RNG.normal(size=MAPS.shape).astype(np.float32)
    by_hand = ((MAPS - wanted) ** 2).sum((1, 2, 3)) / (wanted**2).sum((1, 2, 3))
    assert np.allclose(values_of(content_losses(tf.constant(MAPS), tf.constant(wanted))), by_hand, rtol=1e-5)


def test_total_variation():
    pictures = RNG.random((2, 4, 3, 3)).astype(np.float32)
    by_hand = sum((np.diff(pictures, axis=axis) ** 2).mean((1, 2, 3)) for axis in (1, 2))
    assert np.allclose(values_of(total_variation(tf.constant(pictures))), by_hand, rtol=1e-5)
    assert values_of(total_variation(tf.ones([1, 4, 4, 3]))) == 0


@pytest.mark.parametrize('name', ['style', 'content', 'variation'])
def test_gradients_are_those_of_finite_differences(name):
    start, other = (RNG.normal(size=(1, 3, 3, 2)) for _ in range(2))
    maps = tf.placeholder(tf.float32, start.shape)
    wanted = tf.constant(other, tf.float32)
    loss = {
        'style': lambda: style_losses({'a': maps}, {'a': gram_matrices(wanted)}),
        'content': lambda: content_losses(maps, wanted),
        'variation': lambda: total_variation(maps),
    }[name]()
    with tf.Session() as session:
        assert_gradients(session, loss[0], [maps], {maps: start})
