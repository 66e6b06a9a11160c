import numpy as np
import pytest

from estimator_lab.core.metrics.streaming import dead_units
from estimator_lab.core.model.endpoints import Endpoint
from estimator_lab.tf1 import tf


def test_units_that_no_example_makes_active():
    rng = np.random.default_rng(1)
    maps = np.maximum(rng.normal(-2.5, 1, [12, 3, 4, 40]), 0).astype(np.float32)
    units = rng.normal(-1.5, 1, [12, 30]).astype(np.float32)  # of a leaky ReLU, say
    weights = np.array([1, 1, 0] * 4, np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        holders = [tf.placeholder(tf.float32, [None, *array.shape[1:]]) for array in (maps, units, weights)]
        kernel = tf.zeros([1])
        endpoints = {
            'conv': Endpoint(holders[0], kernel),
            'pool': Endpoint(holders[0]),
            'dense': Endpoint(holders[1], kernel),
        }
        found = dead_units(endpoints, holders[2])
        assert set(found) == {'dead_units/conv', 'dead_units/dense'}
        session.run(tf.local_variables_initializer())
        for first in range(0, 12, 5):
            parts = [array[first : first + 5] for array in (maps, units, weights)]
            updates = {name: update for name, (_, update) in found.items()}
            latest = session.run(updates, dict(zip(holders, parts, strict=True)))
        assert latest == session.run({name: value for name, (value, _) in found.items()})
    seen = weights > 0
    dead = (maps[seen].max(axis=(0, 1, 2)) <= 0).mean(), (units[seen].max(axis=0) <= 0).mean()
    assert 0 < dead[0] < 1 and 0 < dead[1] < 1
    assert (latest['dead_units/conv'], latest['dead_units/dense']) == pytest.approx(dead)
