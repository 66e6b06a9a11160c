"""What a report shows of an evaluation: confusion in images and percent, ROC curves, calibration."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from estimator_lab.core.confusion import Confusion
from estimator_lab.inference.evaluation import Evaluation, areas_under_roc
from estimator_lab.inference.probabilities import Calibration, RocCurves
from estimator_lab.inference.report.evaluated import class_table, evaluation_parts

LABELS = ('a', 'b', 'c')


def evaluation(true, probabilities, labels=LABELS):
    """The results of a classifier that gave these probabilities."""
    predicted = probabilities.argmax(axis=1)
    confusion, calibration, roc = Confusion(labels), Calibration(), RocCurves(len(labels))
    confusion.add(true, predicted)
    calibration.add(probabilities.max(axis=1), true == predicted)
    roc.add(true, probabilities)
    trained = SimpleNamespace(record=SimpleNamespace(vocabulary=labels))
    return Evaluation(trained, {}, len(true), 0, confusion, [], calibration, roc)


@pytest.fixture(scope='module')
def predictions():
    rng = np.random.default_rng(2)
    true = rng.integers(0, 3, 300)
    shares = rng.uniform(0.1, 1, (300, 3)) + np.eye(3)[true] * 0.7
    return true, shares / shares.sum(axis=1, keepdims=True)


def cells(part):
    """Returns the texts of the rows of a table."""
    rows = re.findall(r'<tr>(.*?)</tr>', part, re.DOTALL)
    return [re.findall(r'<td[^>]*>(.*?)</td>', row) for row in rows]


def test_the_matrix_is_shown_in_images_and_in_percent(predictions):
    true, probabilities = predictions
    (parts, *_) = evaluation_parts(evaluation(true, probabilities))['Confusion']
    images, percent = parts.split('<caption>')[1:]
    matrix = confusion_matrix(true, probabilities.argmax(axis=1))
    assert cells(images)[1:] == [[f'{n}' if n else '' for n in row] for row in matrix.tolist()]
    shares = confusion_matrix(true, probabilities.argmax(axis=1), normalize='true')
    found = np.array(cells(percent)[1:])
    assert found.astype(int) == pytest.approx(100 * shares, abs=0.5)


def test_the_smallest_shares_are_not_shown_as_nothing():
    true = np.array([0] * 500 + [1])
    probabilities = np.eye(2)[[0] * 499 + [1, 1]]
    (parts, *_) = evaluation_parts(evaluation(true, probabilities, LABELS[:2]))['Confusion']
    assert cells(parts.split('<caption>')[2])[1:] == [['100', '&lt;1'], ['', '100']]


def test_areas_are_scikit_learns(predictions):
    true, probabilities = predictions
    found = evaluation(true, probabilities)
    areas = [roc_auc_score(true == n, probabilities[:, n]) for n in range(3)]
    assert list(areas_under_roc(found).values()) == pytest.approx(areas, abs=1e-3)
    sentence, figure = evaluation_parts(found)['ROC curves']
    mean = roc_auc_score(true, probabilities, multi_class='ovr')
    assert float(re.search(r'is (0\.\d+)\.', sentence)[1]) == pytest.approx(mean, abs=1e-3)
    legend = re.findall(r'</i>(.*?), area ([\d.]+)</span>', figure)
    assert [name for name, _ in legend] == [
        'all labels together',
        *(LABELS[n] for n in np.argsort(areas)),
    ]
    rows = cells(''.join(class_table(found)))
    assert {row[0]: float(row[5]) for row in rows[1:]} == pytest.approx(
        dict(zip(LABELS, areas, strict=True)), abs=1e-3
    )


def test_calibration_is_on_the_diagonal_where_probabilities_are_right():
    # Eight of ten predictions of probability 0.8 are right.
    true = np.array([0] * 8 + [1] * 2)
    probabilities = np.tile([0.8, 0.2], (10, 1))
    sentence, figure = evaluation_parts(evaluation(true, probabilities, LABELS[:2]))['Calibration']
    assert 'is 0.0000, in 1 bins' in sentence
    assert 'probability 0.800, accuracy 0.800, 10 predictions' in figure
    (x, y) = map(float, re.search(r'<circle cx="([\d.]+)" cy="([\d.]+)"', figure).groups())
    left, bottom, right, top = map(
        float, re.search(r'<line x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"', figure).groups()
    )
    assert (x - left) / (right - left) == pytest.approx(0.8, abs=0.01)
    assert (bottom - y) / (bottom - top) == pytest.approx(0.8, abs=0.01)


def test_long_labels_are_shown_in_full_as_titles():
    labels = ('x' * 90, 'b')
    (parts, *_) = evaluation_parts(evaluation(np.array([0, 1]), np.eye(2), labels))['Confusion']
    assert parts.count(f'title="{labels[0]}"') == 4  # rows and columns of two matrices


def test_there_is_nothing_without_predictions_of_known_labels():
    nothing = evaluation(np.array([0]), np.eye(3)[:1])
    assert 'ROC curves' not in evaluation_parts(nothing)  # no label has both examples and others
    without = Evaluation(nothing.trained, {}, 1, 0)
    assert evaluation_parts(without) == {} and class_table(without) == []
