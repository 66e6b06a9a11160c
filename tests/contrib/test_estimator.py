"""Heads and wrappers of tf.contrib.estimator; their figures are in test_golden."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

pytestmark = [pytest.mark.both, pytest.mark.trains]

CONTRIB = tf.contrib.estimator
COLUMNS = [tf.feature_column.numeric_column('x')]


def data():
    return {'x': tf.constant([1.0, 2.0]), 'id': tf.constant([5, 6]), 'words': sparse()}, tf.constant([0, 1])


def sparse():
    return tf.SparseTensor([[0, 0], [1, 1]], ['a', 'b'], [2, 2])


def receiver():
    placeholders = {'x': tf.placeholder(tf.float32, [None]), 'id': tf.placeholder(tf.int64, [None])}
    return tf.estimator.export.ServingInputReceiver(placeholders, placeholders)


def test_predictions_and_exports_have_forwarded_features(tmp_path):
    linear = tf.estimator.LinearClassifier(COLUMNS, str(tmp_path))
    model = CONTRIB.forward_features(linear, 'id')
    model.train(data, steps=1)
    predicted = next(model.predict(data))
    assert predicted['id'] == 5
    assert 'words' not in predicted
    served = tf.contrib.predictor.from_saved_model(
        model.export_saved_model(str(tmp_path / 'export'), receiver), 'predict'
    )
    assert served({'x': [1.0, 2.0], 'id': [8, 9]})['id'].tolist() == [8, 9]


def test_a_replicated_model_function_says_that_it_uses_one_device(monkeypatch):
    said = []
    monkeypatch.setattr(tf.logging, 'warning', lambda text, *values: said.append(text % values))

    assert CONTRIB.replicate_model_fn(model, devices=['/cpu:0', '/cpu:1']) is model
    assert len(said) == 1
    assert 'one of 2 devices' in said[0]
    assert 'MirroredStrategy' in said[0]


@pytest.mark.slow
@pytest.mark.parametrize('name', ['DNNEstimator', 'LinearEstimator', 'BaselineEstimator'])
def test_canned_estimators_train_with_heads_of_contrib(name, tmp_path):
    layers = {'DNNEstimator': {'hidden_units': [2]}}.get(name, {})
    columns = {} if name == 'BaselineEstimator' else {'feature_columns': COLUMNS}
    head = CONTRIB.multi_head(
        [CONTRIB.regression_head(name='a'), CONTRIB.binary_classification_head(name='b')]
    )
    model = getattr(CONTRIB, name)(head=head, model_dir=str(tmp_path), **layers, **columns)

    def labelled():
        features, labels = data()
        return {'x': features['x']}, {'a': features['x'], 'b': labels}

    model.train(labelled, steps=2)
    assert np.isfinite(model.evaluate(labelled, steps=1)['loss/b'])


def model(features, labels, mode):
    head = CONTRIB.multi_head(
        [
            CONTRIB.multi_label_head(3, name='tags', label_vocabulary=['a', 'b', 'c']),
            CONTRIB.regression_head(name='size'),
        ]
    )
    logits = tf.layers.dense(features['x'], head.logits_dimension)
    return head.create_estimator_spec(
        features, mode, logits, labels, optimizer=tf.train.GradientDescentOptimizer(0.5)
    )


def two_targets():
    x = tf.constant([[0.0, 1.0], [1.0, 0.0]])
    tags = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], ['a', 'b', 'c'], [2, 2])
    return {'x': x}, {'tags': tags, 'size': tf.constant([[1.0], [-1.0]])}


def test_an_estimator_trains_evaluates_predicts_and_exports_two_targets(tmp_path):
    estimator = tf.estimator.Estimator(model, str(tmp_path))
    estimator.train(two_targets, steps=60)
    found = estimator.evaluate(two_targets, steps=1)
    assert found['auc/tags'] == pytest.approx(1, abs=1e-5)
    assert found['loss'] == pytest.approx(found['loss/tags'] + found['loss/size'], rel=1e-5)
    predicted = next(estimator.predict(lambda: tf.data.Dataset.from_tensors(two_targets()[0])))
    assert (predicted[('tags', 'probabilities')] > 0.5).tolist() == [True, True, False]
    assert predicted[('size', 'predictions')] == pytest.approx([1], abs=0.1)
    receiver = tf.estimator.export.build_raw_serving_input_receiver_fn(
        {'x': tf.placeholder_with_default(np.zeros([1, 2], np.float32), [None, 2])}
    )
    exported = estimator.export_saved_model(str(tmp_path), receiver)
    serve = tf.contrib.predictor.from_saved_model(exported, 'predict')
    served = serve({'x': [[0, 1]]})
    assert served['tags/probabilities'][0] == pytest.approx(predicted[('tags', 'probabilities')])
    assert served['size/predictions'][0] == pytest.approx(predicted[('size', 'predictions')])


def test_a_head_minimizes_by_one_optimizer(graph):
    head, logits = CONTRIB.regression_head(), tf.get_variable('logits', [2, 1])
    tf.train.get_or_create_global_step()

    def spec(**more):
        return head.create_estimator_spec({}, 'train', tf.identity(logits), tf.ones([2, 1]), **more)

    spec(optimizer=tf.train.AdamOptimizer())
    assert any(variable.op.name == 'logits/Adam' for variable in tf.global_variables())
    for more in ({}, {'optimizer': tf.train.AdamOptimizer(), 'train_op_fn': tf.identity}):
        with pytest.raises(ValueError, match='train_op_fn'):
            spec(**more)
