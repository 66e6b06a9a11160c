import numpy as np
import pytest

from estimator_lab.core.confusion import TopK
from estimator_lab.core.metrics import (
    area_under_roc,
    dead_units,
    majority_share,
    mean_image_error,
    mean_per_class_accuracy,
)
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.both

sklearn_metrics = pytest.importorskip('sklearn.metrics')


def stream(metrics_of, *arrays, batch=7):
    """Feeds arrays through a streaming metric, or a dict of them, in batches; returns the value."""
    with tf.Graph().as_default(), tf.Session() as session:
        holders = [tf.placeholder(array.dtype, [None, *array.shape[1:]]) for array in arrays]
        found = metrics_of(*holders)
        metrics = found if isinstance(found, dict) else {'': found}
        session.run(tf.local_variables_initializer())
        for first in range(0, len(arrays[0]), batch):
            parts = [array[first : first + batch] for array in arrays]
            updates = {name: update for name, (_, update) in metrics.items()}
            latest = session.run(updates, dict(zip(holders, parts, strict=True)))
        assert session.run({name: value for name, (value, _) in metrics.items()}) == pytest.approx(latest)
        return latest if isinstance(found, dict) else latest['']


def test_mean_per_class_accuracy_is_scikit_learns_balanced_accuracy():
    rng = np.random.default_rng(0)
    labels = rng.choice(5, 200, p=[0.5, 0.3, 0.1, 0.1, 0.0])  # class 4 never occurs
    guesses = np.where(rng.random(200) < 0.7, labels, rng.integers(0, 5, 200))
    ours = stream(lambda y, p, w: mean_per_class_accuracy(y, p, 5, w), labels, guesses, np.ones(200, 'f'))
    with pytest.warns(UserWarning, match='y_pred contains classes not in y_true'):
        theirs = sklearn_metrics.balanced_accuracy_score(labels, guesses)
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_examples_of_weight_0_do_not_count():
    labels, guesses, weights = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]), np.array([1, 0, 0, 1], 'f')
    # class 0: 1 of 1; class 1: 0 of 1; their mean is 0.5
    assert stream(lambda y, p, w: mean_per_class_accuracy(y, p, 3, w), labels, guesses, weights) == 0.5


@pytest.mark.parametrize('scale', [1, 30])
def test_the_area_under_the_curve_is_scikit_learns(scale):
    """Also of logits whose probabilities are 0 or 1 in float32."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 500)
    logits = scale * (rng.normal(0, 2, (500, 2)) + 1.5 * np.eye(2)[labels]).astype(np.float32)
    weights = rng.integers(0, 2, 500).astype(np.float32)
    theirs = sklearn_metrics.roc_auc_score(labels, logits[:, 1] - logits[:, 0], sample_weight=weights)
    assert 0.7 < theirs < 0.9
    assert stream(area_under_roc, logits, labels, weights) == pytest.approx(theirs, abs=1e-3)


def test_majority_share_is_that_of_the_most_frequent_class():
    labels = np.array([0, 2, 2, 2, 1, 1, 1, 1] * 2)
    weights = np.array([1, 1, 1, 1, 1, 1, 0, 0] * 2, np.float32)
    assert stream(lambda y, w: majority_share(y, 3, w), labels, weights) == 0.5


def test_mean_image_error_is_the_summed_variance():
    images = np.random.default_rng(0).random((30, 4, 3, 1), np.float32)
    assert stream(mean_image_error, images) == pytest.approx(images.var(axis=0).sum(), rel=1e-5)


def test_dead_units_are_never_active_in_an_evaluation():
    rng = np.random.default_rng(1)
    maps = rng.normal(-2.5, 1, [12, 3, 4, 40]).astype(np.float32)
    units = rng.normal(-1.5, 1, [12, 30]).astype(np.float32)
    weights = np.array([1, 1, 0] * 4, np.float32)

    def metrics_of(maps, units, weights):
        conv = tf.nn.relu(maps)
        endpoints = {
            'conv': conv,
            'pool': tf.nn.max_pool2d(conv, 2, 2, 'SAME'),
            'dense': tf.reshape(tf.nn.relu(units), [-1, 30]),
            'tanh': tf.tanh(units),
            'elu': tf.nn.elu(units),
            'leaky': tf.nn.leaky_relu(units),
        }
        return dead_units(endpoints, weights)

    seen = weights > 0
    dead = (maps[seen].max(axis=(0, 1, 2)) <= 0).mean(), (units[seen].max(axis=0) <= 0).mean()
    assert 0 < dead[0] < 1 and 0 < dead[1] < 1
    found = stream(metrics_of, maps, units, weights, batch=5)
    assert found == pytest.approx({'dead_units/conv': dead[0], 'dead_units/dense': dead[1]})


def test_top_k_keeps_and_makes_only_the_worst():
    rng = np.random.default_rng(1)
    values, made = rng.integers(0, 30, 200).tolist(), []
    worst = TopK(5)
    for n, value in enumerate(values):
        worst.offer(value, lambda n=n: made.append(n) or n)
    assert worst.ranked() == sorted(range(200), key=lambda n: (-values[n], n))[:5]
    assert len(made) < 60
    nothing = TopK(0)
    nothing.offer(1.0, lambda: 1)
    assert nothing.ranked() == []


def test_nan_is_the_worst():
    worst = TopK(2)
    for badness in (1.0, float('nan'), 3.0):
        worst.offer(badness, lambda badness=badness: badness)
    assert np.isnan(worst.ranked()[0]) and worst.ranked()[1] == 3.0
