import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from estimator_lab.core.confusion import Confusion

pytestmark = pytest.mark.both

LABELS = tuple('abcde')


def counted(true, predicted, labels=LABELS, batch=7):
    confusion = Confusion(labels)
    for start in range(0, len(true), batch):
        confusion.add(np.array(true[start : start + batch]), np.array(predicted[start : start + batch]))
    return confusion


@pytest.fixture
def random():
    """100 images of the first four of five classes, predicted as one of the last four."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 4, 100), rng.integers(1, 5, 100)


def test_scores_are_scikit_learns(random):
    true, predicted = random
    scores = counted(true, predicted).scores()
    precision, recall, f1, images = precision_recall_fscore_support(
        true, predicted, labels=range(5), zero_division=np.nan
    )
    assert scores.images.tolist() == images.tolist()
    for ours, theirs in ((scores.precision, precision), (scores.recall, recall), (scores.f1, f1)):
        assert ours == pytest.approx(theirs, nan_ok=True)


def test_matrix_is_scikit_learns(random):
    true, predicted = random
    confusion = counted(true, predicted)
    whole = confusion_matrix(true, predicted, labels=range(5))
    assert confusion.matrix().tolist() == whole.tolist()
    assert confusion.matrix([3, 1]).tolist() == whole[np.ix_([3, 1], [3, 1])].tolist()
    assert confusion.images == 100


def test_unknown_labels_are_ignored():
    confusion = counted([0, -1, 1], [0, 0, 0])
    assert confusion.images == 2 and confusion.matrix()[:, 0].tolist() == [1, 1, 0, 0, 0]


def test_the_most_confused_pairs_come_first():
    confusion = counted([2, 2, 1, 4, 0, 0, 0], [3, 1, 2, 4, 0, 1, 1])  # ties in another order
    assert confusion.confused() == [(0, 1, 2), (1, 2, 1), (2, 1, 1), (2, 3, 1)]
    # Mistakes: a 2, b 2 + 1 + 1 = 4, c 1 + 2 = 3, d 1, e 0.
    assert confusion.most_confused_classes(2) == [1, 2]
    assert confusion.most_confused_classes(9) == [0, 1, 2, 3, 4]


def test_without_images():
    confusion = Confusion(LABELS)
    assert confusion.images == 0 and confusion.confused() == [] and not confusion.matrix().any()
    assert np.isnan(confusion.scores().f1).all()


def test_memory_does_not_grow_with_the_square_of_classes():
    confusion = Confusion([str(n) for n in range(1_000_000)])
    confusion.add(np.array([999_999, 5]), np.array([0, 5]))
    assert confusion.scores().recall[[5, 999_999]].tolist() == [1, 0]
    assert confusion.matrix(confusion.most_confused_classes(2)).tolist() == [[0, 0], [1, 0]]
