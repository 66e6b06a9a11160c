"""Sequence columns, RNN Estimators, towers and forwarded features. Part of remake_contrib.py."""

import itertools
import tempfile

import numpy as np
from contrib_learn import Start, is_slot
from contrib_shared import names, run, tf, wave, weights

WORDS = [['a', 'b', 'c'], ['c'], ['b', 'b'], ['d', 'a']]
NUMBERS = [[0.5, -1.0, 2.0], [1.5], [-0.5, 0.25], [3.0, 1.0]]


def sparse(rows):
    """Returns the rows as a SparseTensor."""
    indices = [[row, column] for row, values in enumerate(rows) for column in range(len(values))]
    return tf.SparseTensor(indices, [value for row in rows for value in row], [len(rows), 3])


def inputs():
    """Four sequences, a number for each and their classes."""
    features = {
        'word': sparse(WORDS),
        'number': sparse(NUMBERS),
        'whole': tf.constant(wave(4, 1)),
        'id': tf.constant([7, 8, 9, 10], tf.int64),
    }
    return features, tf.constant([0, 1, 1, 2])


def columns():
    contrib = tf.contrib.feature_column
    word = contrib.sequence_categorical_column_with_vocabulary_list('word', ['a', 'b', 'c'])
    return [
        tf.feature_column.indicator_column(word),
        contrib.sequence_numeric_column('number', normalizer_fn=lambda x: x * 2),
        tf.feature_column.embedding_column(word, 2, initializer=weights),
    ]


def sequence_columns():
    """What sequence_input_layer returns, and its variables."""
    layer, lengths = tf.contrib.feature_column.sequence_input_layer(inputs()[0], columns())
    ids = tf.SparseTensor([[0, 0], [0, 1], [2, 0]], tf.constant([1, 2, -1], tf.int64), [3, 2])
    sums = tf.contrib.layers.safe_embedding_lookup_sparse([tf.constant(wave(4, 2))], ids, combiner='sum')
    return {'names': names(tf.trainable_variables()), 'values': run([layer, lengths, sums])}


def recurrent_estimators():
    """Metrics and probabilities of RNN Estimators after four steps."""
    contrib = tf.contrib.estimator
    whole = [tf.feature_column.numeric_column('whole')]
    found = {}
    for name, model in {
        'default': contrib.RNNClassifier(columns(), num_units=[3], n_classes=3, model_dir=tempfile.mkdtemp()),
        'lstm': contrib.RNNClassifier(
            columns(),
            whole,
            [3, 2],
            'lstm',
            n_classes=3,
            optimizer=tf.train.GradientDescentOptimizer(0.3),
            model_dir=tempfile.mkdtemp(),
        ),
        'cell': contrib.RNNEstimator(
            contrib.regression_head(label_dimension=1),
            columns()[1:],
            rnn_cell_fn=lambda mode: tf.nn.rnn_cell.GRUCell(3),
            optimizer='SGD',
            model_dir=tempfile.mkdtemp(),
        ),
    }.items():
        model.train(inputs, hooks=[Start()], steps=4)
        measured = model.evaluate(inputs, steps=1)
        first = next(model.predict(inputs))
        output = 'predictions' if name == 'cell' else 'probabilities'
        keys = sorted(measured)
        found[name] = {
            'variables': [each for each in sorted(model.get_variable_names()) if not is_slot(each)],
            'metrics': keys,
            'outputs': sorted(first),
            'values': [*(float(measured[each]) for each in keys), first[output].tolist()],
        }
    return found


def line(features, labels, mode, params):
    """A model function with a TowerOptimizer."""
    w = tf.get_variable('w', initializer=wave(1, 1))
    y = tf.matmul(features['whole'], w) * params['scale']
    if mode == 'infer':
        outputs = {'predict': tf.estimator.export.PredictOutput({'y': y})}
        return tf.estimator.EstimatorSpec(mode, {'y': y}, export_outputs=outputs)
    loss = tf.losses.mean_squared_error(tf.to_float(labels[:, None]), y)
    momentum = tf.contrib.estimator.TowerOptimizer(lambda: tf.train.MomentumOptimizer(0.1, 0.9))
    train = momentum.minimize(loss, tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, {'y': y}, loss, train)


def wrapped_estimators():
    """A replicated model function, and an Estimator with forwarded features."""
    contrib = tf.contrib.estimator
    model = tf.estimator.Estimator(
        contrib.replicate_model_fn(line, tf.losses.Reduction.MEAN), tempfile.mkdtemp(), params={'scale': 2.0}
    )
    model = contrib.forward_features(model, ['id', 'number'], {'number': -1.0})
    model.train(inputs, steps=3)
    predicted = list(itertools.islice(model.predict(inputs), 4))
    return {
        'variables': sorted(model.get_variable_names()),
        'keys': sorted(predicted[0]),
        'ids': [int(each['id']) for each in predicted],
        'values': [
            float(model.evaluate(inputs, steps=1)['loss']),
            np.array([each['number'] for each in predicted]).tolist(),
            [each['y'].tolist() for each in predicted],
        ],
    }
