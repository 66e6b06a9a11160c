"""Towers and forwarded features. Part of remake_contrib.py."""

import itertools
import tempfile

import numpy as np
from contrib_shared import tf, wave

NUMBERS = [[0.5, -1.0, 2.0], [1.5], [-0.5, 0.25], [3.0, 1.0]]


def sparse(rows):
    """Returns the rows as a SparseTensor."""
    indices = [[row, column] for row, values in enumerate(rows) for column in range(len(values))]
    return tf.SparseTensor(indices, [value for row in rows for value in row], [len(rows), 3])


def inputs():
    """Four sequences, a number and an id for each, and their classes."""
    features = {
        'number': sparse(NUMBERS),
        'whole': tf.constant(wave(4, 1)),
        'id': tf.constant([7, 8, 9, 10], tf.int64),
    }
    return features, tf.constant([0, 1, 1, 2])


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
