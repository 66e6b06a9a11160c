import numpy as np
import pytest

from estimator_lab.core.noise import Noise, dropout, fresh_seed
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both

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


@pytest.mark.parametrize('reserved', [True, False])
def test_coins_differ_at_each_use_and_come_again(reserved):
    def build(noise):
        if reserved:
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


def test_noise_again_draws_the_same_numbers():
    def build(noise):
        return noise.uniform([5]), noise.normal([5]), noise.again().uniform([5])

    first, second, again = run(build)
    assert (first == again).all() and (first != second).all()


def test_the_seed_of_a_step_follows_the_step_and_the_batch(session):
    step = tf.train.create_global_step()
    keys = tf.placeholder(tf.string, [None])
    seed = fresh_seed({'key': keys, 'image': tf.zeros([2, 1])})
    session.run(tf.global_variables_initializer())
    found = set()
    for at, first in ((0, 'a/1'), (1, 'a/1'), (0, 'b/1'), (0, 'a/1')):
        step.load(at, session)
        found.add(tuple(session.run(seed, {keys: [f'x.tar:{first}', 'x.tar:z']}).tolist()))
    assert len(found) == 3


@pytest.mark.parametrize('shape', [None, (40_000, 1)])
def test_dropout_divides_what_it_keeps_by_the_share(shape):
    """So that the mean stays: 3/4 of the values are 4/3."""
    kept = run(lambda noise: dropout(tf.ones([40_000, 2]), 0.25, noise, shape))
    assert np.unique(kept).tolist() == pytest.approx([0, 4 / 3])
    assert kept.mean() == pytest.approx(1, abs=5 * np.sqrt(1 / 3 / 40_000))
    assert (shape is not None) == np.array_equal(kept[:, 0], kept[:, 1])
