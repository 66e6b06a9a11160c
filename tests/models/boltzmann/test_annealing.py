import numpy as np
import pytest

from estimator_lab.models.boltzmann.annealing import _bounds, inverse_temperatures, log_partition
from estimator_lab.tf1 import tf
from tests.models.boltzmann.test_machine import noise, rbm_of
from tests.support.exact_rbm import ExactRbm

pytestmark = pytest.mark.both


@pytest.mark.parametrize(('seed', 'scale'), [(0, 1.0), (1, 1.5), (2, 0.3)])
def test_log_partition_against_enumeration(seed, scale, session):
    exact = ExactRbm.drawn(6, 4, seed, scale)
    mean = tf.constant(np.full(6, 0.4), tf.float32)
    found = session.run(log_partition(rbm_of(exact), mean, chains=200, steps=1000, noise=noise()))
    assert found.estimate == pytest.approx(exact.log_partition(), abs=0.1)
    assert found.low <= exact.log_partition() <= found.high
    assert found.high - found.low < 0.2


def test_bounds_by_hand(session):
    """Weights of 1 and 3: their mean is 2, its standard error 1."""
    found = session.run(_bounds(tf.constant(np.log([1.0, 3.0])), tf.constant(0.0, tf.float64)))
    assert found == pytest.approx((np.log(2), -np.inf, np.log(2 + 3 * 1)))


def test_temperatures_crowd_at_the_end():
    betas = inverse_temperatures(14_500)
    assert len(betas) == 14_501 and betas[0] == 0 and betas[-1] == 1
    assert (np.diff(betas) > 0).all()
    # Salakhutdinov and Murray: 500 up to 0.5, 4,000 up to 0.9, 10,000 up to 1
    assert [int((betas <= end).sum()) - 1 for end in (0.5, 0.9, 1.0)] == pytest.approx(
        [500, 4500, 14_500], abs=1
    )
