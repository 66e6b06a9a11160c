import numpy as np
import pytest

from estimator_lab.optimizers.second_order.hessian_free import kept_steps, truncated_cg
from estimator_lab.tf1 import tf
from tests.optimizers.second_order.problems import quadratic

pytestmark = pytest.mark.trains


def solve(matrix, target, start=None, preconditioner=None, most=250, tolerance=5e-4):
    """Returns the kept solutions, the last one at the end, and the number of steps."""
    size = len(target)
    with tf.Graph().as_default(), tf.Session() as session:
        found = truncated_cg(
            lambda vector: tf.linalg.matvec(tf.constant(matrix), vector),
            tf.constant(target),
            tf.constant(np.zeros(size) if start is None else start),
            tf.constant(np.ones(size) if preconditioner is None else preconditioner),
            most,
            tolerance,
        )
        kept, last, steps = session.run([found.kept.stack(), found.last, found.steps])
        return kept[: last + 1], steps


def in_numpy(matrix, target, start, preconditioner, most, tolerance):
    """The method in NumPy, as in the paper; returns all solutions."""
    x, r = start, matrix @ start - target
    y = r / preconditioner
    p, solutions, values = -y, [start], [0.0]
    for step in range(1, most + 1):
        alpha = (r @ y) / (p @ matrix @ p)
        x, before = x + alpha * p, r @ y
        r = r + alpha * matrix @ p
        y = r / preconditioner
        p = -y + (r @ y) / before * p
        solutions.append(x)
        values.append(x @ matrix @ x / 2 - target @ x)
        k = max(10, int(np.ceil(0.1 * step)))
        if step > k and values[-1] < 0 and (values[-1] - values[step - k]) / values[-1] < k * tolerance:
            break
    return solutions


def test_kept_steps():
    # 5 * 1.3^j: 5, 6.5, 8.45, 10.985, 14.2805, 18.56.
    assert kept_steps(19) == [5, 7, 9, 11, 15, 19]
    assert kept_steps(4) == [] and len(kept_steps(250)) == 15


def test_it_solves_a_system():
    matrix, target, solution = quadratic(20)
    kept, steps = solve(matrix, target, most=20, tolerance=0)
    assert kept[-1] == pytest.approx(solution, abs=1e-8) and steps == 20


@pytest.mark.parametrize('tolerance', [5e-4, 5e-3])
def test_it_stops_and_keeps_as_the_paper_says(tolerance):
    matrix, target, _ = quadratic(300, condition=3000)
    rng = np.random.default_rng(4)
    start, preconditioner = rng.normal(size=300) / 30, np.diag(matrix) ** 0.75
    solutions = in_numpy(matrix, target, start, preconditioner, 250, tolerance)
    kept, steps = solve(matrix, target, start, preconditioner, tolerance=tolerance)
    assert steps == len(solutions) - 1 and 20 < steps < 250
    numbers = [step for step in kept_steps(250) if step < steps] + [steps]
    assert len(kept) == len(numbers)
    assert np.array(kept) == pytest.approx(np.array([solutions[n] for n in numbers]), abs=1e-9)


def test_it_stops_without_curvature():
    kept, steps = solve(np.diag([1.0, -1.0]), np.array([0.0, 1.0]))
    assert steps == 1 and list(kept[-1]) == [0, 0]
