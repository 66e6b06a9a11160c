"""Keras models as estimators."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import batches, column, run_config, tf2

pytestmark = [pytest.mark.both, pytest.mark.trains]

keras = tf.keras
X = np.array([[1], [2], [3], [4]], np.float32)


def compiled_line():
    inputs = keras.Input([1], name='x')
    outputs = keras.layers.Dense(1, kernel_initializer='zeros', use_bias=False, name='y')(inputs)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.legacy.SGD(0.01), 'mse', metrics=['mae'])
    return model


def to_estimator(model, folder):
    return keras.estimator.model_to_estimator(
        model, model_dir=str(folder), config=run_config(folder), checkpoint_format='saver'
    )


def test_model_to_estimator(tmp_path):
    """model_to_estimator trains a compiled Keras 2 model, with its loss, optimizer and metrics."""
    model = to_estimator(compiled_line(), tmp_path)
    model.train(batches({'x': X}, 2 * X, epochs=None), steps=1)
    # The gradient of the mean squared error from weight 0 is -30, as for y = w x by hand.
    found = model.evaluate(batches({'x': X}, 2 * X))
    assert found['loss'] == pytest.approx(1.7**2 * 7.5, rel=1e-4)
    assert found['mae'] == pytest.approx(1.7 * 2.5, rel=1e-4)
    predictions = column(model.predict(batches({'x': X})), 'y')
    assert predictions == pytest.approx(0.3 * X, rel=1e-4)


def test_keras_layers_in_a_model_fn(tmp_path):
    """A model_fn may use Keras 2 layers, losses and a v2 optimizer."""

    def model_fn(features, labels, mode):
        outputs = keras.layers.Dense(1, kernel_initializer='zeros', use_bias=False)(features['x'])
        loss = tf.reduce_mean(keras.losses.mean_squared_error(labels, outputs))
        optimizer = keras.optimizers.legacy.SGD(0.01)
        optimizer.iterations = tf.train.get_or_create_global_step()
        train_op = tf.group(optimizer.get_updates(loss, tf.trainable_variables()))
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    model = tf2.estimator.Estimator(model_fn, config=run_config(tmp_path))
    model.train(batches({'x': X}, 2 * X, epochs=None), steps=1)
    assert model.get_variable_value('global_step') == 1
    assert model.get_variable_value('dense/kernel') == pytest.approx(0.3)


def test_keras_metrics_in_a_spec(tmp_path):
    """eval_metric_ops accepts Keras metric objects."""

    def model_fn(features, labels, mode):
        metric = keras.metrics.MeanAbsoluteError()
        metric.update_state(labels, features['x'])
        loss = tf.losses.mean_squared_error(labels, features['x'])
        return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops={'mae': metric})

    found = tf.estimator.Estimator(model_fn, config=run_config(tmp_path)).evaluate(batches({'x': X}, 2 * X))
    assert found['mae'] == pytest.approx(2.5)
