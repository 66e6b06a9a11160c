import numpy as np
import pytest

from estimator_lab.optimizers import ConjugateGradientOptimizer
from estimator_lab.optimizers.second_order.descent import polak_ribiere
from estimator_lab.tf1 import tf
from tests.optimizers.second_order.problems import quadratic, quadratic_loss, run

pytestmark = pytest.mark.trains


class Exact(ConjugateGradientOptimizer):
    """Each search ends at the minimum of its line."""

    curvature = 1e-9


def test_a_quadratic_of_n_weights_takes_n_exact_searches():
    matrix, target, minimum = quadratic(6)
    seen = run(Exact(), quadratic_loss(matrix, target), np.zeros(6), 6)
    errors = np.abs(seen.weights - minimum).max(axis=1)
    assert errors[6] < 1e-6 < errors[5]
    # The directions are conjugate.
    changes = np.diff(seen.weights, axis=0)
    products = changes @ matrix @ changes.T
    scale = np.sqrt(np.outer(np.diag(products), np.diag(products)))
    assert np.abs(products / scale - np.eye(6)).max() < 1e-4


def test_beta(session):
    new, old = np.array([[1.0, 2.0, -1.0], [0.5, 1.0, 3.0]])
    found = session.run(polak_ribiere(tf.constant(new), tf.constant(old)))
    assert found == pytest.approx(max(0, new @ (new - old) / (old @ old)))
    # PR+ restarts if the gradient turns back on itself: g'(g - g_0) = 5 (5 - 10) < 0.
    assert session.run(polak_ribiere(tf.constant([5.0, 0.0]), tf.constant([10.0, 0.0]))) == 0


def test_it_restarts_after_one_iteration_per_weight(session):
    x = tf.get_variable('x', initializer=np.ones(3), use_resource=True)
    method = ConjugateGradientOptimizer()
    step = method.minimize(tf.reduce_sum((x - [3, 6, 9]) ** 4 + x[0] * x[1] * x[2]))
    session.run(tf.global_variables_initializer())
    _, beta, _, age, _ = method.variables()
    seen = []
    for _ in range(6):
        session.run(step)
        seen.append(session.run([age, beta]))
    assert [int(age) for age, _ in seen] == [1, 2, 0, 1, 2, 0]
    assert seen[2][1] == seen[5][1] == 0 and any(beta for _, beta in seen)
