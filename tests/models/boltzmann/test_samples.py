import numpy as np
import pytest

from estimator_lab.models.boltzmann.samples import chosen_by_weight

pytestmark = pytest.mark.both


def test_samples_are_chosen_by_weight_and_none_twice():
    """Of weights 1, 3 and 4, the first choice has probabilities 1/8, 3/8 and 4/8."""
    rng = np.random.default_rng(1)
    logs = np.log([1.0, 3.0, 4.0]) - 700  # whose weights are 0 in float32
    chosen = np.array([chosen_by_weight(logs, 2, rng) for _ in range(4000)])
    assert np.bincount(chosen[:, 0]) / 4000 == pytest.approx([1 / 8, 3 / 8, 4 / 8], abs=0.025)
    assert (chosen[:, 0] != chosen[:, 1]).all()
