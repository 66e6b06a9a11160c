"""Trained networks, shared by the tests of this folder."""

import pytest

from estimator_lab.inference.run import open_run
from tests.support.small_runs import train


@pytest.fixture(scope='session')
def cnn(cnn_dir):
    """A CNN of grey images of 8x8 pixels."""
    return open_run(cnn_dir)


@pytest.fixture(scope='session')
def vgg(tmp_path_factory):
    """A VGG without dense layers, of colour images of 32x32 pixels."""
    folder, hparams = tmp_path_factory.mktemp('vgg'), 'depth=11,filters=2,head=pool,batch_norm=true'
    return open_run(train(folder, 'vgg', hparams, max_steps=2, image_size=32, channels=3))
