"""Canned estimators."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import batches, column, numeric_x, run_config, tf2, two_blobs

pytestmark = [pytest.mark.both, pytest.mark.trains]

APIS = {'v1': tf.estimator, 'v2': tf2.estimator}
VERSIONS = pytest.mark.parametrize('version', APIS)


def optimizer(version, rate=0.1):
    """v1 classes take tf.train optimizers, v2 classes Keras 2's."""
    return tf.train.AdamOptimizer(rate) if version == 'v1' else tf.keras.optimizers.legacy.Adam(rate)


def arguments(kind, version):
    """The constructor arguments that each kind of network needs for a feature 'x' of two numbers."""
    deep, wide = numeric_x(), numeric_x()
    return {
        'DNN': {'hidden_units': [8], 'feature_columns': deep, 'optimizer': optimizer(version)},
        'Linear': {'feature_columns': wide, 'optimizer': optimizer(version)},
        'DNNLinearCombined': {
            'dnn_hidden_units': [8],
            'dnn_feature_columns': deep,
            'linear_feature_columns': wide,
            'dnn_optimizer': optimizer(version),
            'linear_optimizer': optimizer(version),
        },
        'Baseline': {'optimizer': optimizer(version)},
    }[kind]


def make(kind, suffix, version, tmp_path, **more):
    cls = getattr(APIS[version], kind + suffix)
    return cls(config=run_config(tmp_path), **arguments(kind, version), **more)


@pytest.mark.slow
@VERSIONS
@pytest.mark.parametrize('kind', ['DNNLinearCombined'])
def test_classifier(kind, version, tmp_path):
    """A canned classifier learns three separate clouds of points, and predicts ids and probabilities."""
    features, labels = two_blobs(3)
    model = make(kind, 'Classifier', version, tmp_path, n_classes=3)
    model.train(batches(features, labels, 40, epochs=None), steps=40)
    assert model.evaluate(batches(features, labels, 40))['accuracy'] == 1
    predictions = list(model.predict(batches(features, batch_size=40)))
    assert column(predictions, 'class_ids')[:, 0].tolist() == labels.tolist()
    assert column(predictions, 'probabilities').sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['DNN', 'Linear', 'DNNLinearCombined', 'Baseline'])
def test_estimator_with_head(kind, tmp_path):
    """A v2 canned *Estimator trains with the head that is passed to it."""
    features, labels = two_blobs(3)
    model = make(kind, 'Estimator', 'v2', tmp_path, head=tf2.estimator.MultiClassHead(3))
    model.train(batches(features, labels, 40, epochs=None), steps=40)
    found = model.evaluate(batches(features, labels, 40))
    assert found['accuracy'] >= (0.3 if kind == 'Baseline' else 1)
    assert {'average_loss', 'loss', 'global_step'} < set(found)


@pytest.mark.parametrize('kind', ['DNN', 'Linear'])
def test_v1_estimator_with_head(kind, tmp_path):
    """A v1 DNNEstimator or LinearEstimator rejects today's heads, which need a Keras optimizer."""
    features, labels = two_blobs(3)
    model = make(kind, 'Estimator', 'v1', tmp_path, head=tf.estimator.MultiClassHead(3))
    with pytest.raises(ValueError, match=r'not a tf\.keras'):
        model.train(batches(features, labels, 40), steps=1)


def test_v1_combined_estimator_with_head(tmp_path):
    """A v1 DNNLinearCombinedEstimator trains with the head that is passed to it."""
    features, labels = two_blobs(3)
    model = make('DNNLinearCombined', 'Estimator', 'v1', tmp_path, head=tf.estimator.MultiClassHead(3))
    model.train(batches(features, labels, 40, epochs=None), steps=40)
    assert model.evaluate(batches(features, labels, 40))['accuracy'] == 1
