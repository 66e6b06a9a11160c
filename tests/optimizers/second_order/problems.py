"""Losses with known minima, and a function that runs an optimizer on one."""

from typing import Any, NamedTuple

import numpy as np

from estimator_lab.tf1 import tf


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def beale(x):
    return (
        (1.5 - x[0] + x[0] * x[1]) ** 2
        + (2.25 - x[0] + x[0] * x[1] ** 2) ** 2
        + (2.625 - x[0] + x[0] * x[1] ** 3) ** 2
    )


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


# (loss, start, minimum)
CLASSICS = {
    'Rosenbrock': (rosenbrock, (-1.2, 1.0), (1.0, 1.0)),
    'Beale': (beale, (1.0, 1.0), (3.0, 0.5)),
    'Himmelblau': (himmelblau, (0.0, 0.0), (3.0, 2.0)),
}


class Run(NamedTuple):
    """The result of `run`: weights before each step and after the last, and the diagnostics of each step."""

    weights: np.ndarray
    shown: list[dict[str, Any]]

    def total(self, name):
        return sum(step[name] for step in self.shown)


def run(optimizer, loss_of, start, steps, dtype=np.float64, **named):
    """Takes steps from a start on a loss of one vector of weights."""
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.get_variable('x', initializer=np.array(start, dtype), use_resource=True)
        step = optimizer.minimize(loss_of(x), **named)
        session.run(tf.global_variables_initializer())
        weights, shown = [session.run(x)], []
        for _ in range(steps):
            shown.append(session.run([optimizer.diagnostics, step])[0])
            weights.append(session.run(x))
        return Run(np.array(weights), shown)


def quadratic(size, seed=1, condition=20.0):
    """Returns A, symmetric and positive definite with eigenvalues from 1 to `condition`, b and A^-1 b."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = basis @ np.diag(np.linspace(1, condition, size)) @ basis.T
    target = rng.normal(size=size)
    return matrix, target, np.linalg.solve(matrix, target)


def quadratic_loss(matrix, target):
    """Returns the loss x'Ax / 2 - b'x."""
    return lambda x: tf.reduce_sum(x * tf.linalg.matvec(matrix, x)) / 2 - tf.reduce_sum(target * x)


class Softmax(NamedTuple):
    """Softmax regression with weight decay, in NumPy and in TensorFlow: the same function of one vector."""

    inputs: np.ndarray
    ids: np.ndarray
    classes: int
    decay: float

    def tensor(self, x):
        weights = tf.reshape(x, [self.inputs.shape[1], self.classes])
        logits = tf.matmul(tf.constant(self.inputs), weights)
        # Not by tf.losses, which computes in float32.
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=self.ids, logits=logits)
        return tf.reduce_mean(losses) + self.decay * tf.reduce_sum(x**2) / 2

    def value_and_gradient(self, x):
        weights = x.reshape(self.inputs.shape[1], self.classes)
        logits = self.inputs @ weights
        logits -= logits.max(axis=1, keepdims=True)
        log_sums = np.log(np.exp(logits).sum(axis=1))
        rows = np.arange(len(self.ids))
        wrong = np.exp(logits - log_sums[:, np.newaxis])
        wrong[rows, self.ids] -= 1
        loss = (log_sums - logits[rows, self.ids]).mean() + self.decay * (x**2).sum() / 2
        return loss, (self.inputs.T @ wrong / len(self.ids) + self.decay * weights).ravel()


def softmax_regression(examples=200, features=12, classes=4, decay=1e-3, seed=3):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(examples, features)) * np.linspace(0.3, 3, features)
    ids = (inputs @ rng.normal(size=(features, classes)) + 3 * rng.normal(size=(examples, classes))).argmax(1)
    return Softmax(inputs, ids, classes, decay)
