"""Trained networks, shared by the tests of this folder."""

import pytest

from estimator_lab.inference.run import Run


@pytest.fixture(scope='session')
def cnn(cnn_dir):
    """A CNN of grey images of 8x8 pixels."""
    return Run.open(cnn_dir)


@pytest.fixture(scope='session')
def vgg(vgg_dir):
    """A VGG without dense layers, of colour images of 32x32 pixels."""
    return Run.open(vgg_dir)
