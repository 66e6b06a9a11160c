import numpy as np
import pytest

from estimator_lab.core.metrics.streaming import count, mean_per_class_accuracy
from estimator_lab.tf1 import tf

sklearn_metrics = pytest.importorskip('sklearn.metrics')


def stream(metric_of, *arrays, batch=7):
    """Feeds arrays through a streaming metric in batches; returns its value."""
    with tf.Graph().as_default(), tf.Session() as session:
        holders = [tf.placeholder(array.dtype, [None]) for array in arrays]
        value, update = metric_of(*holders)
        session.run(tf.local_variables_initializer())
        for first in range(0, len(arrays[0]), batch):
            latest = session.run(
                update, dict(zip(holders, (a[first : first + batch] for a in arrays), strict=True))
            )
        assert session.run(value) == pytest.approx(latest)
        return latest


def test_mean_per_class_accuracy_is_scikit_learns_balanced_accuracy():
    rng = np.random.default_rng(0)
    labels = rng.choice(5, 200, p=[0.5, 0.3, 0.1, 0.1, 0.0])  # class 4 never occurs
    guesses = np.where(rng.random(200) < 0.7, labels, rng.integers(0, 5, 200))
    ours = stream(lambda y, p, w: mean_per_class_accuracy(y, p, 5, w), labels, guesses, np.ones(200, 'f'))
    with pytest.warns(UserWarning, match='y_pred contains classes not in y_true'):
        theirs = sklearn_metrics.balanced_accuracy_score(labels, guesses)
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_weight_0_leaves_an_example_out():
    labels = np.array([0, 0, 1, 1])
    guesses = np.array([0, 1, 1, 0])
    weights = np.array([1, 0, 1, 1], np.float32)
    # class 0: 1 of 1; class 1: 1 of 2; their mean is 0.75
    assert stream(lambda y, p, w: mean_per_class_accuracy(y, p, 3, w), labels, guesses, weights) == 0.75


def test_counting():
    flags = np.array([True, False, True] * 10)
    assert stream(lambda f: count(f, 'flags'), flags) == 20
