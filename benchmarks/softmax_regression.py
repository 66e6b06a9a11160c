"""Softmax regression on MNIST by L-BFGS: ours against SciPy's and scikit-learn's.

    python benchmarks/softmax_regression.py mnist-train.tar.gz        5 minutes

Prints evaluations of the loss and seconds until it is within 1e-6 of its minimum. Needs SciPy and
scikit-learn, and an idle machine.
"""

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from archives import read_images
from runner import machine

from estimator_lab.optimizers import LBFGSOptimizer
from estimator_lab.tf1 import tf

SIDE, CLASSES = 28, 10
_DECAY = 1e-4
_NEAR = 1e-6


class Digits(NamedTuple):
    """Images float32 [n, 784] in [0, 1] and their digits int32 [n]."""

    images: np.ndarray
    labels: np.ndarray


def read_digits(archive: str) -> Digits:
    """Returns the images of an archive."""
    images, labels = read_images(archive, SIDE)
    return Digits(images.reshape(len(images), -1).astype(np.float32) / 255, np.array(labels, np.int32))


def compare(archive: str) -> None:
    """Prints evaluations and seconds until the minimum of softmax regression with weight decay is near."""
    from scipy.optimize import minimize
    from sklearn.linear_model import LogisticRegression

    digits = read_digits(archive)
    function = _softmax_in_numpy(digits)
    start = np.zeros(SIDE**2 * CLASSES)
    exact = minimize(function, start, jac=True, method='L-BFGS-B', options=_options(30, 1e-15, 1e-7))
    print(f'minimum {exact.fun:.9f}, found by SciPy with 30 pairs in {exact.nfev} evaluations')

    trace: list[tuple[float, float]] = []
    started = time.perf_counter()

    def watched(x: np.ndarray) -> tuple[float, np.ndarray]:
        loss, gradient = function(x)
        trace.append((loss, time.perf_counter() - started))
        return loss, gradient

    minimize(watched, start, jac=True, method='L-BFGS-B', options=_options(10, 1e-12, 1e-6))
    near = exact.fun * (1 + _NEAR)
    theirs = next((number for number, (loss, _) in enumerate(trace) if loss <= near), len(trace) - 1)
    _print_run('SciPy L-BFGS-B, m = 10', trace[theirs][0], exact.fun, theirs + 1, trace[theirs][1])

    started = time.perf_counter()
    model = LogisticRegression(
        C=1 / (_DECAY * len(digits.images)), fit_intercept=False, tol=1e-5, max_iter=2000
    )
    model.fit(digits.images, digits.labels)
    seconds = time.perf_counter() - started
    loss = function(model.coef_.T.astype(np.float64).ravel())[0]
    _print_run('scikit-learn lbfgs', loss, exact.fun, int(model.n_iter_[0]), seconds, 'iterations')
    _our_softmax(digits, function, exact.fun, theirs + 1)


def _options(memory: int, loss: float, gradient: float) -> dict[str, Any]:
    return {'maxcor': memory, 'ftol': loss, 'gtol': gradient, 'maxiter': 5000, 'maxfun': 10000}


def _softmax_in_numpy(digits: Digits) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Returns weights -> (loss, gradient); the products are of float32, as ours are, the sums of float64."""
    rows = np.arange(len(digits.labels))

    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        weights = x.astype(np.float32).reshape(SIDE**2, CLASSES)
        logits = digits.images @ weights
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        sums = shares.sum(axis=1, keepdims=True)
        losses = np.log(sums[:, 0]) - logits[rows, digits.labels]
        shares /= sums
        shares[rows, digits.labels] -= 1
        gradient = (digits.images.T @ shares).astype(np.float64).ravel() / len(rows) + _DECAY * x
        return float(losses.mean(dtype=np.float64) + _DECAY * (x @ x) / 2), gradient

    return function


def _our_softmax(digits: Digits, function: Any, minimum: float, most: int) -> None:
    """Runs our L-BFGS until the minimum is near, or for three times as many evaluations as SciPy's."""
    with tf.Graph().as_default():
        images = tf.placeholder(tf.float32, [None, SIDE**2])
        classes = tf.placeholder(tf.int32, [None])
        feed = {images: digits.images, classes: digits.labels}
        weights = tf.get_variable('w', [SIDE**2, CLASSES], initializer=tf.zeros_initializer())
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=classes, logits=tf.matmul(images, weights)
        )
        loss = tf.reduce_mean(losses) + _DECAY * tf.nn.l2_loss(weights)
        optimizer = LBFGSOptimizer(iterations=20)
        step = optimizer.minimize(loss)
        with tf.Session() as run:
            run.run(tf.global_variables_initializer())
            fetches = [optimizer.diagnostics['evaluations'], step]
            run.make_callable(loss)  # starts TensorFlow's threads
            evaluations, started = 0, time.perf_counter()
            while evaluations < 3 * most:
                # The loss at the start of a step was the last one of the step before: one step counts it.
                evaluations += int(run.run(fetches, feed)[0])
                seconds = time.perf_counter() - started
                found = function(run.run(weights).astype(np.float64).ravel())[0]
                if found <= minimum * (1 + _NEAR):
                    break
                started += time.perf_counter() - started - seconds
    _print_run('ours, m = 10, 20 iterations a step', found, minimum, evaluations, seconds)
    print(f"evaluations: {evaluations / most:.2f} times SciPy's")


def _print_run(
    name: str, loss: float, minimum: float, count: int, seconds: float, unit: str = 'evaluations'
) -> None:
    print(f'{name:<36}{loss / minimum - 1:>10.1e} above the minimum, {count:5d} {unit}, {seconds:6.1f} s')


if __name__ == '__main__':
    print(machine('scipy', 'scikit-learn'), flush=True)
    compare(sys.argv[1])
