"""Arithmetic shown in the test."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import X, Y, batches, column, line, numeric_x, run_config, slope_estimator, tf2

APIS = pytest.mark.parametrize('api', [tf.estimator, tf2.estimator], ids=['v1', 'v2'])


def gradient_descent(api, rate):
    return (
        tf.train.GradientDescentOptimizer(rate)
        if api is tf.estimator
        else tf.keras.optimizers.legacy.SGD(rate)
    )


@APIS
def test_linear_regressor(api, tmp_path):
    """LinearRegressor's weights after one step of gradient descent are those of the formula."""
    model = api.LinearRegressor(
        numeric_x(1), optimizer=gradient_descent(api, 0.001), config=run_config(tmp_path)
    )
    model.train(batches({'x': X}, Y, epochs=None), steps=1)
    # v1 sums the squares over the batch, v2 takes their mean.
    scale = len(X) if api is tf.estimator else 1
    weight, bias = 0.001 * scale * 4 * np.mean(X**2), 0.001 * scale * 4 * np.mean(X)
    assert model.get_variable_value('linear/linear_model/x/weights') == pytest.approx(weight)
    assert model.get_variable_value('linear/linear_model/bias_weights') == pytest.approx(bias)
    found = model.evaluate(batches({'x': X}, Y))
    assert found['average_loss'] == pytest.approx(np.mean((weight * X + bias - Y) ** 2), rel=1e-5)


@APIS
def test_linear_classifier(api, tmp_path):
    """LinearClassifier's logit and loss after one step are those of logistic regression."""
    model = api.LinearClassifier(
        numeric_x(1), optimizer=gradient_descent(api, 0.01), config=run_config(tmp_path)
    )
    labels = np.array([0, 0, 1, 1], np.int32)
    model.train(batches({'x': X}, labels, epochs=None), steps=1)
    scale = len(X) if api is tf.estimator else 1
    # At weight 0 each probability is 1/2.
    weight = 0.01 * scale * np.mean((labels - 0.5) * X)
    bias = 0.01 * scale * np.mean(labels - 0.5)
    logits = weight * X + bias
    assert column(model.predict(batches({'x': X})), 'logits')[:, 0] == pytest.approx(logits, rel=1e-4)
    probabilities = 1 / (1 + np.exp(-logits))
    loss = -np.mean(np.log(np.where(labels, probabilities, 1 - probabilities)))
    assert model.evaluate(batches({'x': X}, labels))['average_loss'] == pytest.approx(loss, rel=1e-5)


def write_dnn_checkpoint(folder, weights):
    """Writes a checkpoint of given weights, as if a DNNClassifier had been trained to them."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.train.create_global_step()
        for name, value in weights.items():
            tf.get_variable(name, initializer=tf.constant(value, tf.float32))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(folder / 'model.ckpt'))


@APIS
def test_dnn_classifier(api, tmp_path):
    """DNNClassifier's logits are two matrix products with a ReLU between them."""
    kernel, bias = np.array([[0.6, 0.5, -0.6], [-0.2, -0.3, 0.4]]), np.array([0.1, -0.1, 0.2])
    last_kernel, last_bias = np.array([[1, -1, 0.5], [-0.8, 0.3, 1], [0.2, 0.2, -0.4]]), np.array([0.3, 0, 0])
    weights = {
        'dnn/hiddenlayer_0/kernel': kernel,
        'dnn/hiddenlayer_0/bias': bias,
        'dnn/logits/kernel': last_kernel,
        'dnn/logits/bias': last_bias,
    }
    write_dnn_checkpoint(tmp_path, weights)
    x = np.array([[1, 2], [-3, 0.5]], np.float32)
    expected = np.maximum(x @ kernel + bias, 0) @ last_kernel + last_bias
    model = api.DNNClassifier([3], numeric_x(), n_classes=3, config=run_config(tmp_path))
    assert column(model.predict(batches({'x': x})), 'logits') == pytest.approx(expected, rel=1e-5)


def test_two_steps_of_momentum(tmp_path):
    """Two steps of momentum keep the velocity of the formula in the slot."""
    model = slope_estimator(tmp_path, {'optimizer': lambda rate: tf.train.MomentumOptimizer(rate, 0.9)})
    # Trained in two calls, so that the slot goes through the checkpoint.
    model.train(line(), steps=1).train(line(), steps=1)
    slope = velocity = 0
    for _ in range(2):
        velocity = 0.9 * velocity + 2 * (slope - 2) * np.mean(X**2)
        slope -= 0.01 * velocity
    assert model.get_variable_value('w') == pytest.approx(slope, rel=1e-5)
    assert model.get_variable_value('w/Momentum') == pytest.approx(velocity, rel=1e-5)


def test_adam(tmp_path):
    """The first step of Adam moves each weight by the learning rate against the gradient's sign."""

    def model_fn(features, labels, mode):
        weights = tf.get_variable('w', initializer=[1.0, -1.0, 5.0])
        loss = tf.reduce_sum(tf.square(weights))
        train_op = tf.train.AdamOptimizer(0.1).minimize(loss, tf.train.get_global_step())
        return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)

    model = tf.estimator.Estimator(model_fn, config=run_config(tmp_path))
    model.train(batches({'x': X}, Y), steps=1)
    assert model.get_variable_value('w') == pytest.approx([0.9, -0.9, 4.9], rel=1e-5)
