import numpy as np
import pytest

from estimator_lab.core.noise import fixed_seeds, fresh_seed
from estimator_lab.models.autoencoder.corruption import CORRUPTIONS, corrupt
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both

GREY = np.full((20, 50, 50, 1), 0.5, np.float32)  # 50,000 values


def corrupted(images, kind, level, keys=None, seed=1, step=None):
    """Corrupts as an evaluation does, or as training does at a step."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(seed)
        features = {'image': tf.constant(images)}
        if keys is not None:
            features['key'] = tf.constant(keys)
        counter = tf.train.create_global_step()
        seeds = fixed_seeds(features, len(images)) if step is None else fresh_seed(features)
        made = corrupt(features['image'], kind, level, seeds)
        session.run(tf.global_variables_initializer())
        counter.load(step or 0, session)
        return session.run(made)


@pytest.mark.parametrize('step', [None, 3], ids=['evaluation', 'training'])
def test_shares_and_moments(step):
    # 50,000 draws: five standard errors of a share of 0.3 are 5 * sqrt(0.3 * 0.7 / 50,000) = 0.0102.
    masked = corrupted(GREY, 'masking', 0.3, step=step)
    assert set(np.unique(masked)) == {0, np.float32(0.5)}
    assert abs((masked == 0).mean() - 0.3) < 0.0102
    salted = corrupted(GREY, 'salt_and_pepper', 0.3, step=step)
    assert set(np.unique(salted)) == {0, np.float32(0.5), 1}
    # Of 0.15, they are 0.008.
    assert abs((salted == 0).mean() - 0.15) < 0.008
    assert abs((salted == 1).mean() - 0.15) < 0.008
    noise = corrupted(GREY, 'gaussian', 0.5, step=step) - GREY
    # Of a mean, 5 * 0.5 / sqrt(50,000) = 0.0112; of a deviation, 5 * 0.5 / sqrt(100,000) = 0.0079.
    assert abs(noise.mean()) < 0.0112
    assert abs(noise.std() - 0.5) < 0.0079
    # Not clipped: half of a normal distribution lies beyond one deviation to either side in 31.7 % of cases.
    assert ((noise < -0.5) | (noise > 0.5)).mean() == pytest.approx(0.317, abs=0.011)


@pytest.mark.parametrize('kind', sorted(CORRUPTIONS))
def test_level_0_changes_nothing(kind):
    assert np.array_equal(corrupted(GREY[:2], kind, 0.0), GREY[:2])


def test_level_1_leaves_nothing():
    assert not corrupted(GREY[:2], 'masking', 1.0).any()
    assert set(np.unique(corrupted(GREY[:2], 'salt_and_pepper', 1.0))) == {0, 1}


@pytest.mark.parametrize('kind', ['masking', 'gaussian', 'salt_and_pepper'])
def test_an_evaluation_gives_each_key_the_same_noise_in_any_batch(kind):
    images = np.random.default_rng(0).random((4, 6, 5, 3), np.float32)
    keys = ['a.tar:1', 'a.tar:2', 'a.tar:3', 'a.tar:4']
    together = corrupted(images, kind, 0.5, keys)
    assert np.array_equal(together, corrupted(images, kind, 0.5, keys))
    turned = corrupted(images[::-1], kind, 0.5, keys[::-1])
    assert np.array_equal(together, turned[::-1])
    alone = corrupted(images[2:3], kind, 0.5, keys[2:3])
    assert np.array_equal(together[2:3], alone)


def test_training_draws_anew_at_each_step_and_can_draw_again():
    def drawn(step, keys=('a', 'b'), seed=1):
        return corrupted(GREY[:2], 'gaussian', 0.5, keys, seed, step)

    assert np.array_equal(drawn(7), drawn(7))
    assert not np.array_equal(drawn(7), drawn(8))
    assert not np.array_equal(drawn(7), drawn(7, seed=2))
    assert not np.array_equal(drawn(7), drawn(7, keys=('c', 'b')))  # another worker's batch
    assert not np.array_equal(drawn(7)[0], drawn(7)[1])


def test_an_empty_batch():
    assert corrupted(GREY[:0], 'gaussian', 0.5, np.array([], object)).shape == (0, 50, 50, 1)
    assert corrupted(GREY[:0], 'masking', 0.5, np.array([], object), step=1).shape == (0, 50, 50, 1)
