import numpy as np

from estimator_lab.core.layers.normalization import STATISTICS, InstanceNorm
from estimator_lab.tf1 import tf

RNG = np.random.default_rng(0)
MAPS = RNG.normal(2, 3, (2, 4, 5, 3)).astype(np.float32)
MIX = np.array([[1, 0], [0.25, 0.75]], np.float32)


def test_against_numpy():
    scale, shift = RNG.normal(size=(2, 2, 3)).astype(np.float32)
    with tf.Graph().as_default() as graph, tf.Session() as session:
        found = InstanceNorm('norm', 2)(tf.constant(MAPS), tf.constant(MIX))
        variables = {v.op.name: v for v in tf.trainable_variables()}
        assert sorted(variables) == ['norm/scale', 'norm/shift']
        session.run([variables['norm/scale'].assign(scale), variables['norm/shift'].assign(shift)])
        values = session.run(found)
        mean, variance = session.run(graph.get_collection(STATISTICS))
    assert np.allclose(mean[:, 0, 0], MAPS.mean((1, 2)), atol=1e-5)
    assert np.allclose(variance[:, 0, 0], MAPS.var((1, 2)), rtol=1e-4)
    normal = (MAPS - MAPS.mean((1, 2), keepdims=True)) / np.sqrt(MAPS.var((1, 2), keepdims=True) + 1e-5)
    scales, shifts = ((MIX @ values)[:, np.newaxis, np.newaxis] for values in (scale, shift))
    assert np.allclose(values, normal * scales + shifts, atol=1e-4)


def test_at_first_each_map_has_mean_0_and_variance_1():
    with tf.Graph().as_default(), tf.Session() as session:
        found = InstanceNorm('norm', 2)(tf.constant(MAPS), tf.constant(MIX))
        session.run(tf.global_variables_initializer())
        values = session.run(found)
    assert np.allclose(values.mean((1, 2)), 0, atol=1e-5)
    assert np.allclose(values.var((1, 2)), 1, atol=1e-3)
