import numpy as np
import pytest

from estimator_lab.optimizers import LBFGSOptimizer
from estimator_lab.optimizers.second_order.descent import Pairs, two_loop, with_pair
from estimator_lab.tf1 import tf
from tests.optimizers.second_order.problems import quadratic
from tests.support.graphs import evaluate

pytestmark = pytest.mark.trains


def dense_inverse(pairs, start):
    """Returns the inverse Hessian of BFGS as a matrix ((7.16), p. 177)."""
    inverse = start * np.eye(pairs.positions.shape[1])
    for s, y in zip(*pairs, strict=True):
        rho = 1 / (s @ y)
        turn = np.eye(len(s)) - rho * np.outer(y, s)
        inverse = turn.T @ inverse @ turn + rho * np.outer(s, s)
    return inverse


def some_pairs(count, size=5):
    rng = np.random.default_rng(1)
    positions = rng.normal(size=(count, size))
    return Pairs(positions, positions @ quadratic(size)[0])


@pytest.mark.parametrize('missing', [0, 2])
def test_two_loop_multiplies_by_the_inverse_hessian(missing):
    pairs = some_pairs(4)
    s, y = pairs.positions[-1], pairs.gradients[-1]
    gradient = np.random.default_rng(2).normal(size=5)
    expected = dense_inverse(Pairs(*(rows[missing:] for rows in pairs)), (s @ y) / (y @ y)) @ gradient
    for rows in pairs:
        rows[:missing] = 0
    found = evaluate(lambda: two_loop(tf.constant(gradient), Pairs(*map(tf.constant, pairs))))
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_pair_replaces_the_oldest_unless_it_has_no_curvature():
    pairs = some_pairs(3)
    new = np.ones(5)

    def build():
        held = Pairs(*map(tf.constant, pairs))
        return [with_pair(held, tf.constant(new), tf.constant(factor * new)) for factor in (2, -2, 0)]

    pushed, skipped, flat = evaluate(build)
    assert np.array_equal(pushed.positions, [*pairs.positions[1:], new])
    assert np.array_equal(pushed.gradients, [*pairs.gradients[1:], 2 * new])
    for kept in (skipped, flat):
        assert np.array_equal(kept, pairs)


def test_a_direction_that_leads_up_resets_the_method(session):
    x = tf.get_variable('x', initializer=np.array([1.0, -2.0]), use_resource=True)
    optimizer = LBFGSOptimizer(memory=1)
    step = optimizer.minimize(tf.reduce_sum(x**2 * [1, 5]))
    session.run(tf.global_variables_initializer())
    positions, gradients, _ = optimizer.variables()
    # NaN: H g is not finite, so that the direction does not lead down.
    positions.load([[np.nan, 1.0]], session)
    gradients.load([[1.0, 1.0]], session)
    assert session.run([optimizer.diagnostics['resets'], step])[0] == 1
    # It followed the negative gradient (2, -20) and kept the pair of this step.
    (change,) = session.run(positions)
    assert change[1] / change[0] == pytest.approx(-10)
    assert session.run(x) == pytest.approx(np.array([1, -2]) + change)
