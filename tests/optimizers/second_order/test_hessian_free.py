import numpy as np
import pytest
from scipy.optimize import minimize

from estimator_lab.base.errors import FlagError
from estimator_lab.optimizers import HessianFreeOptimizer
from estimator_lab.optimizers.second_order.hessian_free import damping_factor
from estimator_lab.tf1 import tf
from tests.optimizers.second_order.problems import run, softmax_regression
from tests.support.graphs import evaluate

pytestmark = pytest.mark.trains

_ROWS = 12


def regression():
    """Returns x, y and the least-squares solution of x w = y."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(_ROWS, 3)) * [1, 2, 3]
    y = rng.normal(size=_ROWS)
    return x, y, np.linalg.lstsq(x, y, rcond=None)[0]


def loss_of(weights):
    x, y, _ = regression()
    return tf.reduce_mean(tf.math.squared_difference(tf.linalg.matvec(tf.constant(x), weights), y))


def test_damping_follows_the_reduction_ratio():
    ratios = [1.2, 0.95, 0.8, 0.75, 0.5, 0.25, 0.2, -1.0, np.nan]
    found = evaluate(lambda: damping_factor(tf.constant(ratios)))
    assert found == pytest.approx([1 / 4, 1 / 4, 2 / 3, 1, 1, 1, 1.5, 1.5, 1.5])


def test_without_damping_one_step_solves_least_squares():
    seen = run(HessianFreeOptimizer(damping=1e-9), loss_of, np.zeros(3), 1)
    assert seen.weights[-1] == pytest.approx(regression()[2], abs=1e-6)
    # The model is the loss itself: its prediction is exact, and damping decreases.
    assert seen.shown[0]['reduction_ratio'] == pytest.approx(1) and seen.shown[0]['step_length'] == 1


def test_a_damped_step_is_that_of_the_damped_matrix():
    x, y, _ = regression()

    def loss(weights):  # of shape [3, 1], which counts for L2
        return loss_of(weights[:, 0])

    for damping, l2 in ((45.0, 0.0), (3.0, 0.0), (3.0, 0.5)):
        kernel = np.array([[1.0], [2.0], [3.0]])
        seen = run(HessianFreeOptimizer(damping=damping, l2=l2), loss, kernel, 1)
        gradient = 2 / _ROWS * x.T @ (x @ kernel[:, 0] - y) + l2 * kernel[:, 0]
        matrix = 2 / _ROWS * x.T @ x + (damping + l2) * np.eye(3)
        change = np.linalg.solve(matrix, -gradient)
        assert seen.weights[-1][:, 0] == pytest.approx(kernel[:, 0] + change, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize('scale', [1e-3, 1.0, 1e3])
def test_damping_starts_at_a_tenth_of_the_largest_curvature(scale):
    x, _, _ = regression()
    seen = run(HessianFreeOptimizer(), lambda weights: scale * loss_of(weights), np.ones(3), 1)
    largest = scale * np.linalg.eigvalsh(2 / _ROWS * x.T @ x)[-1]
    assert seen.shown[0]['damping'] == pytest.approx(0.1 * largest, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize('decay', [1e-2, 1e-4])
def test_fifteen_steps_of_the_defaults_reach_the_minimum_of_logistic_regression(decay):
    problem = softmax_regression(decay=decay)
    start = np.zeros(problem.inputs.shape[1] * problem.classes)
    least = minimize(problem.value_and_gradient, start, jac=True, method='L-BFGS-B').fun
    found = run(HessianFreeOptimizer(), problem.tensor, start, 15).weights[-1]
    assert problem.value_and_gradient(found)[0] < least * (1 + 1e-3)


def test_the_curvature_is_computed_on_the_next_share_in_each_step():
    x, y, _ = regression()
    seen = run(HessianFreeOptimizer(damping=2.0, curvature_share=1 / 3), loss_of, np.full(3, 0.1), 4)
    solution = np.zeros(3)
    for turn, (weights, then) in enumerate(zip(seen.weights, seen.weights[1:], strict=False)):
        rows = x[4 * (turn % 3) : 4 * (turn % 3) + 4]
        damping = seen.shown[turn]['damping'] * np.eye(3)
        gradient = 2 / _ROWS * x.T @ (x @ weights - y)
        solution = np.linalg.solve(2 / 4 * rows.T @ rows + damping, -gradient)
        change = (then - weights) / seen.shown[turn]['step_length']
        assert change == pytest.approx(solution, abs=1e-5)


def test_a_network_of_a_fixed_batch_size_is_rejected():
    x, y, _ = regression()

    def bound(weights):
        made = tf.reshape(tf.linalg.matvec(tf.constant(x), weights), [_ROWS])
        return tf.reduce_mean(tf.math.squared_difference(made, y))

    with pytest.raises(FlagError, match='A curvature_share below 1 needs a network'):
        run(HessianFreeOptimizer(curvature_share=0.5), bound, np.ones(3), 1)


def test_a_step_that_increases_the_loss_is_not_taken():
    # A network whose outputs jump: every change of the weights increases the loss, whatever the gradient.
    def loss(w):
        trap = tf.stop_gradient(10 * tf.abs(w - 1))
        return tf.reduce_sum(tf.math.squared_difference(w + trap, 0.5))

    seen = run(HessianFreeOptimizer(damping=1.0), loss, [1.0], 2)
    assert list(seen.weights[:, 0]) == [1, 1, 1]
    assert [step['step_length'] for step in seen.shown] == [0, 0]
    assert [step['damping'] for step in seen.shown] == pytest.approx([1, 1.5])
    assert [step['rejected_steps'] for step in seen.shown] == [0, 0]


@pytest.mark.slow
def test_training_goes_on_where_rounding_errors_leave_no_way_down(session):
    rng = np.random.default_rng(0)
    inputs = tf.constant(rng.normal(size=(64, 10)), tf.float32)
    classes = tf.constant(rng.normal(size=64) > 0)
    initializer = tf.glorot_uniform_initializer(seed=1)
    hidden = tf.layers.dense(inputs, 60, tf.nn.tanh, kernel_initializer=initializer)
    logits = tf.layers.dense(hidden, 3, kernel_initializer=initializer)
    loss = tf.losses.sparse_softmax_cross_entropy(tf.cast(classes, tf.int32), logits)
    method = HessianFreeOptimizer()
    step = method.minimize(loss)
    session.run(tf.global_variables_initializer())
    rejected = [session.run([method.diagnostics, step])[0]['rejected_steps'] for _ in range(80)]
    assert session.run(loss) < 1e-6 and not any(rejected)
