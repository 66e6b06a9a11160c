from types import SimpleNamespace

import numpy as np
import pytest

from estimator_lab.core.mistakes import Mistakes, WorstExamples, mistakes_of_batch, worst_of_batch
from estimator_lab.tf1 import tf
from tests.core.helpers import values_of

pytestmark = pytest.mark.both

LABELS = tuple('abc')


def kept(batches, count):
    """Returns (badness, key) of the worst examples of batches, of each the worst in the graph first."""
    worst = WorstExamples(count)
    for badness, keys in batches:
        with tf.Graph().as_default():
            tensors = worst_of_batch(tf.constant(badness, tf.float32), {'key': tf.constant(keys)}, count)
            worst.add(values_of(tensors))
    return [(example.badness, example.key) for example in worst.ranked()]


def test_the_worst_of_all_batches_are_kept_nan_first_and_of_equal_ones_the_first():
    batches = [([0.5, -1, 0.25], ['a', 'b', 'c']), ([0.5, np.nan], ['d', 'e']), ([-1.0], ['f'])]
    (nan, first), *others = kept(batches, 3)
    assert np.isnan(nan) and first == 'e'
    assert others == [(0.5, 'a'), (0.5, 'd')]
    assert kept([([0.5, 0.25, np.nan, 0.75], ['a', 'b', 'c', 'd'])], 1)[0][1] == 'c'
    assert kept(batches, 0) == []


@pytest.mark.parametrize('count', [1, 2, 100])
def test_mistakes_are_ranked_by_the_probability_of_the_true_label(count, graph):
    random = np.random.default_rng(4)
    probabilities = random.dirichlet(np.ones(3), 12).astype(np.float32)
    ids = random.integers(-1, 3, 12)
    predicted = probabilities.argmax(1)
    wrong = [row for row in range(12) if ids[row] >= 0 and ids[row] != predicted[row]]
    wrong.sort(key=lambda row: probabilities[row, ids[row]])
    worst = WorstExamples(count, LABELS)
    keys = tf.constant([f'folder/{row}' for row in range(12)])
    worst.add(
        values_of(mistakes_of_batch(tf.constant(probabilities), tf.constant(ids), {'key': keys}, count))
    )
    assert [int(example.key.rpartition('/')[2]) for example in worst.ranked()] == wrong[:count]
    for example, row in zip(worst.ranked(), wrong, strict=False):
        assert (example.true, example.predicted) == (LABELS[ids[row]], LABELS[predicted[row]])
        assert example.badness == pytest.approx(1 - probabilities[row, ids[row]], abs=1e-6)
        assert example.probability == pytest.approx(probabilities[row].max())
        assert example.caption().split('\n')[2] == str(row)


def test_each_evaluation_begins_with_no_counts():
    classes = np.array([0, 1]), np.array([0, 2])
    hook = Mistakes(LABELS, classes, {}, 4)
    for _ in range(2):
        hook.begin()
        hook.after_run(None, SimpleNamespace(results=(classes, {})))
        assert hook.confusion.images == 2
