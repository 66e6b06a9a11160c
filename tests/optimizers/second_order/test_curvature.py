import numpy as np
import pytest

from estimator_lab.base.errors import FlagError
from estimator_lab.optimizers.second_order.gauss_newton import GaussNewton
from estimator_lab.tf1 import tf

pytestmark = pytest.mark.trains

_ROWS, _INPUTS, _HIDDEN = 5, 3, 4
_EXAMPLE_WEIGHTS = np.array([1.0, 2.0, 0.0, 1.0, 0.5])


def softmax(z):
    p = np.exp(z) / np.exp(z).sum()
    return np.diag(p) - np.outer(p, p)


def sigmoid(z):
    p = 1 / (1 + np.exp(-z))
    return np.diag(p * (1 - p))


def squared(z):
    return 2 * np.eye(len(z)) / len(z)


cross_entropy = tf.nn.softmax_cross_entropy_with_logits_v2
sparse = tf.nn.sparse_softmax_cross_entropy_with_logits
# name -> (outputs, losses [rows] of labels and outputs, Hessian of one example's loss by its outputs)
LOSSES = {
    'softmax': (3, lambda y, z: cross_entropy(labels=y, logits=z), softmax),
    'sparse softmax': (3, lambda y, z: sparse(labels=tf.argmax(y, 1), logits=z), softmax),
    'sigmoid': (
        2,
        lambda y, z: tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=z), 1),
        sigmoid,
    ),
    'squared error': (3, lambda y, z: tf.reduce_mean(tf.math.squared_difference(z, y), 1), squared),
}


class Network:
    """A hidden layer of tanh units in double precision, as a function of one vector of weights."""

    def __init__(self, outputs):
        rng = np.random.default_rng(1)
        self.inputs = rng.normal(size=(_ROWS, _INPUTS))
        self.labels = rng.dirichlet(np.ones(outputs), size=_ROWS)
        self.size = (_INPUTS + outputs) * _HIDDEN
        self.weights = rng.normal(size=self.size)
        self.outputs = outputs

    def tensors(self, weights):
        first, second = tf.split(weights, [_INPUTS * _HIDDEN, _HIDDEN * self.outputs])
        hidden = tf.tanh(tf.matmul(tf.constant(self.inputs), tf.reshape(first, [_INPUTS, _HIDDEN])))
        return tf.matmul(hidden, tf.reshape(second, [_HIDDEN, self.outputs]))

    def values(self, weights):
        first, second = np.split(weights, [_INPUTS * _HIDDEN])
        return np.tanh(self.inputs @ first.reshape(_INPUTS, -1)) @ second.reshape(_HIDDEN, -1)

    def jacobian(self):
        """Returns the Jacobian by central differences, [rows, outputs, size]."""
        columns = []
        for unit in np.eye(self.size) * 1e-6:
            columns.append((self.values(self.weights + unit) - self.values(self.weights - unit)) / 2e-6)
        return np.stack(columns, axis=2)


@pytest.mark.parametrize('name', LOSSES)
def test_products_are_those_of_the_dense_matrix(name, session):
    outputs, losses_of, hessian = LOSSES[name]
    network = Network(outputs)
    jacobian, z = network.jacobian(), network.values(network.weights)
    shares = _EXAMPLE_WEIGHTS / _EXAMPLE_WEIGHTS.sum()
    expected = sum(share * j.T @ hessian(row) @ j for share, j, row in zip(shares, jacobian, z, strict=True))
    weights = tf.constant(network.weights)
    made = network.tensors(weights)
    loss = tf.reduce_sum(shares * losses_of(tf.constant(network.labels), made))
    matrix = GaussNewton(loss, [made], weights)
    found = session.run([matrix.product(tf.constant(column)) for column in np.eye(network.size)])
    found = np.array(found)
    assert found == pytest.approx(expected, abs=1e-8)
    assert found == pytest.approx(found.T, abs=1e-12)
    assert np.linalg.eigvalsh(found).min() > -1e-12


def test_squared_gradients_are_the_mean_over_the_examples(session):
    network = Network(3)
    jacobian, z = network.jacobian(), network.values(network.weights)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    gradients = np.einsum('ro,ros->rs', p - network.labels, jacobian)
    weights = tf.constant(network.weights)
    made = network.tensors(weights)
    loss = tf.reduce_mean(LOSSES['softmax'][1](tf.constant(network.labels), made))
    matrix = GaussNewton(loss, [made], weights)
    many = session.run(matrix.squared_gradients(tf.constant(7), 4000))
    seed = tf.placeholder(tf.int32, [])
    one = matrix.squared_gradients(seed, 2)
    first, same, other = (session.run(one, {seed: number}) for number in (1, 1, 2))
    assert session.run(matrix.squared_gradients(tf.constant(7), 1)).max() > 0
    assert many == pytest.approx((gradients**2).mean(axis=0), rel=0.1)
    assert np.array_equal(first, same) and not np.array_equal(first, other)


def test_a_linear_loss_is_rejected(graph):
    weights = tf.constant([1.0, 2.0])
    outputs = tf.sin(weights)
    with pytest.raises(FlagError, match='linear in the outputs'):
        GaussNewton(tf.reduce_sum(outputs), [outputs], weights)
