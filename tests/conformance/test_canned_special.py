"""Recurrent, clustering and SDCA estimators."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import batches, column, numeric_x, run, run_config, tf2, two_blobs

pytestmark = [pytest.mark.both, pytest.mark.trains]


def sequences():
    """Sequences of zeros and ones; the label says whether the last one is 1, so that order matters."""
    tokens = np.random.default_rng(0).integers(0, 2, (32, 4))
    return {'token': tokens.astype(np.float32)[:, :, None]}, tokens[:, -1].astype(np.int32)


def sparse_batches(features, labels, epochs=None):
    """Sequence columns want sparse tensors."""

    def input_fn():
        def sparse(one, label):
            return {'token': tf.sparse.from_dense(one['token'] + 1)}, label

        return tf.data.Dataset.from_tensor_slices((features, labels)).repeat(epochs).batch(32).map(sparse)

    return input_fn


@pytest.mark.slow
@pytest.mark.parametrize('cell', ['lstm'])
def test_rnn_classifier(cell, tmp_path):
    """RNNClassifier learns what the last number of a sequence was."""
    features, labels = sequences()
    model = tf2.estimator.experimental.RNNClassifier(
        [tf.feature_column.sequence_numeric_column('token')],
        units=[6],
        cell_type=cell,
        optimizer=tf.keras.optimizers.legacy.Adam(0.1),
        config=run_config(tmp_path),
    )
    model.train(sparse_batches(features, labels), steps=40)
    assert model.evaluate(sparse_batches(features, labels, epochs=1))['accuracy'] > 0.9


@pytest.mark.slow
def test_rnn_estimator(tmp_path):
    """RNNEstimator with a regression head learns the last number of a sequence."""
    features, labels = sequences()
    model = tf2.estimator.experimental.RNNEstimator(
        tf2.estimator.RegressionHead(),
        [tf.feature_column.sequence_numeric_column('token')],
        units=[6],
        # A function, as an optimizer of Keras keeps the variables of the first graph it is used in.
        optimizer=lambda: tf.keras.optimizers.legacy.Adam(0.05),
        config=run_config(tmp_path),
    )
    targets = labels.astype(np.float32)[:, None]
    before = model.train(sparse_batches(features, targets), steps=1)
    start = before.evaluate(sparse_batches(features, targets, epochs=1))['average_loss']
    model.train(sparse_batches(features, targets), steps=40)
    assert model.evaluate(sparse_batches(features, targets, epochs=1))['average_loss'] < start / 2


def kmeans(tmp_path, **more):
    return tf.estimator.experimental.KMeans(
        2, feature_columns=numeric_x(), use_mini_batch=False, seed=1, config=run_config(tmp_path), **more
    )


def test_kmeans(tmp_path):
    """KMeans finds the means of two clouds."""
    features, labels = two_blobs()
    model = kmeans(tmp_path)
    model.train(batches(features, batch_size=40, epochs=None), steps=8)
    means = np.array([features['x'][labels == label].mean(axis=0) for label in (0, 1)])
    centers = model.cluster_centers()
    assert centers[centers[:, 0].argsort()] == pytest.approx(means, abs=1e-4)


def test_kmeans_predictions(tmp_path):
    """KMeans predicts the cluster of each point and the distance to each center."""
    features, labels = two_blobs()
    model = kmeans(tmp_path).train(batches(features, batch_size=40, epochs=None), steps=8)
    clusters = np.array(list(model.predict_cluster_index(batches(features, batch_size=40))))
    assert len({tuple(clusters[labels == 0]), tuple(clusters[labels == 1])}) == 2
    assert set(clusters) == {0, 1}
    distances = np.array(list(model.transform(batches(features, batch_size=40))))
    squared = ((features['x'][:, None] - model.cluster_centers()) ** 2).sum(axis=2)
    assert distances == pytest.approx(np.sqrt(squared), abs=1e-3)
    assert model.score(batches(features, batch_size=40)) == pytest.approx(squared.min(axis=1).sum(), rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize('api', [tf.estimator, tf2.estimator], ids=['v1', 'v2'])
def test_linear_sdca(api, tmp_path):
    """A linear classifier learns by stochastic dual coordinate ascent."""
    features, labels = two_blobs()
    features['id'] = np.arange(40).astype(str)
    model = api.LinearClassifier(
        numeric_x(),
        optimizer=tf.estimator.experimental.LinearSDCA('id', symmetric_l2_regularization=1.0),
        config=run_config(tmp_path),
    )
    model.train(batches(features, labels, 40, epochs=None), steps=10)
    predictions = column(model.predict(batches(features, batch_size=40)), 'class_ids')
    assert predictions[:, 0].tolist() == labels.tolist()


@pytest.mark.slow
def test_add_metrics(tmp_path):
    """add_metrics adds custom metrics to a canned estimator."""
    features, labels = two_blobs()

    def metric_fn(labels, predictions, features):
        return {
            'mean_x': tf.metrics.mean(features['x']),
            'share': tf.metrics.mean(predictions['predictions']),
        }

    config, targets = run_config(tmp_path), labels.astype(np.float32)
    model = tf.estimator.add_metrics(tf.estimator.DNNRegressor([4], numeric_x(), config=config), metric_fn)
    model.train(batches(features, targets, 40), steps=1)
    found = model.evaluate(batches(features, targets, 40))
    share = column(model.predict(batches(features)), 'predictions').mean()
    assert found['mean_x'] == pytest.approx(features['x'].mean(), abs=1e-6)
    assert found['share'] == pytest.approx(share)
    assert 'average_loss' in found


def test_logit_fn_builders(tmp_path):
    """dnn_logit_fn_builder and linear_logit_fn_builder provide canned networks for a custom model_fn."""
    experimental = tf.estimator.experimental
    columns = numeric_x()
    dnn = experimental.dnn_logit_fn_builder(3, [4], columns, tf.nn.relu, None, None, False)
    linear = experimental.linear_logit_fn_builder(3, columns)
    features = {'x': tf.constant([[1.0, 2.0]])}
    with tf.variable_scope('dnn'):
        deep = dnn(features=features, mode='eval')
    with tf.variable_scope('linear'):
        wide = experimental.call_logit_fn(linear, features, 'eval', {}, None)
    assert deep.shape.as_list() == [1, 3]
    assert run(wide).tolist() == [[0, 0, 0]]
