import numpy as np
import pytest

from estimator_lab.core.layers.normalization import BatchNorm
from estimator_lab.tf1 import tf


@pytest.mark.parametrize('shape', [(6, 3), (4, 2, 5, 3)])
def test_against_numpy(shape):
    values = np.random.default_rng(0).normal(2, 3, shape).astype(np.float32)
    axes = tuple(range(len(shape) - 1))
    mean, variance = values.mean(axes), values.var(axes)
    with tf.Graph().as_default(), tf.Session() as session:
        norm = BatchNorm('norm')
        trained, updates = norm(tf.constant(values), training=True)
        quiet, none = norm(tf.constant(values), training=False)
        session.run(tf.global_variables_initializer())
        assert np.allclose(session.run(trained), (values - mean) / np.sqrt(variance + 1e-5), atol=1e-4)
        assert np.allclose(session.run(quiet), values / np.sqrt(1 + 1e-5), atol=1e-4), 'nothing is known yet'
        assert none == [] and len(tf.trainable_variables()) == 2
        moved = {variable.op.name: session.run(value) for variable, value in updates}
        unbiased = values.var(axes, ddof=1)
        assert np.allclose(moved['norm/moving_mean'], 0.1 * mean, atol=1e-4)
        assert np.allclose(moved['norm/moving_variance'], 0.9 + 0.1 * unbiased, atol=1e-3)
