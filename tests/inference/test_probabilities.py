import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score

from estimator_lab.inference.probabilities import Calibration, RocCurves


def softmax(logits):
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def predictions(scale, examples=700, classes=4):
    """True classes, and probabilities that favour them; a larger scale makes them more certain."""
    rng = np.random.default_rng(3)
    true = rng.integers(0, classes, examples)
    logits = rng.normal(size=(examples, classes)) + 1.5 * np.eye(classes)[true]
    return true, softmax(scale * logits)


def counted(true, probabilities, batch=64):
    curves = RocCurves(probabilities.shape[1])
    for start in range(0, len(true), batch):
        curves.add(true[start : start + batch], probabilities[start : start + batch])
    return curves


@pytest.mark.parametrize('scale', [0.3, 1, 8])
def test_areas_are_scikit_learns(scale):
    true, probabilities = predictions(scale)
    curves = counted(true, probabilities)
    for class_id in range(4):
        expected = roc_auc_score(true == class_id, probabilities[:, class_id])
        assert curves.area(class_id) == pytest.approx(expected, abs=1e-3)
    pooled = roc_auc_score(np.eye(4)[true], probabilities, average='micro')
    assert curves.area() == pytest.approx(pooled, abs=1e-3)


def test_a_curve_has_a_point_for_each_threshold():
    # Thresholds 0.9, 0.6, 0.3, 0.2: the first and third are of class 1, of two; the others of two.
    curves = counted(np.array([1, 0, 1, 0, -1]), np.array([[1 - p, p] for p in (0.9, 0.6, 0.3, 0.2, 0.99)]))
    assert curves.curve(1).tolist() == [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]
    assert curves.area(1) == 0.75


def test_certain_predictions_have_a_curve():
    curves = counted(np.array([0, 0, 1, 1]), np.array([[1, 0], [0, 1], [0, 1], [0, 1]], np.float32))
    assert curves.curve(0).tolist() == [[0, 0], [0, 0.5], [1, 1]] and curves.area(0) == 0.75


def test_a_class_without_examples_has_none():
    curves = counted(np.array([0, 0]), np.array([[0.5, 0.5], [0.25, 0.75]]))
    assert all(not len(curves.curve(class_id)) and np.isnan(curves.area(class_id)) for class_id in (0, 1))
    assert counted(np.array([-1]), np.array([[0.5, 0.5]])).curve().shape == (0, 2)


def test_calibration_is_scikit_learns():
    true, probabilities = predictions(3)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
    calibration = Calibration()
    for start in range(0, len(true), 50):
        calibration.add(confidence[start : start + 50], right[start : start + 50])
    accuracy, mean = calibration_curve(right, confidence, n_bins=15)
    bins = calibration.bins()
    assert [one.accuracy for one in bins] == pytest.approx(accuracy.tolist())
    assert [one.mean for one in bins] == pytest.approx(mean.tolist(), rel=1e-5)
    assert sum(one.examples for one in bins) == 700


def test_expected_error_is_the_mean_gap():
    calibration = Calibration()
    # 0.9 and 0.92 are in one bin: mean 0.91, half of them right. 0.5 is right. Gaps 0.41 and 0.5.
    calibration.add(np.array([0.9, 0.92, 0.5]), np.array([True, False, True]))
    assert calibration.expected_error() == pytest.approx((2 * 0.41 + 0.5) / 3)
    assert np.isnan(Calibration().expected_error()) and Calibration().bins() == []
    certain = Calibration()
    certain.add(np.array([0.0, 1.0]), np.array([False, True]))
    assert certain.expected_error() == 0
