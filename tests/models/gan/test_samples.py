import math

import pytest

from estimator_lab.models.gan.samples import latent_vectors

pytestmark = pytest.mark.both


@pytest.mark.parametrize(
    ('truncation', 'deviation'),
    [
        (0.0, 1.0),
        # Of a normal distribution cut at 1: 1 - 2 phi(1) / (2 Phi(1) - 1), with phi(1) = 0.24197.
        (1.0, math.sqrt(1 - 2 * 0.24197 / math.erf(1 / math.sqrt(2)))),
    ],
)
def test_latent_vectors_are_normal_or_cut_at_the_truncation(session, truncation, deviation):
    vectors = session.run(latent_vectors(500, 32, seed=1, truncation=truncation))
    assert vectors.shape == (500, 32) and vectors.std() == pytest.approx(deviation, rel=0.02)
    assert vectors.mean() == pytest.approx(0, abs=0.02)
    assert not truncation or 0.99 < abs(vectors).max() <= 1
