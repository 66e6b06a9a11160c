"""The augmentations of the discriminator's images, each against NumPy."""

import numpy as np
import pytest

from estimator_lab.core.noise import Noise
from estimator_lab.models.gan.augmentation import augmented, coloured, hidden, shifted
from estimator_lab.tf1 import tf

COUNT, HEIGHT, WIDTH, CHANNELS = 200, 16, 24, 3


def changed(change, images, weights=None):
    """Returns the changed images, and the gradient of their product with the weights."""
    with tf.Graph().as_default(), tf.Session() as session:
        place = tf.placeholder(tf.float32, [None, *images.shape[1:]])
        made = change(place, Noise(tf.constant([3, 4], tf.int64)))
        assert made.shape.as_list() == [None, *images.shape[1:]]
        gradient = tf.gradients(
            made, place, tf.constant(np.ones_like(images) if weights is None else weights)
        )
        return session.run([made, gradient[0]], {place: images})


@pytest.fixture(name='images', scope='module')
def fixture_images():
    return np.random.default_rng(1).uniform(-1, 1, [COUNT, HEIGHT, WIDTH, CHANNELS]).astype(np.float32)


def test_shift_moves_each_image_as_numpy_does(images):
    moved, _ = changed(shifted, images)
    padded = np.pad(images, [(0, 0), (2, 2), (3, 3), (0, 0)])
    found = set()
    for number in range(COUNT):
        places = [
            (y, x)
            for y in range(5)
            for x in range(7)
            if np.array_equal(moved[number], padded[number, y : y + HEIGHT, x : x + WIDTH])
        ]
        assert len(places) == 1, 'by an eighth of the side at most, what comes in is 0'
        found.update(places)
    assert {y for y, _ in found} == set(range(5))
    assert {x for _, x in found} == set(range(7))


def test_cutout_hides_a_square_of_half_the_sides(images):
    is_hidden = changed(hidden, images)[0] == 0
    assert np.array_equal(is_hidden.any(axis=3), is_hidden.all(axis=3))
    rows, columns = is_hidden.any(axis=(2, 3)).sum(axis=1), is_hidden.any(axis=(1, 3)).sum(axis=1)
    assert np.array_equal(is_hidden.sum(axis=(1, 2, 3)), rows * columns * CHANNELS), 'rectangles'
    assert rows.max() == HEIGHT / 2
    assert columns.max() == WIDTH / 2
    assert rows.min() < HEIGHT / 2, 'at an edge a part of it lies outside'


def test_colour_keeps_what_it_is_a_picture_of(images):
    seen, _ = changed(coloured, images)
    for before, after in zip(images, seen, strict=True):
        correlation = np.corrcoef(before.mean(axis=2).ravel(), after.mean(axis=2).ravel())[0, 1]
        assert correlation > 0.999, 'grey values change together'
    means = seen.mean(axis=(1, 2, 3)) - images.mean(axis=(1, 2, 3))
    assert -0.5 < means.min() < -0.4
    assert 0.4 < means.max() < 0.5
    grey = seen.mean(axis=3) - seen.mean(axis=(1, 2, 3))[:, None, None]
    was = images.mean(axis=3) - images.mean(axis=(1, 2, 3))[:, None, None]
    contrasts = grey.std(axis=(1, 2)) / was.std(axis=(1, 2))
    assert 0.5 < contrasts.min() < 0.55
    assert 1.45 < contrasts.max() < 1.5


@pytest.mark.parametrize('change', [coloured, shifted, hidden, augmented])
def test_gradient_is_the_changes_adjoint(images, change):
    """All are linear but for a constant c: (A x + c) w - c w = x (A' w)."""
    weights = np.random.default_rng(2).normal(size=images.shape).astype(np.float32)
    made, gradient = changed(change, images, weights)
    constant, _ = changed(change, np.zeros_like(images))
    axes = (1, 2, 3)
    assert np.allclose(
        ((made - constant) * weights).sum(axis=axes), (images * gradient).sum(axis=axes), atol=1e-2
    )
