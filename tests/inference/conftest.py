"""A trained network, shared by the tests of this folder."""

import pytest

from estimator_lab.runs.model import open_trained


@pytest.fixture(scope='session')
def cnn(cnn_dir):
    """A CNN of grey images of 8x8 pixels."""
    return open_trained(cnn_dir)
