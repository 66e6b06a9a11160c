"""Derivatives by central differences, to test gradients."""

import numpy as np
import pytest

from estimator_lab.tf1 import tf


def derivative(function, values, number, place, step=1e-6):
    """Returns the derivative of function(values) with respect to values[number].flat[place]."""
    sides = []
    for sign in (1, -1):
        moved = [np.array(v, np.float64) for v in values]
        moved[number].flat[place] += sign * step
        sides.append(function(moved))
    return (sides[0] - sides[1]) / (2 * step)


def assert_gradients(session, loss, sources, given=None, step=1e-2):
    """Asserts that gradients of a loss match differences, along three random directions of each source.

    The sources are variables, and placeholders whose values are given.
    """
    fed, rng = dict(given or {}), np.random.default_rng(0)
    for source, gradient in zip(sources, session.run(tf.gradients(loss, sources), fed), strict=True):
        value = fed[source] if source in fed else session.run(source)

        def loss_at(moved, source=source):
            if source not in fed:
                source.load(moved, session)
            return float(session.run(loss, {**fed, source: moved} if source in fed else fed))

        assert np.abs(gradient).max() > 1e-3
        for _ in range(3):
            direction = rng.normal(size=value.shape)
            direction = (step / np.linalg.norm(direction) * direction).astype(np.float32)
            wanted = loss_at(value + direction) - loss_at(value - direction)
            loss_at(value)
            found = 2 * float((gradient * direction).sum())
            assert found == pytest.approx(wanted, rel=0.02, abs=4e-3 * step)
