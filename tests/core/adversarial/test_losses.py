import numpy as np
import pytest

from estimator_lab.core.adversarial.losses import (
    LOSSES,
    feature_distance,
    gradient_penalty,
    squared_gradient,
    weighted_mean,
)
from estimator_lab.tf1 import tf

LOGITS = np.array([-3, -0.5, 0, 2], np.float32)
PROBABILITIES = 1 / (1 + np.exp(-LOGITS))


def run(fetches):
    with tf.Session() as session:
        return session.run(fetches)


@pytest.mark.parametrize(
    ('name', 'real', 'fake', 'generator'),
    [
        (
            'non_saturating',
            -np.log(PROBABILITIES),
            -np.log(1 - PROBABILITIES),
            -np.log(PROBABILITIES),
        ),
        ('wasserstein', -LOGITS, LOGITS, -LOGITS),
        ('least_squares', (LOGITS - 1) ** 2 / 2, LOGITS**2 / 2, (LOGITS - 1) ** 2 / 2),
    ],
)
def test_the_papers_losses(name, real, fake, generator):
    with tf.Graph().as_default():
        loss, logits = LOSSES[name], tf.constant(LOGITS)
        found = run([loss.real(logits), loss.fake(logits), loss.generator(logits)])
    assert np.allclose(found, [real, fake, generator], atol=1e-6)


def test_what_counts_nothing_is_left_out_of_a_mean():
    with tf.Graph().as_default():
        values = tf.constant([1.0, 5.0, 3.0])
        found = run([weighted_mean(values, tf.constant(w)) for w in ([1.0, 0.0, 1.0], [0.0, 0.0, 0.0])])
    assert found == [2, 0]


def test_feature_matching():
    real, fake = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    weights = np.array([1, 1, 0, 1, 0], np.float32)
    kept = weights > 0
    wanted = np.mean((real[kept].mean(0) - fake[kept].mean(0)) ** 2)
    with tf.Graph().as_default():
        found = run(feature_distance(tf.constant(real), tf.constant(fake), tf.constant(weights)))
    assert found == pytest.approx(wanted, rel=1e-5)


def test_penalties_against_the_gradient_by_hand():
    """Of f(x) = sum(a x^2) the gradient is 2 a x."""
    rng = np.random.default_rng(1)
    images, a = (
        rng.normal(size=(3, 2, 2, 1)).astype(np.float32),
        rng.normal(size=(2, 2, 1)).astype(np.float32),
    )
    squares = np.sum((2 * a * images) ** 2, axis=(1, 2, 3))
    with tf.Graph().as_default():
        x = tf.constant(images)
        realness = tf.reduce_sum(a * tf.square(x), axis=[1, 2, 3])
        squared, penalty = run([squared_gradient(realness, x), gradient_penalty(realness, x)])
    assert np.allclose(squared, squares, rtol=1e-5)
    assert np.allclose(penalty, (np.sqrt(squares) - 1) ** 2, rtol=1e-4, atol=1e-5)
