"""Trained networks, shared by the tests of this folder."""

import pytest

from estimator_lab.inference.run import open_run


@pytest.fixture(scope='session')
def cnn(cnn_dir):
    """A CNN of grey images of 8x8 pixels."""
    return open_run(cnn_dir)


@pytest.fixture(scope='session')
def vgg(vgg_dir):
    """A VGG without dense layers, of colour images of 32x32 pixels."""
    return open_run(vgg_dir)
