"""Wrappers and RNN Estimators of tf.contrib.estimator; their figures are in test_golden."""

import numpy as np
import pytest

import estimator_lab.contrib  # noqa: F401
from estimator_lab.tf1 import tf

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


@pytest.mark.parametrize(
    ('keys', 'words'),
    [
        ('nothing', 'no feature'),
        (['id', 'words'], 'sparse_default_values'),
        (None, "'words' is a SparseTensor"),
        ('logits', "already have the key 'logits'"),
    ],
)
def test_features_that_cannot_be_forwarded(keys, words, tmp_path):
    model = CONTRIB.forward_features(tf.estimator.LinearClassifier(COLUMNS, str(tmp_path)), keys)

    def features():
        found = data()[0]
        return {**found, 'logits': found['x']}

    with pytest.raises(ValueError, match=words):
        next(model.predict(lambda: tf.data.Dataset.from_tensors(features())))


@pytest.mark.parametrize('keys', [3, [b'id'], ['id', 4]])
def test_keys_of_features_are_text(keys, tmp_path):
    with pytest.raises(TypeError, match='list of strings'):
        CONTRIB.forward_features(tf.estimator.LinearClassifier(COLUMNS, str(tmp_path)), keys)


def test_a_replicated_model_function_says_that_it_uses_one_device(monkeypatch):
    said = []
    monkeypatch.setattr(tf.logging, 'warning', lambda text, *values: said.append(text % values))

    def model_fn(features, mode, params):
        return features.device, mode, params

    with tf.Graph().as_default():
        replicated = CONTRIB.replicate_model_fn(model_fn, devices=['/cpu:0', '/cpu:1'])
        assert replicated(tf.constant(1), None, 'infer', {'a': 1})[1:] == ('infer', {'a': 1})
    assert len(said) == 1
    assert 'one of 2 devices' in said[0]
    assert 'MirroredStrategy' in said[0]
    with pytest.raises(ValueError, match='need to be reduced'):
        CONTRIB.replicate_model_fn(model_fn, tf.losses.Reduction.NONE)


def test_a_graph_knows_its_tower_optimizer():
    with tf.Graph().as_default():
        assert not CONTRIB.TowerOptimizer.has_been_used()
        optimizer = CONTRIB.TowerOptimizer(tf.train.AdamOptimizer())
        assert optimizer.get_name() == 'Adam'
        assert CONTRIB.TowerOptimizer.has_been_used()


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


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ({}, 'num_units or rnn_cell_fn'),
        ({'num_units': [2], 'cell_type': 'tanh'}, 'Supported cell types'),
        ({'num_units': [2], 'cell_type': int}, 'Supported cell types'),
        ({'num_units': [2], 'rnn_cell_fn': len}, 'must not be specified'),
        ({'cell_type': 'gru', 'rnn_cell_fn': len}, 'must not be specified'),
        ({'num_units': [2], 'return_sequences': True}, 'return_sequences is not supported'),
    ],
)
def test_arguments_of_recurrent_estimators_that_are_rejected(arguments, words):
    with pytest.raises(ValueError, match=words):
        CONTRIB.RNNEstimator(CONTRIB.regression_head(), [], **arguments)


def test_columns_of_sequences_that_are_rejected():
    columns = tf.contrib.feature_column
    with tf.Graph().as_default():
        number = columns.sequence_numeric_column('n')
        with pytest.raises(ValueError, match='different names'):
            columns.sequence_input_layer({}, [])
        with pytest.raises(ValueError, match='different names'):
            columns.sequence_input_layer({}, [number, number])
        with pytest.raises(ValueError, match='must be a sequence_numeric_column'):
            columns.sequence_input_layer({'x': tf.constant([1.0])}, COLUMNS)


def test_sequences_of_different_lengths_are_rejected():
    columns = tf.contrib.feature_column
    with tf.Graph().as_default(), tf.Session() as session:
        features = {
            'a': tf.SparseTensor([[0, 0], [0, 1]], [1.0, 2.0], [1, 2]),
            'b': tf.SparseTensor([[0, 0]], [1.0], [1, 2]),
        }
        _, lengths = columns.sequence_input_layer(
            features, [columns.sequence_numeric_column(key) for key in ('b', 'a')]
        )
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(lengths)
