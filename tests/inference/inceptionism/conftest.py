"""Small trained networks, shared by the tests of this folder."""

import pytest

from estimator_lab.runs.model import open_trained
from tests.small_runs import train


@pytest.fixture(scope='session')
def vgg(tmp_path_factory):
    """A VGG without dense layers, of colour images of 32x32 pixels."""
    folder, hparams = tmp_path_factory.mktemp('vgg'), 'depth=11,filters=2,head=pool,batch_norm=true'
    return open_trained(train(folder, 'vgg', hparams, max_steps=2, image_size=32, channels=3))


@pytest.fixture(scope='session')
def gan(tmp_path_factory):
    """A GAN of grey images of 8x8 pixels."""
    folder, hparams = tmp_path_factory.mktemp('gan'), 'filters=3,latent_size=2'
    return open_trained(train(folder, 'gan', hparams, max_steps=2, image_size=8))
