"""Batch and instance normalisation against NumPy."""

import numpy as np
import pytest

from estimator_lab.core.layers.normalization import STATISTICS, BatchNorm, InstanceNorm
from estimator_lab.tf1 import tf
from tests.graphs import evaluate

RNG = np.random.default_rng(0)
MAPS = RNG.normal(2, 3, (2, 4, 5, 3)).astype(np.float32)
MIX = np.array([[1, 0], [0.25, 0.75]], np.float32)


@pytest.mark.parametrize('shape', [(6, 3), (4, 2, 5, 3)])
def test_batch_normalisation(shape):
    values = RNG.normal(2, 3, shape).astype(np.float32)
    axes = tuple(range(len(shape) - 1))
    mean, variance = values.mean(axes), values.var(axes)

    def build():
        norm = BatchNorm('norm')
        trained, updates = norm(tf.constant(values), training=True)
        quiet, none = norm(tf.constant(values), training=False)
        assert none == [] and len(tf.trainable_variables()) == 2
        return trained, quiet, {variable.op.name: value for variable, value in updates}

    trained, quiet, moved = evaluate(build)
    assert np.allclose(trained, (values - mean) / np.sqrt(variance + 1e-5), atol=1e-4)
    assert np.allclose(quiet, values / np.sqrt(1 + 1e-5), atol=1e-4), 'initial moving averages: 0 and 1'
    assert np.allclose(moved['norm/moving_mean'], 0.1 * mean, atol=1e-4)
    unbiased = values.var(axes, ddof=1)
    assert np.allclose(moved['norm/moving_variance'], 0.9 + 0.1 * unbiased, atol=1e-3)


def test_instance_normalisation_with_mixed_styles():
    scale, shift = RNG.normal(size=(2, 2, 3)).astype(np.float32)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        found = InstanceNorm('norm', 2)(tf.constant(MAPS), tf.constant(MIX))
        variables = {v.op.name: v for v in tf.trainable_variables()}
        assert sorted(variables) == ['norm/scale', 'norm/shift']
        variables['norm/scale'].load(scale, session)
        variables['norm/shift'].load(shift, session)
        values, (mean, variance) = session.run([found, graph.get_collection(STATISTICS)])
    assert np.allclose(mean[:, 0, 0], MAPS.mean((1, 2)), atol=1e-5)
    assert np.allclose(variance[:, 0, 0], MAPS.var((1, 2)), rtol=1e-4)
    normal = (MAPS - MAPS.mean((1, 2), keepdims=True)) / np.sqrt(MAPS.var((1, 2), keepdims=True) + 1e-5)
    scales, shifts = ((MIX @ values)[:, np.newaxis, np.newaxis] for values in (scale, shift))
    assert np.allclose(values, normal * scales + shifts, atol=1e-4)


def test_initially_each_map_has_mean_0_and_variance_1():
    values = evaluate(lambda: InstanceNorm('norm', 2)(tf.constant(MAPS), tf.constant(MIX)))
    assert np.allclose(values.mean((1, 2)), 0, atol=1e-5)
    assert np.allclose(values.var((1, 2)), 1, atol=1e-3)
