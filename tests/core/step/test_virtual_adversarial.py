"""The loss against NumPy: the worst direction by finite differences, the divergence by its definition."""

import numpy as np
import pytest
from scipy.special import log_softmax

from estimator_lab.core.step.noise import Noise
from estimator_lab.core.step.virtual_adversarial import virtual_adversarial_loss
from estimator_lab.tf1 import tf

IMAGES = np.random.default_rng(1).random((3, 2, 2, 1))
KERNEL = np.random.default_rng(2).normal(size=(4, 5))
SEED = (1, 2)


def divergences(images, kernel, moved):
    here, there = (log_softmax(values.reshape(-1, 4) @ kernel, axis=1) for values in (images, moved))
    return (np.exp(here) * (here - there)).sum(axis=1)


def directions(images):
    return images / np.sqrt((images**2).sum(axis=(1, 2, 3), keepdims=True))


def worst_steps(images, kernel, distance):
    """The steps to which finite differences lead from the drawn directions."""
    with tf.Graph().as_default(), tf.Session() as session:
        probe = session.run(Noise(tf.constant(SEED, tf.int64)).normal(tf.constant(images.shape)))
    probe = directions(np.float64(probe))
    steepest = np.empty_like(images)
    for place in np.ndindex(images.shape[1:]):
        shift = np.zeros(images.shape[1:])
        shift[place] = 1e-5
        ahead, behind = (divergences(images, kernel, images + probe + s) for s in (shift, -shift))
        steepest[(slice(None), *place)] = (ahead - behind) / 2e-5
    return distance * directions(steepest)


def computed(weights, distance=0.7, kernel=KERNEL):
    """Returns the loss and its gradient with respect to the kernel."""
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.constant(kernel, tf.float32)
        images = tf.constant(IMAGES, tf.float32)

        def classify(images):
            return tf.reshape(images, [-1, 4]) @ variable

        loss = virtual_adversarial_loss(
            classify,
            classify(images),
            images,
            tf.constant(weights, tf.float32),
            distance,
            Noise(tf.constant(SEED, tf.int64)),
        )
        return session.run([loss, tf.gradients(loss, variable)[0]])


@pytest.mark.parametrize(
    ('weights', 'kept'), [(1.0, [0, 1, 2]), ([1.0, 1.0, 1.0], [0, 1, 2]), ([1, 0, 1], [0, 2])]
)
def test_the_loss_is_the_mean_divergence_behind_the_worst_steps(weights, kept):
    moved = IMAGES + worst_steps(IMAGES, KERNEL, 0.7)
    assert computed(weights)[0] == pytest.approx(divergences(IMAGES, KERNEL, moved)[kept].mean(), rel=1e-4)


def test_the_gradient_takes_the_first_prediction_and_the_step_as_given():
    moved = IMAGES + worst_steps(IMAGES, KERNEL, 0.7)
    here, there = (log_softmax(values.reshape(-1, 4) @ KERNEL, axis=1) for values in (IMAGES, moved))
    # Of the cross-entropy of a softmax with targets p: the inputs times q - p.
    wanted = moved.reshape(3, 4).T @ (np.exp(there) - np.exp(here)) / 3
    np.testing.assert_allclose(computed(1.0)[1], wanted, atol=1e-5)


def test_no_step_in_a_random_direction_is_worse_on_average():
    drawn = np.random.default_rng(3).normal(size=(200, *IMAGES.shape))
    random = [divergences(IMAGES, KERNEL, IMAGES + 0.7 * directions(steps)).mean() for steps in drawn]
    assert computed(1.0)[0] > np.quantile(random, 0.9)


def test_confident_predictions():
    kernel = 8 * KERNEL
    moved = IMAGES + worst_steps(IMAGES, kernel, 0.7)
    assert log_softmax(IMAGES.reshape(-1, 4) @ kernel, axis=1).max() > -1e-4
    assert computed(1.0, kernel=kernel)[0] == pytest.approx(
        divergences(IMAGES, kernel, moved).mean(), rel=1e-3
    )


def test_equal_predictions_everywhere_cost_nothing():
    loss, gradient = computed(1.0, kernel=np.zeros((4, 5)))
    assert loss == 0 and np.abs(gradient).max() < 1e-6
