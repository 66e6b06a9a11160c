"""What a report shows of an evaluation: the classes, their confusion and the worst examples."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from estimator_lab.core.confusion import Confusion
from estimator_lab.inference.evaluation import Evaluation
from estimator_lab.inference.report.evaluated import class_table, evaluation_parts

LABELS = ('a', 'b', 'c')


def evaluation(true, predicted, labels=LABELS):
    """The results of a classifier that predicted these classes."""
    confusion = Confusion(labels)
    confusion.add(true, predicted)
    trained = SimpleNamespace(record=SimpleNamespace(vocabulary=labels))
    return Evaluation(trained, {}, len(true), 0, confusion, [])


@pytest.fixture(scope='module')
def classes():
    """The true and the predicted classes of 300 examples, two thirds of them right."""
    rng = np.random.default_rng(2)
    true = rng.integers(0, 3, 300)
    return true, np.where(rng.random(300) < 0.6, true, rng.integers(0, 3, 300))


def cells(part):
    """Returns the texts of the rows of a table."""
    rows = re.findall(r'<tr>(.*?)</tr>', part, re.DOTALL)
    return [re.findall(r'<td[^>]*>(.*?)</td>', row) for row in rows]


def test_the_matrix_is_shown_in_images(classes):
    matrix, *_ = evaluation_parts(evaluation(*classes))['Confusion']
    counts = confusion_matrix(*classes).tolist()
    assert cells(matrix)[1:] == [[f'{n}' if n else '' for n in row] for row in counts]


def test_the_scores_of_the_classes_are_scikit_learns(classes):
    precision, recall, f1, images = precision_recall_fscore_support(*classes)
    found = cells(''.join(class_table(evaluation(*classes))))[1:]
    expected = [
        [LABELS[n], f'{images[n]}', f'{precision[n]:.4f}', f'{recall[n]:.4f}', f'{f1[n]:.4f}']
        for n in np.argsort(f1)
    ]
    assert found == expected


def test_long_labels_are_shown_in_full_as_titles():
    labels = ('x' * 90, 'b')
    matrix, *_ = evaluation_parts(evaluation(np.array([0, 1]), np.array([0, 1]), labels))['Confusion']
    assert matrix.count(f'title="{labels[0]}"') == 2  # its row and its column


def test_there_is_nothing_without_predictions_of_known_labels():
    without = Evaluation(SimpleNamespace(), {}, 1, 0)
    assert evaluation_parts(without) == {} and class_table(without) == []
