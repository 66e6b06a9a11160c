"""Scores of samples against NumPy and SciPy."""

import itertools

import numpy as np
import pytest
import scipy.linalg

from estimator_lab.models.gan.scores import (
    Classified,
    ImagesAndFakes,
    classifier_score,
    frechet_distance,
    judge_metrics,
    spread,
    streaming_moments,
)
from estimator_lab.tf1 import tf
from tests.core.helpers import softmax

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


def score_by_hand(p):
    return np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(0))), axis=1)))


def test_classifier_score():
    p = softmax(RNG.normal(0, 3, (50, 7)))
    found = streamed(lambda x: classifier_score('s', x), *in_parts([p], 0, 20, 33, 50))
    assert found == pytest.approx(score_by_hand(p), rel=1e-5)
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

    def metric(x, y):
        (left, left_on), (right, right_on) = streaming_moments('a', x), streaming_moments('b', y)
        return frechet_distance(left, right), tf.group(left_on, right_on)

    batches = zip(in_parts([a], 0, 11, 30, 40), in_parts([b], 0, 1, count, count), strict=True)
    found = streamed(metric, *((x, y) for (x,), (y,) in batches))
    assert found == pytest.approx(frechet_by_scipy(a, b), rel=1e-3)


def test_spread(session):
    images, classes = RNG.random((5, 2, 2, 1)), np.eye(2)[[0, 1, 0, 0, 1]]
    flat = images.reshape(5, 4)
    squares = ((flat[:, np.newaxis] - flat) ** 2).sum(2)
    x, y = tf.constant(images, tf.float32), tf.constant(classes, tf.float32)
    found = session.run([spread(x), spread(x, y), spread(x[:1])])
    assert found == pytest.approx([squares.sum(), (squares * (classes @ classes.T)).sum(), 0], abs=1e-4)


def test_a_judge_compares_all_samples_with_all_images_and_one_half_of_them_with_the_other(session):
    real, fake = RNG.normal(5, 2, (2, 40, 3)) @ RNG.normal(size=(3, 3))
    classes = RNG.integers(0, 3, 40)
    vectors = [tf.constant(values, tf.float32) for values in (real, fake)]
    outputs = [Classified(tf.nn.softmax(each), each) for each in vectors]
    metrics = judge_metrics(*outputs, ImagesAndFakes(*vectors, tf.constant(classes)))
    session.run(tf.local_variables_initializer())
    session.run([update for _, update in metrics.values()])
    found = session.run({name: value for name, (value, _) in metrics.items()})
    assert found == {
        'classifier_score': pytest.approx(score_by_hand(softmax(fake)), rel=1e-4),
        'classifier_score_real': pytest.approx(score_by_hand(softmax(real)), rel=1e-4),
        'frechet_distance': pytest.approx(frechet_by_scipy(real, fake), rel=1e-3),
        'frechet_distance_real': pytest.approx(frechet_by_scipy(real[::2], real[1::2]), rel=1e-3),
        'judge_accuracy': pytest.approx((fake.argmax(1) == classes).mean()),
        'judge_accuracy_real': pytest.approx((real.argmax(1) == classes).mean()),
    }
    with tf.variable_scope('unlabelled'):
        unlabelled = judge_metrics(*outputs, ImagesAndFakes(*vectors))
    assert found.keys() - unlabelled.keys() == {'judge_accuracy', 'judge_accuracy_real'}
