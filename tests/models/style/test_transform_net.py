import numpy as np
import pytest

from estimator_lab.models.style.model import Params
from estimator_lab.models.style.transform_net import instance_norm, transform_net
from estimator_lab.tf1 import tf
from tests.support.graphs import evaluate

RNG = np.random.default_rng(0)
MAPS = RNG.normal(2, 3, (2, 4, 5, 3)).astype(np.float32)
MIX = np.array([[1, 0], [0.25, 0.75]], np.float32)


def paint(photo):
    """Returns a small network's painting of a photo, its endpoints, and the names of its variables."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        photos = tf.placeholder(tf.float32, [None, None, None, photo.shape[2]])
        params = Params(photo.shape, filters='3-4', blocks=1)
        endpoints = dict(transform_net(photos, params, tf.ones([1, 1])))
        painted = endpoints.pop('painted')
        session.run(tf.global_variables_initializer())
        names = [v.op.name for v in tf.trainable_variables()]
        return session.run(painted, {photos: photo[np.newaxis]})[0], endpoints, names


@pytest.mark.slow
@pytest.mark.parametrize('size', [(8, 8), (13, 7), (4, 4), (9, 30)])
@pytest.mark.parametrize('channels', [1, 3])
def test_a_painting_has_the_size_of_its_photo(size, channels):
    photo = np.random.default_rng(0).random((*size, channels)).astype(np.float32)
    painted, _, _ = paint(photo)
    assert painted.shape == photo.shape
    assert painted.min() > 0 and painted.max() < 1


def test_names_of_variables_and_endpoints():
    _, endpoints, names = paint(np.zeros((8, 8, 3), np.float32))
    layers = ['down_1', 'down_2', 'residual_1a', 'residual_1b', 'up_1']
    parts = [f'painter/{layer}/{part}' for layer in layers for part in ('kernel', 'scale', 'shift')]
    assert sorted(names) == sorted([*parts, 'painter/picture/bias', 'painter/picture/kernel'])
    assert list(endpoints) == ['down_1', 'down_2', 'residual_1', 'up_1']
    assert all(endpoint.shape.rank == 4 for endpoint in endpoints.values())


def test_instance_normalisation_with_mixed_styles(session):
    scale, shift = RNG.normal(size=(2, 2, 3)).astype(np.float32)
    found = instance_norm(tf.constant(MAPS), 'norm', 2, tf.constant(MIX))
    variables = {v.op.name: v for v in tf.trainable_variables()}
    assert sorted(variables) == ['norm/scale', 'norm/shift']
    variables['norm/scale'].load(scale, session)
    variables['norm/shift'].load(shift, session)
    values = session.run(found)
    normal = (MAPS - MAPS.mean((1, 2), keepdims=True)) / np.sqrt(MAPS.var((1, 2), keepdims=True) + 1e-5)
    scales, shifts = ((MIX @ values)[:, np.newaxis, np.newaxis] for values in (scale, shift))
    assert np.allclose(values, normal * scales + shifts, atol=1e-4)


def test_initially_each_map_has_mean_0_and_variance_1():
    values = evaluate(lambda: instance_norm(tf.constant(MAPS), 'norm', 2, tf.constant(MIX)))
    assert np.allclose(values.mean((1, 2)), 0, atol=1e-5)
    assert np.allclose(values.var((1, 2)), 1, atol=1e-3)
