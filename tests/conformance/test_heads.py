"""Heads."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.conformance.helpers import PREDICT, TRAIN, batches, column, numeric_x, run, run_config, tf2

ESTIMATOR = tf2.estimator


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def softmax(x):
    powers = np.exp(np.asarray(x, np.float64))
    return powers / powers.sum(axis=-1, keepdims=True)


def loss_of(head, logits, labels):
    logits, labels = tf.constant(logits), tf.constant(labels)
    return run(head.loss(labels, logits, features={}, mode=tf.estimator.ModeKeys.EVAL))


def predictions_of(head, logits):
    spec = head.create_estimator_spec({}, PREDICT, tf.constant(logits))
    return run(spec.predictions)


def test_binary_class_head():
    """BinaryClassHead's loss is the sigmoid cross-entropy, and it predicts both probabilities."""
    head = ESTIMATOR.BinaryClassHead()
    logits = np.array([[2], [-1]], np.float32)
    expected = -np.mean(np.log([sigmoid(2), sigmoid(-1)]))
    assert loss_of(head, logits, [[1], [1]]) == pytest.approx(expected, rel=1e-5)
    found = predictions_of(head, logits)
    assert found['probabilities'][:, 1] == pytest.approx(sigmoid([2, -1]), rel=1e-5)
    assert found['class_ids'].tolist() == [[1], [0]]


def test_multi_class_head():
    """MultiClassHead's loss is the softmax cross-entropy, and it predicts the class."""
    head = ESTIMATOR.MultiClassHead(3)
    logits = np.array([[1, 2, 0], [0, 0, 3]], np.float32)
    expected = -np.mean(np.log(softmax(logits)[[0, 1], [1, 2]]))
    assert loss_of(head, logits, [[1], [2]]) == pytest.approx(expected, rel=1e-5)
    found = predictions_of(head, logits)
    assert found['probabilities'] == pytest.approx(softmax(logits), rel=1e-5)
    assert found['class_ids'].tolist() == [[1], [2]]


def test_multi_label_head():
    """MultiLabelHead's loss is the mean of a sigmoid cross-entropy for each class."""
    head = ESTIMATOR.MultiLabelHead(2)
    logits, labels = np.array([[1, -2]], np.float32), np.array([[1, 0]])
    expected = -np.mean(np.log([sigmoid(1), 1 - sigmoid(-2)]))
    assert loss_of(head, logits, labels) == pytest.approx(expected, rel=1e-5)
    assert predictions_of(head, logits)['probabilities'] == pytest.approx(sigmoid(logits), rel=1e-5)


def test_regression_head():
    """RegressionHead's loss is the mean squared error, over label_dimension outputs."""
    head = ESTIMATOR.RegressionHead(label_dimension=2)
    logits, labels = np.array([[1, 2], [3, 4]], np.float32), np.array([[1, 1], [1, 1]], np.float32)
    assert loss_of(head, logits, labels) == pytest.approx((0 + 1 + 4 + 9) / 4)
    assert predictions_of(head, logits)['predictions'].tolist() == logits.tolist()


def test_poisson_regression_head():
    """PoissonRegressionHead predicts exp(logits), and its loss is the Poisson log-likelihood's."""
    head = ESTIMATOR.PoissonRegressionHead(compute_full_loss=False)
    logits, labels = np.array([[0.5], [1]], np.float32), np.array([[1], [2]], np.float32)
    expected = np.mean(np.exp(logits) - labels * logits)
    assert loss_of(head, logits, labels) == pytest.approx(expected, rel=1e-5)
    assert predictions_of(head, logits)['predictions'] == pytest.approx(np.exp(logits), rel=1e-5)


def test_logistic_regression_head():
    """LogisticRegressionHead accepts labels in [0, 1] and predicts sigmoid(logits)."""
    head = ESTIMATOR.LogisticRegressionHead()
    logits, labels = np.array([[0.5], [-1]], np.float32), np.array([[0.25], [0.75]], np.float32)
    p = sigmoid(logits)
    expected = -np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p))
    assert loss_of(head, logits, labels) == pytest.approx(expected, rel=1e-5)
    assert predictions_of(head, logits)['predictions'] == pytest.approx(p, rel=1e-5)


def test_multi_head_loss():
    """MultiHead's loss is the weighted sum of its heads' losses."""
    heads = [ESTIMATOR.RegressionHead(name='a'), ESTIMATOR.RegressionHead(name='b')]
    head = ESTIMATOR.MultiHead(heads, head_weights=[1, 10])
    logits = {'a': tf.constant([[1.0]]), 'b': tf.constant([[2.0]])}
    labels = {'a': tf.constant([[0.0]]), 'b': tf.constant([[0.0]])}
    assert run(head.loss(labels, logits, features={}, mode='eval')) == pytest.approx(1 + 10 * 4)


def test_multi_head_in_an_estimator(tmp_path):
    """A DNNEstimator with a MultiHead trains and evaluates each head under its name."""
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    head = ESTIMATOR.MultiHead(
        [ESTIMATOR.RegressionHead(name='line'), ESTIMATOR.MultiClassHead(3, name='bin')]
    )
    labels = {'line': x, 'bin': np.digitize(x, [-0.3, 0.3]).astype(np.int64)}

    # A function, as an optimizer of Keras keeps the variables of the first graph that it is used in.
    def optimizer():
        return tf.keras.optimizers.legacy.Adam(0.05)

    model = ESTIMATOR.DNNEstimator(head, [8], numeric_x(1), optimizer=optimizer, config=run_config(tmp_path))
    first = model.train(batches({'x': x}, labels, 20), steps=1).evaluate(batches({'x': x}, labels, 20))
    model.train(batches({'x': x}, labels, 20, epochs=None), steps=40)
    last = model.evaluate(batches({'x': x}, labels, 20))
    assert last['loss/line'] < first['loss/line'] / 2
    assert last['accuracy/bin'] > 0.8
    predictions = list(model.predict(batches({'x': x}, batch_size=20)))
    assert column(predictions, ('line', 'predictions')).shape == (20, 1)


def test_head_with_custom_loss():
    """A head accepts a custom loss function."""
    head = ESTIMATOR.RegressionHead(loss_fn=lambda labels, logits: tf.abs(labels - logits))
    assert loss_of(head, [[1.0], [5.0]], [[0.0], [0.0]]) == pytest.approx(3)


def test_head_rejects_bad_labels():
    """A head rejects labels outside its classes when the session runs, and wrong shapes before that."""
    head = ESTIMATOR.MultiClassHead(3)
    with pytest.raises(tf.errors.InvalidArgumentError):
        loss_of(head, [[1.0, 2.0, 0.0]], [[3]])
    with pytest.raises(ValueError, match='logits shape must be'):
        head.create_estimator_spec(
            {}, TRAIN, tf.zeros([1, 4]), tf.constant([[0]]), train_op_fn=lambda loss: loss
        )


def test_head_in_a_model_fn(tmp_path):
    """A custom model_fn leaves loss, metrics and predictions to a head."""
    head = ESTIMATOR.RegressionHead()

    def model_fn(features, labels, mode):
        logits = tf.layers.dense(features['x'], 1, kernel_initializer=tf.zeros_initializer())
        step = tf.train.get_global_step()
        rule = tf.train.GradientDescentOptimizer(0.1)
        variables = tf.trainable_variables()
        return head.create_estimator_spec(
            features,
            mode,
            logits,
            labels,
            train_op_fn=lambda loss: rule.minimize(loss, step),
            trainable_variables=variables,
        )

    x = np.array([[1], [2]], np.float32)
    model = tf.estimator.Estimator(model_fn, config=run_config(tmp_path))
    model.train(batches({'x': x}, 2 * x), steps=1)
    # The gradient of mean((w x + b - 2 x)^2) at 0 is -4 mean(x^2) = -10 for w and -4 mean(x) = -6 for b.
    assert model.get_variable_value('dense/kernel') == pytest.approx(1.0)
    assert model.get_variable_value('dense/bias') == pytest.approx(0.6)
    assert model.evaluate(batches({'x': x}, 2 * x))['average_loss'] == pytest.approx((0.4**2 + 1.4**2) / 2)
