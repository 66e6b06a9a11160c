import numpy as np
import pytest

from estimator_lab.core.noise import Noise
from estimator_lab.tf1 import tf

_SHARES = [0.0, 2.0**-16, 0.25, 0.9, 1 - 2.0**-16, 1.0]
_COUNT = 300_001  # odd, so that half a word of random bits is left over


def run(build):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(build(Noise(tf.constant([3, 4], tf.int64))))


def test_coins_meet_their_probabilities():
    tossed = run(lambda noise: noise.coins(tf.tile(tf.constant([_SHARES]), [_COUNT, 1])))
    assert set(np.unique(tossed)) == {0, 1}
    assert tossed[:, 0].max() == 0 and tossed[:, -1].min() == 1
    shares = np.array(_SHARES)
    bound = 5 * np.sqrt(shares * (1 - shares) / _COUNT) + 1e-9
    assert (np.abs(tossed.mean(axis=0) - shares) <= bound).all()


def test_reserved_coins_are_apart_and_come_again():
    def build(noise):
        noise.reserve(tf.constant(2 * _COUNT))
        return noise.coins(tf.fill([_COUNT], 0.5)), noise.coins(tf.fill([_COUNT], 0.5))

    first, second = run(build)
    again = run(build)
    assert (first == again[0]).all() and (second == again[1]).all()
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(_COUNT)


def test_more_coins_than_reserved_are_refused():
    def build(noise):
        noise.reserve(tf.constant(4))
        return noise.coins(tf.fill([3], 0.5)), noise.coins(tf.fill([3], 0.5))

    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        run(build)


def test_coins_without_a_reserve_differ_at_each_use():
    first, second = run(
        lambda noise: (noise.coins(tf.fill([_COUNT], 0.5)), noise.coins(tf.fill([_COUNT], 0.5)))
    )
    assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(_COUNT)


def test_noise_again_draws_the_same_numbers():
    def build(noise):
        return noise.uniform([5]), noise.normal([5]), noise.again().uniform([5])

    first, second, again = run(build)
    assert (first == again).all() and (first != second).all()
