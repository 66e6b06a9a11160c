"""Quality of samples against NumPy, SciPy and scikit-learn."""

import itertools

import numpy as np
import pytest
import scipy.linalg
from sklearn.neighbors import NearestNeighbors

from estimator_lab.core.adversarial.sample_quality import (
    classifier_score,
    coverage,
    frechet_distance,
    laplacian_pyramid,
    patches,
    sliced_wasserstein,
    spread,
    streaming_moments,
)
from estimator_lab.core.metrics import kept_rows
from estimator_lab.tf1 import tf

RNG = np.random.default_rng(3)


def streamed(metric, *batches):
    """Runs a metric of one batch's tensors over several batches; returns its value."""
    with tf.Graph().as_default(), tf.Session() as session:
        feeds = [tf.placeholder(tf.float32, [None, *array.shape[1:]]) for array in batches[0]]
        value, update = metric(*feeds)
        session.run(tf.local_variables_initializer())
        for batch in batches:
            session.run(update, dict(zip(feeds, batch, strict=True)))
        return session.run(value)


def in_parts(arrays, *ends):
    parts = itertools.starmap(slice, itertools.pairwise(ends))
    return [tuple(np.asarray(a, np.float32)[part] for a in arrays) for part in parts]


def test_classifier_score():
    logits = RNG.normal(0, 3, (50, 7))
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    wanted = np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(0))), axis=1)))
    found = streamed(lambda x: classifier_score('s', x), *in_parts([p], 0, 20, 33, 50))
    assert found == pytest.approx(wanted, rel=1e-5)
    sure = np.eye(4)[[0, 1, 2, 3]]
    assert streamed(lambda x: classifier_score('s', x), (sure,)) == pytest.approx(4, rel=1e-6)


def frechet_by_scipy(a, b):
    covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root)


@pytest.mark.parametrize('count', [40, 6])  # more vectors than dimensions, and fewer
def test_frechet_distance(count):
    a = RNG.normal(5, 2, (40, 9)) @ RNG.normal(size=(9, 9))
    b = RNG.normal(4, 1, (count, 9)) @ RNG.normal(size=(9, 9))
    vectors = np.concatenate([a, b])
    of_a = np.arange(40 + count) < 40

    def metric(x, first):
        (left, left_on), (right, right_on) = (
            streaming_moments(name, x, weights) for name, weights in (('a', first), ('b', 1 - first))
        )
        return frechet_distance(left, right), tf.group(left_on, right_on)

    order = RNG.permutation(40 + count)
    found = streamed(metric, *in_parts([vectors[order], of_a[order]], 0, 11, 30, 40 + count))
    assert found == pytest.approx(frechet_by_scipy(a, b), rel=1e-3)


def test_the_frechet_distance_of_a_set_from_itself_is_0():
    a = RNG.normal(5, 2, (40, 6))

    def metric(x):
        moments, update = streaming_moments('a', x, tf.ones([tf.shape(x)[0]]))
        return frechet_distance(moments, moments), update

    assert streamed(metric, (a,)) == pytest.approx(0, abs=1e-4)


def coverage_by_scikit_learn(vectors, centres):
    radii = NearestNeighbors(n_neighbors=4).fit(centres).kneighbors(centres)[0][:, -1]
    distances = np.linalg.norm(vectors[:, np.newaxis] - centres, axis=2)
    return np.mean(np.any(distances <= radii, axis=1))


def test_precision_and_recall_of_a_manifold():
    centres, vectors = RNG.normal(0, 1, (300, 3)), RNG.normal(0.7, 1.5, (70, 3))
    padded = [np.concatenate([a, np.zeros((12, 3))]).astype(np.float32) for a in (vectors, centres)]
    there = [np.arange(len(a) + 12) < len(a) for a in (vectors, centres)]
    with tf.Graph().as_default(), tf.Session() as session:
        sets = [list(map(tf.constant, pair)) for pair in (padded, there)]
        found = session.run([coverage(*sets[0], *sets[1]), coverage(*sets[0][::-1], *sets[1][::-1])])
    wanted = coverage_by_scikit_learn(vectors, centres), coverage_by_scikit_learn(centres, vectors)
    assert found == pytest.approx(wanted, abs=1e-6)
    assert 0.1 < wanted[0] < 0.9


def test_a_sample_is_uniform_over_all_rows():
    rows, order = np.arange(30.0).reshape(30, 1), RNG.random(30)

    def metric(x, ranks):
        sample, update = kept_rows('rows', x, ranks, 8)
        return (sample.rows, sample.count), update

    found, count = streamed(metric, *in_parts([rows, order], 0, 3, 17, 30))
    assert count == 8 and found[:, 0].tolist() == np.argsort(order)[:8].tolist()
    few, count = streamed(metric, *in_parts([rows, order], 0, 3, 5))
    assert count == 5 and sorted(few[:5, 0]) == [0, 1, 2, 3, 4]


def test_sliced_wasserstein_distance_of_one_level():
    """Images of 8x8 have no coarser level: along a direction it is the distance of the sorted projections."""
    a, b = RNG.random((2, 20, 8, 8, 1)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        directions = tf.nn.l2_normalize(tf.random.stateless_normal([49, 128], (1, 2)), axis=0)
        found, axes = session.run([sliced_wasserstein(tf.constant(a), tf.constant(b)), directions])
    unit, mean = a.std(), a.mean()

    def sorted_projections(images):
        windows = np.lib.stride_tricks.sliding_window_view(images[..., 0], (7, 7), axis=(1, 2))
        return np.sort(((windows.reshape(-1, 49) - mean) / unit) @ axes, axis=0)

    wanted = np.abs(sorted_projections(a) - sorted_projections(b)).mean()
    assert found == pytest.approx(wanted, rel=1e-3)


def test_sliced_wasserstein_distance_ignores_order_and_detects_blur():
    images = RNG.random((16, 28, 28, 3)).astype(np.float32)
    blurred = (images + np.roll(images, 1, axis=1) + np.roll(images, 1, axis=2)) / 3
    with tf.Graph().as_default(), tf.Session() as session:
        same, blur = session.run(
            [sliced_wasserstein(tf.constant(images), tf.constant(x)) for x in (images[::-1], blurred)]
        )
        levels = [level.shape.as_list()[1] for level in laplacian_pyramid(tf.constant(images))]
        assert patches(tf.zeros([1, 28, 28, 3])).shape.as_list()[1] == 147
    assert levels == [28, 14]
    assert same == pytest.approx(0, abs=1e-4) and blur > 0.1


def test_spread():
    images, classes = RNG.random((5, 2, 2, 1)), np.eye(2)[[0, 1, 0, 0, 1]]
    flat = images.reshape(5, 4)
    squares = ((flat[:, np.newaxis] - flat) ** 2).sum(2)
    with tf.Graph().as_default(), tf.Session() as session:
        x, y = tf.constant(images, tf.float32), tf.constant(classes, tf.float32)
        found = session.run([spread(x), spread(x, y), spread(x[:1])])
    assert found == pytest.approx([squares.sum(), (squares * (classes @ classes.T)).sum(), 0], abs=1e-4)
