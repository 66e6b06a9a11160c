import numpy as np
import pytest

from estimator_lab.optimizers.second_order.descent import Point, strong_wolfe
from estimator_lab.optimizers.second_order.hessian_free import armijo
from estimator_lab.tf1 import tf
from tests.support.graphs import evaluate

pytestmark = pytest.mark.trains

# (phi of the step length, its slope); the first two are Moré and Thuente's (1994, section 5).
FUNCTIONS = {
    'rational': (lambda a: -a / (a**2 + 2), lambda a: (a**2 - 2) / (a**2 + 2) ** 2),
    'fifth power': (
        lambda a: (a + 0.004) ** 5 - 2 * (a + 0.004) ** 4,
        lambda a: 5 * (a + 0.004) ** 4 - 8 * (a + 0.004) ** 3,
    ),
    'steep': (
        lambda a: tf.sqrt(1 + (1 - a) ** 2 * 1e6) / 1e3 + a / 10,
        lambda a: (a - 1) * 1e3 / tf.sqrt(1 + (1 - a) ** 2 * 1e6) + 0.1,
    ),
    'parabola': (lambda a: (a - 7) ** 2, lambda a: 2 * (a - 7)),
    'NaN beyond 2': (lambda a: tf.log(2 - a) * 0 + (a - 1.5) ** 2, lambda a: 2 * (a - 1.5)),
}


def search(phi, slope, first_step, most=30, c1=1e-4, c2=0.1):
    """Returns the result of a search in a graph, and its start."""

    def point(step):
        return Point(step, phi(step), slope(step))

    def along(step):
        return point(step), tf.stack([step, step])

    def build():
        start, first = point(tf.constant(0.0, tf.float64)), tf.constant(first_step, tf.float64)
        return strong_wolfe(along, (start, tf.zeros([2], tf.float64)), first, c2, c1, most), start

    return evaluate(build)


@pytest.mark.slow
@pytest.mark.parametrize('first_step', [1e-3, 0.1, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize('name', FUNCTIONS)
def test_a_step_meets_the_strong_wolfe_conditions(name, first_step):
    found, start = search(*FUNCTIONS[name], first_step)
    assert found.satisfied and found.finite and found.evaluations < 30
    assert found.point.loss <= start.loss + 1e-4 * found.point.step * start.slope
    assert abs(found.point.slope) <= 0.1 * abs(start.slope)
    assert found.gradient == pytest.approx([found.point.step] * 2)


def test_a_parabola_needs_one_interpolation():
    # Its cubic is the parabola itself, and 7 lies between 10% and 90% of the bracket from 0 to 20.
    found, _ = search(*FUNCTIONS['parabola'], first_step=20.0, c2=1e-9, c1=1e-10)
    assert found.evaluations == 2 and found.point.step == pytest.approx(7)


def test_a_search_without_a_lower_loss_ends_at_the_start():
    # The slope is wrong: the loss only increases.
    found, start = search(lambda a: a**2 + 1, lambda a: 2 * a - 1, 1.0, most=6)
    assert not found.satisfied and found.finite and found.evaluations == 6
    assert found.point.step == 0 and found.point.loss == start.loss and list(found.gradient) == [0, 0]


def test_a_loss_that_is_nowhere_finite_is_reported():
    found, _ = search(lambda a: tf.where(a > 0, np.nan * a, a), lambda a: a - 1, 1.0, most=4)
    assert not found.finite and found.point.step == 0


def test_the_best_end_is_kept_when_the_evaluations_are_spent():
    found, start = search(*FUNCTIONS['parabola'], first_step=1e-3, most=3)
    assert not found.satisfied and found.evaluations == 3
    # 0.001, then four times the growth: 0.005, 0.021.
    assert found.point.step == pytest.approx(0.021) and found.point.loss < start.loss


def test_armijo_shortens_by_its_factor(session):
    # phi(r) = 1 - r + 2 r^2 is below 1 - r / 100 where r < 0.495: 0.8^3 = 0.512, 0.8^4 = 0.4096.
    def loss_at(rate):
        return 1 - rate + 2 * rate**2

    loss, slope = tf.constant(1.0), tf.constant(-1.0)
    rate, evaluations = session.run(armijo(loss_at, loss, slope, tf.constant(2.0)))
    assert rate == pytest.approx(0.8**4) and evaluations == 4
    rate, evaluations = session.run(armijo(lambda rate: 5 + rate, loss, slope, tf.constant(np.nan), most=3))
    assert rate == 0 and evaluations == 2
