import numpy as np
import pytest

from estimator_lab.core.display.pr_curves import PrCurvesHook
from estimator_lab.tf1 import tf
from tests.small_runs import summaries_in

THRESHOLDS = np.arange(201) / 200


def curves(folder, probabilities, ids, weights, labels, batch=16):
    """Runs the hook over batches; returns the curves as {tag: float [6, 201]} and the protos by tag."""
    with tf.Graph().as_default():
        rows = (probabilities.astype('f'), ids.astype('l'), weights.astype('f'))
        dataset = tf.data.Dataset.from_tensor_slices(rows).batch(batch)
        batch = tf.data.make_one_shot_iterator(dataset).get_next()
        tf.train.create_global_step()
        hook = PrCurvesHook(*batch, labels, folder)
        with tf.train.MonitoredSession(hooks=[hook]) as session:
            while not session.should_stop():
                session.run(batch[1])
    tf.summary.FileWriterCache.clear()
    values = summaries_in(folder).values()
    assert {value.metadata.plugin_data.plugin_name for value in values} == {'pr_curves'}
    return {value.tag.split('/')[1]: tf.make_ndarray(value.tensor) for value in values}


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(70, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return probabilities, rng.integers(0, 3, 70), np.ones(70)


def test_each_class_against_scikit_learn(tmp_path, predictions):
    metrics = pytest.importorskip('sklearn.metrics')
    probabilities, ids, weights = predictions
    found = curves(tmp_path, probabilities, ids, weights, ('a', 'b', 'c'))
    assert list(found) == ['a', 'b', 'c', 'micro_average']
    for number, label in enumerate('abc'):
        for threshold in (0, 20, 66, 150):
            predicted = probabilities[:, number].astype('f') >= np.float32(THRESHOLDS[threshold])
            confusion = metrics.confusion_matrix(ids == number, predicted, labels=[False, True])
            (tn, fp), (fn, tp) = confusion
            assert found[label][:4, threshold].tolist() == [tp, fp, tn, fn]
            precision = metrics.precision_score(ids == number, predicted, zero_division=0)
            assert found[label][4, threshold] == pytest.approx(precision)
            assert found[label][5, threshold] == pytest.approx(metrics.recall_score(ids == number, predicted))


def test_the_micro_average_pools_all_classes(tmp_path, predictions):
    probabilities, ids, weights = predictions
    found = curves(tmp_path, probabilities, ids, weights, ('a', 'b', 'c'))
    assert np.array_equal(found['micro_average'][:4], sum(found[label][:4] for label in 'abc'))
    right = np.eye(3)[ids].astype(bool)
    predicted = probabilities >= 0.5
    assert found['micro_average'][5, 100] == pytest.approx((predicted & right).sum() / 70)
    assert found['micro_average'][4, 100] == pytest.approx((predicted & right).sum() / predicted.sum())


def test_unknown_labels_are_ignored(tmp_path, predictions):
    probabilities, ids, weights = predictions
    weights[50:] = 0
    all_of_them = curves(tmp_path / 'a', probabilities, ids, weights, ('a', 'b', 'c'))
    known = curves(tmp_path / 'b', probabilities[:50], ids[:50], weights[:50], ('a', 'b', 'c'))
    assert all(np.array_equal(all_of_them[label], known[label]) for label in known)


def test_many_classes_have_one_curve(tmp_path):
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(11), 40)
    labels = tuple('abcdefghijk')
    found = curves(tmp_path, probabilities, rng.integers(0, 11, 40), np.ones(40), labels)
    assert list(found) == ['micro_average']
    assert found['micro_average'][:4].sum(0).tolist() == [40 * 11] * 201


def test_certain_predictions_reach_the_last_threshold(tmp_path):
    found = curves(tmp_path, np.eye(2)[[0, 1, 1]], np.array([0, 1, 0]), np.ones(3), ('a', 'b'))
    assert found['a'][:4, -1].tolist() == [1, 0, 1, 1]
    assert found['b'][4:, -1].tolist() == [0.5, 1]


@pytest.mark.parametrize('classes', [11, 200, 500])
def test_the_micro_average_of_many_classes_counts_all_probabilities(tmp_path, classes):
    rng = np.random.default_rng(classes)
    logits = rng.normal(size=(40, classes), scale=3)
    logits[0] = 0  # all classes are equally probable
    probabilities = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype('f')
    ids, weights = rng.integers(0, classes, 40), np.repeat([1.0, 0.0], [35, 5])
    found = curves(tmp_path, probabilities, ids, weights, [f'n{number}' for number in range(classes)])
    assert list(found) == ['micro_average']
    probabilities, ids = probabilities[:35], ids[:35]
    right = np.eye(classes)[ids].astype(bool)
    for threshold in (0, 1, 2, 50, 200):
        # As TensorFlow rounds: by the bin between two thresholds.
        predicted = np.floor(probabilities * np.float32(200)) >= threshold
        cells = [predicted & right, predicted & ~right, ~predicted & ~right, ~predicted & right]
        assert found['micro_average'][:4, threshold].tolist() == [cell.sum() for cell in cells]
