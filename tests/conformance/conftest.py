"""Each test here is one behaviour of the Estimator API, where it touches TensorFlow."""

from collections.abc import Iterator

import numpy as np
import pytest

from estimator_lab.tf1 import tf
from tests.support.halves import laboratory_hidden


@pytest.fixture(autouse=True, scope='module')
def without_laboratory() -> Iterator[None]:
    """Users of the Estimator alone need nothing else of the package."""
    with laboratory_hidden():
        yield


@pytest.fixture(autouse=True)
def fresh_graph() -> Iterator[None]:
    """A seeded graph for each test, so that neither variable names nor random numbers depend on the order."""
    np.random.seed(1)
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        yield
